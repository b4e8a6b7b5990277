//! The commands that show and steer a board.

mod agent;
mod configure;
mod doctor;
mod get;
mod list;
mod path;
mod print;
mod remove;
mod rows;
mod steer;
mod top;

use crate::failure::Failure;
use clap::Subcommand;
use fuseboard::{Clock, MonotonicClock, Nanos};
use std::process::ExitCode;
use steer::Verb;

/// What to do with a board. There is one of it: its size is no matter.
#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Command {
    /// Lists every name of a board with what it is doing.
    List(list::Arguments),
    /// Shows everything about one name: state, window, totals, settings.
    Get(get::Arguments),
    /// Rejects every call, until another verb or for a time.
    ForceOpen(steer::ForceOpenArguments),
    /// Admits every call and counts none, until another verb.
    Disable(steer::Arguments),
    /// Admits and counts every call and never trips, until another verb.
    MetricsOnly(steer::Arguments),
    /// Closes a breaker with an empty window; fills a token bucket.
    Reset(steer::Arguments),
    /// Changes settings of what runs; its state stays.
    Configure(configure::Arguments),
    /// Takes a name from the board.
    Remove(remove::Arguments),
    /// Shows a board live: who rejects, who fails, who is attached; keys force open, disable, reset.
    Top(top::Arguments),
    /// Says what is wrong with a board, or why a file is none, and what to do about it.
    ///
    /// Exits with 1 when there is a finding.
    Doctor(doctor::Arguments),
    /// Serves the dashboard, Prometheus and health of a board, and exports it by OTLP: a process beside those that use it.
    Agent(agent::Arguments),
}

/// Carries a command out.
pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::ForceOpen(arguments) => {
            steer::run(&arguments.verb, Verb::ForceOpen(arguments.time))
        }
        Command::Disable(arguments) => steer::run(arguments, Verb::Disable),
        Command::MetricsOnly(arguments) => steer::run(arguments, Verb::MetricsOnly),
        Command::Reset(arguments) => steer::run(arguments, Verb::Reset),
        Command::Configure(arguments) => configure::run(arguments),
        Command::Remove(arguments) => remove::run(arguments),
        Command::Top(arguments) => top::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Agent(arguments) => agent::run(arguments),
    }
}

/// The time of a board: the monotonic clock, which all its processes share.
fn now() -> Nanos {
    MonotonicClock.now()
}
