//! `fuseboard remove`: takes a name from the board.

use super::path::BoardArgument;
use super::rows::{self, Kind};
use super::{print, steer};
use crate::failure::Failure;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::process::ExitCode;

/// Arguments of `fuseboard remove`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The name.
    name: String,
    /// Which kind, where the name stands for several.
    #[arg(long)]
    kind: Option<Kind>,
    #[command(flatten)]
    board: BoardArgument,
    /// What was removed, as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Removes one name.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (_, board) = arguments.board.open()?;
    let kinds = arguments
        .kind
        .map_or(Kind::value_variants().to_vec(), |kind| vec![kind]);
    let place = rows::find_one(&board, &arguments.name, &kinds)?;
    let words = board.words();
    let is_removed = match place.kind {
        Kind::Breaker => words.breakers().remove(place.id),
        Kind::TokenBucket => words.token_buckets().remove(place.id),
        Kind::ConcurrencyLimit => words.concurrency_limits().remove(place.id),
    };
    if !is_removed {
        return Err(steer::removed(&place));
    }
    if arguments.json {
        let (kind, name) = (place.kind.as_str(), place.name.as_str());
        print::json(&json!({"kind": kind, "name": name, "removed": true}))?;
    } else {
        print::line(&format!(
            "{} {}: removed; a program that still uses it makes it anew with its next call",
            place.kind, place.name
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
