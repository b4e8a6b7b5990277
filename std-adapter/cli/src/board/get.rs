//! `fuseboard get`: everything about one name.

use super::path::BoardArgument;
use super::rows::{self, Detail, Kind, Row};
use super::{now, print};
use crate::failure::Failure;
use crate::humane;
use clap::{Args, ValueEnum};
use fuseboard::{Nanos, Snapshot};
use fuseboard_core::{CircuitBreakerConfig, LatencySnapshot};
use std::process::ExitCode;

/// Arguments of `fuseboard get`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The name; all that it stands for is shown.
    name: String,
    /// Only of this kind.
    #[arg(long)]
    kind: Option<Kind>,
    #[command(flatten)]
    board: BoardArgument,
    /// As JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Shows one name.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (_, board) = arguments.board.open()?;
    let kinds = arguments
        .kind
        .map_or(Kind::value_variants().to_vec(), |kind| vec![kind]);
    let now = now();
    for place in rows::find(&board, &arguments.name, &kinds)? {
        let Some(row) = rows::row(&board, place, now) else {
            continue;
        };
        if arguments.json {
            print::json(&row.json(now))?;
        } else {
            print::line(&text(&row, now))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn text(row: &Row, now: Nanos) -> String {
    let mut lines = vec![format!("{}  {}", row.place.name, row.place.kind)];
    let mut line = |title: &str, value: String| lines.push(format!("  {title:20}{value}"));
    match &row.detail {
        Detail::Breaker {
            snapshot,
            config,
            latency,
        } => breaker(snapshot, config, latency.as_ref(), now, line),
        Detail::TokenBucket { available, config } => {
            line("available", format!("{available} of {}", config.burst));
            line("rate", humane::rate(config.rate));
            line("burst", config.burst.to_string());
        }
        Detail::ConcurrencyLimit { in_flight, limit } => {
            line("in_flight", in_flight.to_string());
            line("limit", limit.to_string());
        }
    }
    lines.join("\n")
}

fn breaker(
    snapshot: &Snapshot,
    config: &CircuitBreakerConfig,
    latency: Option<&LatencySnapshot>,
    now: Nanos,
    mut line: impl FnMut(&str, String),
) {
    let since = rows::since(snapshot, now).map(|since| format!(" for {}", humane::span(since)));
    let probes = snapshot
        .retry_after
        .map(|time| format!(", probes in {}", humane::span(time)));
    line(
        "state",
        [
            print::state(snapshot.state),
            since.unwrap_or_default(),
            probes.unwrap_or_default(),
        ]
        .concat(),
    );
    let (window, totals) = (&snapshot.window, &snapshot.totals);
    line(
        "window",
        format!(
            "{} calls, {} failed ({}), {} slow ({})",
            window.calls,
            window.failures,
            humane::share(window.failure_rate()),
            window.slow,
            humane::share(window.slow_call_rate()),
        ),
    );
    line(
        "totals",
        format!(
            "{} calls, {} failed, {} slow, {} rejected, {} ignored",
            totals.calls, totals.failures, totals.slow, totals.rejected, totals.ignored
        ),
    );
    if let Some(latency) = latency {
        let span = |latency: Option<Nanos>| latency.map_or("-".into(), humane::span);
        let [half, most, nearly_all] = [latency.p50(), latency.p90(), latency.p99()].map(span);
        line(
            "latency",
            format!("p50 {half}, p90 {most}, p99 {nearly_all}"),
        );
    }
    if snapshot.in_flight > 0 {
        line("probes in flight", snapshot.in_flight.to_string());
    }
    if snapshot.openings > 0 {
        line("openings in a row", snapshot.openings.to_string());
    }
    for (name, value) in rows::settings(config) {
        line(name, value.to_string());
    }
}
