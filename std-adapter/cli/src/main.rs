//! The program `fuseboard`.

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
mod board;
mod check;
mod completions;
mod demo;
mod failure;
mod humane;
mod schema;

use clap::{Args, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Circuit breakers and limiters: shows and steers those on a board, which all processes of a host share.
///
/// Without a command it runs the demo.
#[derive(Parser)]
#[command(name = "fuseboard", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Exit status: 0 done; 1 failed, or `doctor` has found something; 2 wrong usage; 3 no such board or name;\n\
                  130 stopped by Ctrl-C. NO_COLOR=1 turns colours off; piped output has none."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: DemoArguments,
}

#[derive(Subcommand)]
// There is one of it: its size is no matter.
#[allow(clippy::large_enum_variant)]
enum Command {
    /// Sends the same load to the same failing HTTP server twice, without a breaker and with one,
    /// and compares.
    ///
    /// Everything is real and stays on this machine: an HTTP server on the loopback interface that
    /// turns healthy, slow, healthy, failing, hung and healthy again, and a client that calls it
    /// 200 times a second through a token bucket. Takes about 14 seconds and ends with `demo: ok`
    /// when the breaker did what it should.
    Demo(DemoArguments),
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    #[command(flatten)]
    Board(board::Command),
    /// Prints what a shell completes, for its start-up file.
    Completions(completions::Arguments),
    /// Says what is wrong with configuration files, and what in them is allowed and harmful.
    ///
    /// Exits with 0 when all can be used, and with 1 when one cannot, or with --strict when anything was found.
    Check(check::Arguments),
    /// Prints the JSON Schema of configuration files, with which editors complete them.
    Schema,
}

#[derive(Args, Clone, Copy)]
struct DemoArguments {
    /// Port of the HTTP server on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Instead: so many worker processes, 1 to 64, call a server that goes down, each with a breaker of its own and then all
    /// with one on a board. Takes about 12 seconds.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<u32>,
}

impl DemoArguments {
    fn run(self) -> anyhow::Result<ExitCode> {
        #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
        if let Some(workers) = self.workers {
            return demo::workers::run(self.port, workers);
        }
        demo::run(self.port)
    }
}

fn main() -> ExitCode {
    let ended = match demo_worker() {
        Some(worker) => worker.map_err(Failure::from),
        None => run(Arguments::parse()),
    };
    ended.unwrap_or_else(|failure| {
        if let Some(message) = failure.message() {
            anstream::eprintln!("fuseboard: {message}");
        }
        ExitCode::from(failure.status())
    })
}

/// What the demo starts by itself: no command of the users', whom no help and no completion offers it.
fn demo_worker() -> Option<anyhow::Result<ExitCode>> {
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    if std::env::args_os().nth(1)? == demo::workers::worker::COMMAND {
        return Some(demo::workers::worker::run());
    }
    None
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        None => Ok(arguments.demo.run()?),
        Some(Command::Demo(demo)) => Ok(demo.run()?),
        #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
        Some(Command::Board(command)) => board::run(&command),
        Some(Command::Check(arguments)) => Ok(check::run(&arguments)?),
        Some(Command::Schema) => Ok(schema::run()?),
        Some(Command::Completions(shell)) => completions::run::<Arguments>(&shell),
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

    #[test]
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    fn the_guides_commands_are_ones() {
        let guide = include_str!("../../../docs/cli.md");
        let commands = guide.lines().filter_map(|line| line.strip_prefix("$ "));
        let mut count = 0;
        for command in commands {
            let parsed = Arguments::try_parse_from(command.split_whitespace());
            assert!(
                parsed.is_ok(),
                "{command}: {}",
                parsed
                    .err()
                    .map_or_else(String::new, |error| error.to_string())
            );
            count += 1;
        }
        assert!(count > 5, "{count} commands");
        // Every command is in it.
        for command in Arguments::command().get_subcommands() {
            let name = format!("`fuseboard {}", command.get_name());
            let shown = format!("$ fuseboard {}", command.get_name());
            let in_table = format!("| `{} ", command.get_name());
            assert!(
                [name, shown, in_table]
                    .iter()
                    .any(|text| guide.contains(text)),
                "{}",
                command.get_name()
            );
        }
    }
}
