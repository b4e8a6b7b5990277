//! `fuseboard doctor`: what is wrong with a board, or why a file is none, and what to do about it.

mod file;
mod inside;

use super::{path, print};
use crate::failure::Failure;
use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `fuseboard doctor`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The board's file, or one that should be; without it, the only board in /dev/shm.
    #[arg(value_name = "BOARD", value_hint = clap::ValueHint::FilePath)]
    path: Option<PathBuf>,
    /// The same, as the other commands have it.
    #[arg(long, env = "FUSEBOARD_BOARD", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    board: Option<PathBuf>,
    /// All that was seen as one JSON object.
    #[arg(long)]
    json: bool,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    facts: Vec<Fact>,
    findings: Vec<Finding>,
}

/// What is as it is.
#[derive(Debug)]
struct Fact {
    name: &'static str,
    text: String,
    value: Value,
}

/// What should be otherwise.
#[derive(Debug)]
struct Finding {
    subject: &'static str,
    found: String,
    advice: &'static str,
}

impl Report {
    /// One line for people, one value for programs.
    fn fact(&mut self, name: &'static str, text: impl Into<String>, value: Value) {
        let text = text.into();
        self.facts.push(Fact { name, text, value });
    }

    fn finding(&mut self, subject: &'static str, found: impl Into<String>, advice: &'static str) {
        let found = found.into();
        self.findings.push(Finding {
            subject,
            found,
            advice,
        });
    }

    /// Forgets findings about anything else.
    fn only(&mut self, subject: &str) {
        self.findings.retain(|finding| finding.subject == subject);
    }

    fn json(&self, path: &Path) -> Value {
        let facts: Map<String, Value> = self
            .facts
            .iter()
            .map(|fact| (fact.name.into(), fact.value.clone()))
            .collect();
        let findings = self.findings.iter().map(|finding| {
            let Finding {
                subject,
                found,
                advice,
            } = finding;
            json!({"subject": subject, "found": found, "advice": advice})
        });
        let findings: Vec<Value> = findings.collect();
        json!({"board": path.display().to_string(), "facts": facts, "findings": findings})
    }

    fn text(&self, path: &Path) -> String {
        let (bold, bad, good) = (
            Style::new().bold(),
            Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
        );
        let mut lines = vec![format!("{bold}{}{bold:#}", path.display())];
        lines.extend(
            self.facts
                .iter()
                .map(|fact| format!("  {:18} {}", fact.name, fact.text)),
        );
        match self.findings.len() {
            0 => lines.push(format!("{good}nothing found{good:#}")),
            count => {
                let plural = if count == 1 { "" } else { "s" };
                lines.push(format!("{bad}{count} finding{plural}{bad:#}"));
            }
        }
        for Finding {
            subject,
            found,
            advice,
        } in &self.findings
        {
            lines.push(format!("  {bold}{subject}{bold:#}: {found}"));
            lines.push(format!("    → {advice}"));
        }
        lines.join("\n")
    }
}

/// Looks at the file, and inside if it is a board. Exits with 1 when there is a finding.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let named = arguments.path.clone().or_else(|| arguments.board.clone());
    let path = path::path_or_only(named)?;
    let mut report = Report::default();
    file::look(&path, &mut report)?;
    // What is wrong with the file stands in the report; an error here would be said twice.
    if let Ok(board) = path::open(&path) {
        inside::look(&board, &mut report);
    } else if report.findings.is_empty() {
        let error = path::open(&path)
            .err()
            .and_then(|failure| failure.message());
        report.finding(
            "board",
            error.unwrap_or_default(),
            "see what the system says; a process that opens it will be told the same",
        );
    }
    if arguments.json {
        print::json(&report.json(&path))?;
    } else {
        print::line(&report.text(&path))?;
    }
    Ok(ExitCode::from(u8::from(!report.findings.is_empty())))
}
