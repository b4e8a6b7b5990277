//! The order service's program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use orders::bench::{self, BenchSettings};
use orders::provider::{payment, shipping};
use orders::serve;
use orders::settings::{Role, Settings};

/// An order service with command and query sides and an event store, guarded at every edge by Fuseboard.
///
/// Without a command it serves everything in this process, on a file in ./orders-data.
#[derive(Parser)]
#[command(
    name = "orders",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Exit status: 0 done; 1 failed; 2 wrong usage."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
// There is one of it: its size is no matter.
#[allow(clippy::large_enum_variant)]
enum Command {
    /// Serves everything in this process.
    Serve(Settings),
    /// Measures the write side on a PostgreSQL of its own and on a file, and prints a table.
    Bench(BenchSettings),
    /// Rebuilds the read model, or shows and tries again what was parked, while the service runs.
    Operate(serve::Operation),
    /// One region of a payment provider, with faults by script.
    PaymentProvider(payment::Args),
    /// A carrier, with faults by script.
    ShippingProvider(shipping::Args),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    serve::end_with_parent();
    let command = arguments
        .command
        .unwrap_or(Command::Serve(arguments.settings));
    match run(command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("orders: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match command {
        Command::Serve(settings) => runtime.block_on(serve::run(Role::Everything, settings))?,
        Command::Bench(settings) => runtime.block_on(bench::run(settings))?,
        Command::Operate(operation) => runtime.block_on(serve::operate(operation))?,
        Command::PaymentProvider(args) => runtime.block_on(payment::run(args))?,
        Command::ShippingProvider(args) => runtime.block_on(shipping::run(args))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_contradict_nothing() {
        Arguments::command().debug_assert();
    }
}
