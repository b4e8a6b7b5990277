//! Tables for people, and one JSON object a line for programs.

use crate::measure::Measured;
use crate::setting::Setting;
use crate::verdict::Verdict;
use anyhow::Result;
use fuseboard_benches::rows::Who;
use fuseboard_core::{CircuitBreaker, KeyedEntry};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;

/// What the firmware suite has measured, and holds.
const CODE_SIZES: &str = include_str!("../../../../tests/firmware/code_size.txt");

/// Bytes of the core's own functions.
fn code_size() -> Option<usize> {
    let line = CODE_SIZES
        .lines()
        .find(|line| line.contains("thumbv7em") && line.ends_with("time windows only"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What design promises in bytes: what, how many, at most how many.
fn sizes() -> [(&'static str, Option<usize>, usize); 3] {
    // Its configuration is the last two cache lines.
    let words = size_of::<CircuitBreaker>() - 128;
    [
        (
            "breaker with 10 slots and one stripe, its words",
            Some(words),
            256,
        ),
        (
            "key, with half as many places more than keys",
            Some(size_of::<KeyedEntry>() * 3 / 2),
            24,
        ),
        (
            "code of the core on a Cortex-M4, time windows only (`cargo xtask test firmware` holds it)",
            code_size(),
            8192,
        ),
    ]
}

/// One object for each row, thread count and target, and for each size.
pub fn json(verdicts: &[Verdict<'_>]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, bytes, most) in sizes() {
        let object = json!({
            "name": format!("bytes: {name}"),
            "bytes": bytes,
            "target": format!("<= {most} bytes"),
            "holds": bytes.map(|bytes| bytes <= most),
        });
        writeln!(out, "{object}")?;
    }
    for verdict in verdicts {
        let row = verdict.row;
        let object = json!({
            "name": format!("{}: {}", row.group, row.name),
            "who": who(row.who),
            "threads": verdict.threads,
            "ns": verdict.ns,
            "spread": verdict.spread,
            "limit": row.limit,
            "ratio_to_limit": verdict.to_limit,
            "ratio_to_best_peer": verdict.to_peer,
            "ratio_to_one_thread": verdict.speed_up,
            "target": verdict.target.map(|target| target.to_string()),
            "holds": verdict.holds(),
        });
        writeln!(out, "{object}")?;
    }
    Ok(())
}

/// Every group as a table of Markdown, and how disturbed the run was.
pub fn table(verdicts: &[Verdict<'_>], measured: &[Measured], setting: &Setting) -> String {
    let mut text = format!("{setting}\n");
    // Writing to a string cannot fail.
    let mut group = "";
    for verdict in verdicts {
        let row = verdict.row;
        if row.group != group {
            group = row.group;
            let _ = writeln!(
                text,
                "\n### {group}\n\n| whose | operation | threads | ns | spread | x {} | x best peer | x 1 thread | target | holds |\n|---|---|--:|--:|--:|--:|--:|--:|---|---|",
                row.limit
            );
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            who(row.who),
            row.name,
            verdict.threads,
            number(verdict.ns),
            verdict
                .spread
                .map_or_else(String::new, |spread| format!("{:.0} %", spread * 100.0)),
            number(verdict.to_limit),
            number(verdict.to_peer),
            number(verdict.speed_up),
            verdict
                .target
                .map_or_else(String::new, |target| target.to_string()),
            holds(verdict.holds()),
        );
    }
    let _ = writeln!(
        text,
        "\n### bytes\n\n| what | bytes | target | holds |\n|---|--:|---|---|"
    );
    for (name, bytes, most) in sizes() {
        let _ = writeln!(
            text,
            "| {name} | {} | <= {most} | {} |",
            bytes.map_or_else(String::new, |bytes| bytes.to_string()),
            holds(bytes.map(|bytes| bytes <= most)),
        );
    }
    let dropped: usize = measured.iter().map(Measured::dropped).sum();
    let all: usize = measured.iter().map(|one| one.rounds.len()).sum();
    let (held, missed) =
        verdicts
            .iter()
            .filter_map(Verdict::holds)
            .fold((0, 0), |(held, missed), holds| {
                if holds {
                    (held + 1, missed)
                } else {
                    (held, missed + 1)
                }
            });
    let _ = writeln!(
        text,
        "\n{dropped} of {all} bursts were disturbed and dropped. Targets: {held} hold, {missed} are missed."
    );
    text
}

fn holds(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "",
    }
}

fn who(who: Who) -> &'static str {
    match who {
        Who::Machine => "machine",
        Who::Fuseboard => "fuseboard",
        Who::Peer => "peer",
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| {
        if value < 10.0 {
            format!("{value:.2}")
        } else {
            format!("{value:.1}")
        }
    })
}
