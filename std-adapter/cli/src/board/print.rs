//! Printing to standard output: styled lines that become plain where they should, and JSON lines.

use super::rows::{Detail, Row, since};
use crate::failure::Failure;
use crate::humane;
use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use fuseboard::{CircuitState, Nanos};
use serde_json::Value;
use std::io::Write;

/// Prints a line; styles go only where there is a terminal, and no `NO_COLOR`.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    Ok(writeln!(anstream::stdout().lock(), "{text}")?)
}

/// Prints one JSON object as one line.
pub(crate) fn json(object: &Value) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, object).map_err(std::io::Error::from)?;
    Ok(writeln!(stdout)?)
}

/// How a state is shown everywhere: green passes, yellow is in between, red rejects, blue is an operator's choice that passes.
pub(crate) fn colour(state: CircuitState) -> AnsiColor {
    match state {
        CircuitState::Closed => AnsiColor::Green,
        CircuitState::HalfOpen => AnsiColor::Yellow,
        CircuitState::Open | CircuitState::ForcedOpen => AnsiColor::Red,
        CircuitState::Disabled | CircuitState::MetricsOnly => AnsiColor::Blue,
    }
}

/// A state in its colour.
pub(crate) fn state(state: CircuitState) -> String {
    let style = Style::new().bold().fg_color(Some(colour(state).into()));
    format!("{style}{state}{style:#}")
}

/// What stands in the column `state` of each kind.
pub(crate) fn state_of(row: &Row) -> String {
    match &row.detail {
        Detail::Breaker { snapshot, .. } => snapshot.state.to_string(),
        Detail::TokenBucket { available: 0, .. } => "empty".into(),
        Detail::ConcurrencyLimit { in_flight, limit } if in_flight >= limit => "full".into(),
        Detail::TokenBucket { .. } | Detail::ConcurrencyLimit { .. } => "passing".into(),
    }
}

/// All rows as a table without lines.
pub(crate) fn table(rows: &[Row], now: Nanos) -> String {
    let titles = [
        "NAME", "KIND", "STATE", "SINCE", "CALLS", "FAILED", "REJECTED", "RETRY", "NOW",
    ];
    let mut table = Table::new();
    table.load_style(NOTHING);
    let bold = Style::new().bold();
    table.set_header(titles.map(|title| format!("{bold}{title}{bold:#}")));
    for row in rows {
        table.add_row(cells(row, now));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (3..=7).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn cells(row: &Row, now: Nanos) -> Vec<Cell> {
    let place = &row.place;
    let span = |span: Option<Nanos>| span.map_or("-".into(), humane::span);
    let [since, calls, failed, rejected, retry, used] = match &row.detail {
        Detail::Breaker { snapshot, .. } => [
            span(since(snapshot, now)),
            humane::count(snapshot.totals.calls),
            humane::count(snapshot.totals.failures),
            humane::count(snapshot.totals.rejected),
            span(snapshot.retry_after),
            match snapshot.window.calls {
                0 => "-".into(),
                calls => format!("{} of {calls} failed", snapshot.window.failures),
            },
        ],
        Detail::TokenBucket { available, config } => dashes(format!(
            "{available} of {} left, {}",
            config.burst,
            humane::rate(config.rate)
        )),
        Detail::ConcurrencyLimit { in_flight, limit } => {
            dashes(format!("{in_flight} of {limit} in flight"))
        }
    };
    let state = match &row.detail {
        Detail::Breaker { snapshot, .. } => self::state(snapshot.state),
        _ => state_of(row),
    };
    let texts = [
        place.name.to_string(),
        place.kind.to_string(),
        state,
        since,
        calls,
        failed,
        rejected,
        retry,
        used,
    ];
    texts.into_iter().map(Cell::new).collect()
}

fn dashes(used: String) -> [String; 6] {
    let dash = || String::from("-");
    [dash(), dash(), dash(), dash(), dash(), used]
}
