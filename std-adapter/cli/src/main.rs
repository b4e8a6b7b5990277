//! The program `fuseboard`.

mod demo;

use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Circuit breakers and limiters, at work on real traffic.
///
/// Without a command it runs the demo.
#[derive(Parser)]
#[command(name = "fuseboard", version, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.\n\
                        NO_COLOR=1 turns colours off; piped output has none."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: DemoArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Sends the same load to the same failing HTTP server twice, without a breaker and with one,
    /// and compares.
    ///
    /// Everything is real and stays on this machine: an HTTP server on the loopback interface that
    /// turns healthy, slow, healthy, failing, hung and healthy again, and a client that calls it
    /// 200 times a second through a token bucket. Takes about 14 seconds and ends with `demo: ok`
    /// when the breaker did what it should.
    Demo(DemoArguments),
}

#[derive(Args, Clone, Copy)]
struct DemoArguments {
    /// Port of the HTTP server on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let DemoArguments { port } = match arguments.command {
        Some(Command::Demo(demo)) => demo,
        None => arguments.demo,
    };
    demo::run(port).unwrap_or_else(|error| {
        anstream::eprintln!("fuseboard: {error:#}");
        ExitCode::FAILURE
    })
}
