//! `fuseboard top`: a board, live.

mod draw;
mod palette;
pub(super) mod processes;
mod sample;
mod screen;
mod table;
mod view;

use super::{path, print};
use crate::failure::Failure;
use crate::humane;
use clap::Args;
use sample::Sampler;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Below this the screen shows noise, and reading costs more than it tells.
const SHORTEST: Duration = Duration::from_millis(50);

/// Arguments of `fuseboard top`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The board's file; without it, the only board in /dev/shm.
    #[arg(value_name = "BOARD", value_hint = clap::ValueHint::FilePath)]
    path: Option<PathBuf>,
    /// The same, as the other commands have it.
    #[arg(long, env = "FUSEBOARD_BOARD", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    board: Option<PathBuf>,
    /// From one reading to the next, at least 50ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Prints the rows once; so it does where standard output is no terminal.
    #[arg(long)]
    once: bool,
    /// One JSON object for each reading, without end unless with --once.
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    match humane::parse_span(text)? {
        short if short < SHORTEST => Err(String::from("allowed: at least 50ms")),
        time => Ok(time),
    }
}

/// Shows the board.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let named = arguments.path.clone().or_else(|| arguments.board.clone());
    let path = path::path_or_only(named)?;
    let board = path::open(&path)?;
    let mut sampler = Sampler::new(path, board);
    if arguments.json {
        stream(&mut sampler, arguments.interval, arguments.once)
    } else if arguments.once || !std::io::stdout().is_terminal() {
        // Two readings, so that there are rates.
        sampler.sample();
        thread::sleep(arguments.interval);
        let sample = sampler.sample();
        let rows: Vec<_> = sample.rows.into_iter().map(|live| live.row).collect();
        print::line(&print::table(&rows, sample.at))?;
        Ok(ExitCode::SUCCESS)
    } else {
        screen::run(sampler, arguments.interval)
    }
}

/// Ends when nobody reads any more.
fn stream(sampler: &mut Sampler, interval: Duration, is_once: bool) -> Result<ExitCode, Failure> {
    sampler.sample();
    loop {
        thread::sleep(interval);
        let sample = sampler.sample();
        // What has changed since the line before; in the first, all that the board remembers.
        let changes = sampler.take_changes();
        print::json(&sample.json(sampler.path(), &changes))?;
        if is_once {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
