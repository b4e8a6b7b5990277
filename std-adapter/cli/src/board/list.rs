//! `fuseboard list`: every name of a board.

use super::path::BoardArgument;
use super::{now, print, rows};
use crate::failure::Failure;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `fuseboard list`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    board: BoardArgument,
    /// One JSON object for each name.
    #[arg(long)]
    json: bool,
}

/// Lists the names.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (path, board) = arguments.board.open()?;
    let now = now();
    let rows = rows::rows(&board, now);
    if arguments.json {
        for row in &rows {
            print::json(&row.json(now))?;
        }
    } else if rows.is_empty() {
        print::line(&format!("{}: no names yet", path.display()))?;
    } else {
        print::line(&print::table(&rows, now))?;
    }
    Ok(ExitCode::SUCCESS)
}
