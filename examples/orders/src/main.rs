//! The order service's program.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use orders::bench::{self, BenchSettings};
use orders::provider::{payment, shipping};
use orders::serve::{self, Services};
use orders::settings::{Role, Settings};
use orders::storm;

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
    command: Option<Program>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
// There is one of it: its size is no matter.
#[allow(clippy::large_enum_variant)]
enum Program {
    /// Serves everything in this process.
    Serve(Settings),
    /// Measures the write side on a PostgreSQL of its own and on a file, and what the policies take at each edge; prints a table.
    Bench(BenchSettings),
    /// Rebuilds the read model, or shows and tries again what was parked, while the service runs.
    Operate(serve::Operation),
    /// Serves the gateway alone: what clients talk to, before a command and a query service.
    Gateway(GatewayArguments),
    /// Serves commands alone, with relay and fulfilment.
    Command(Settings),
    /// Serves queries alone, with their projection.
    Query(Settings),
    /// One region of a payment provider, with faults by script.
    PaymentProvider(payment::Args),
    /// A carrier, with faults by script.
    ShippingProvider(shipping::Args),
    /// Starts everything, kills it piece by piece under load, and says whether the books balance.
    ///
    /// Exits with 0 only when they do.
    Storm(storm::StormArguments),
    /// Reads the books of a service that nobody uses: events, money, what was published, what is shown.
    ///
    /// Exits with 0 only when they balance.
    Books(storm::BooksArguments),
}

#[derive(Args)]
struct GatewayArguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    services: Services,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    serve::end_with_parent();
    let command = arguments
        .command
        .unwrap_or(Program::Serve(arguments.settings));
    match run(command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("orders: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Program) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match command {
        Program::Bench(settings) => runtime.block_on(bench::run(settings))?,
        Program::Serve(settings) => {
            runtime.block_on(serve::run(Role::Everything, settings, None))?;
        }
        Program::Gateway(GatewayArguments { settings, services }) => {
            runtime.block_on(serve::run(Role::Gateway, settings, Some(services)))?;
        }
        Program::Command(settings) => {
            runtime.block_on(serve::run(Role::Command, settings, None))?;
        }
        Program::Query(settings) => runtime.block_on(serve::run(Role::Query, settings, None))?,
        Program::Operate(operation) => runtime.block_on(serve::operate(operation))?,
        Program::PaymentProvider(args) => runtime.block_on(payment::run(args))?,
        Program::ShippingProvider(args) => runtime.block_on(shipping::run(args))?,
        Program::Storm(arguments) => {
            return Ok(balanced(runtime.block_on(storm::run(arguments))?));
        }
        Program::Books(arguments) => {
            return Ok(balanced(runtime.block_on(storm::read_books(&arguments))?));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn balanced(is_balanced: bool) -> ExitCode {
    if is_balanced {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
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
