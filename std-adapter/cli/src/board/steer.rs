//! `fuseboard force-open`, `disable`, `metrics-only` and `reset`: an operator's verbs on a breaker.

use super::path::BoardArgument;
use super::rows::{self, Kind, Place};
use super::{now, print};
use crate::failure::Failure;
use crate::humane;
use clap::Args;
use fuseboard::{Board, Nanos, Transition};
use fuseboard_core::{Observer, Owner};
use std::process::ExitCode;
use std::time::Duration;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    ForceOpen(Option<Duration>),
    Disable,
    MetricsOnly,
    Reset,
}

impl Verb {
    /// As a command is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ForceOpen(_) => "force open",
            Self::Disable => "disable",
            Self::MetricsOnly => "metrics only for",
            Self::Reset => "reset",
        }
    }
}

/// Arguments of each verb.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The breaker's name; `reset` also fills a token bucket.
    name: String,
    #[command(flatten)]
    board: BoardArgument,
    /// What the name does afterwards, as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Arguments of `fuseboard force-open`.
#[derive(Args)]
pub(crate) struct ForceOpenArguments {
    #[command(flatten)]
    pub(crate) verb: Arguments,
    /// How long; then it probes, as after any opening. Without it, until another verb.
    #[arg(long = "for", value_name = "TIME", value_parser = humane::parse_span)]
    pub(crate) time: Option<Duration>,
}

/// Carries the verb out and says what has become of the state.
pub(crate) fn run(arguments: &Arguments, verb: Verb) -> Result<ExitCode, Failure> {
    let (_, board) = arguments.board.open()?;
    let kinds: &[Kind] = match verb {
        Verb::Reset => &[Kind::Breaker, Kind::TokenBucket],
        _ => &[Kind::Breaker],
    };
    let found = rows::find(&board, &arguments.name, kinds)?;
    for place in found {
        let text = carry_out(&board, &place, verb)?;
        if arguments.json {
            let now = now();
            let row = rows::row(&board, place.clone(), now).ok_or_else(|| removed(&place))?;
            print::json(&row.json(now))?;
        } else {
            print::line(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Carries the verb out; says what has become of the state.
pub(crate) fn carry_out(board: &Board, place: &Place, verb: Verb) -> Result<String, Failure> {
    match place.kind {
        Kind::Breaker => breaker(board, place, verb),
        _ => bucket(board, place),
    }
}

fn breaker(board: &Board, place: &Place, verb: Verb) -> Result<String, Failure> {
    let section = board.words().breakers();
    let breaker = section.get(place.id).ok_or_else(|| removed(place))?;
    let (now, before) = (now(), breaker.state());
    let told = &Operator { board, place };
    match verb {
        Verb::ForceOpen(None) => breaker.force_open(now, told),
        Verb::ForceOpen(Some(time)) => {
            let until = now.saturating_add(Nanos::from(time));
            breaker.force_open_until(until, now, told);
        }
        Verb::Disable => breaker.disable(now, told),
        Verb::MetricsOnly => breaker.metrics_only(now, told),
        Verb::Reset => breaker.reset(now, told),
    }
    let for_how_long = match verb {
        Verb::ForceOpen(Some(time)) => {
            format!(" for {}, then it probes", humane::exact(time.into()))
        }
        Verb::Reset => String::from(", its window empty"),
        _ => String::from(" until `fuseboard reset`"),
    };
    let (before, after) = (print::state(before), print::state(breaker.state()));
    Ok(format!("{}: {before} → {after}{for_how_long}", place.name))
}

/// Writes a change down for all who watch the board, as nobody's who is attached: a verb must not take an owner's place.
struct Operator<'a> {
    board: &'a Board,
    place: &'a Place,
}

impl Observer for Operator<'_> {
    fn transition(&self, transition: &Transition) {
        let nobody = Owner::new(u16::MAX);
        self.board.words().tell(self.place.id, nobody, transition);
    }
}

fn bucket(board: &Board, place: &Place) -> Result<String, Failure> {
    let section = board.words().token_buckets();
    let bucket = section.get(place.id).ok_or_else(|| removed(place))?;
    bucket.reset();
    Ok(format!("{}: full, {} units", place.name, bucket.burst()))
}

/// That a name went while it was worked on.
pub(crate) fn removed(place: &Place) -> Failure {
    Failure::NotFound(format!(
        "{} was removed by another program meanwhile",
        place.name
    ))
}
