//! `fuseboard check`: what is wrong with a configuration file, or harmful in it, as compilers show it.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use anyhow::Result;
use clap::Args;
use fuseboard::config::{Config, ConfigFileError, Finding, Severity};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Columns of a terminal that does not tell.
const WIDTH: usize = 120;

/// Arguments of `fuseboard check`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Configuration files: toml, yaml, yml or json.
    #[arg(required = true, value_name = "CONFIG")]
    files: Vec<PathBuf>,
    /// Warnings are findings too.
    #[arg(long)]
    strict: bool,
    /// One JSON object for all files, for programs.
    #[arg(long)]
    json: bool,
}

/// One file and what was found in it.
struct Checked {
    file: String,
    text: Option<String>,
    findings: Vec<Finding>,
    /// What it configures, where it can be used.
    holds: Option<String>,
}

/// Checks all files.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let checked: Vec<_> = arguments.files.iter().map(|path| check(path)).collect();
    if arguments.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{:#}", report(&checked, arguments.strict))?;
    } else {
        let mut out = anstream::stdout().lock();
        for file in &checked {
            write!(out, "{}", shown(file))?;
        }
    }
    let is_fine = checked
        .iter()
        .all(|file| is_fine(&file.findings, arguments.strict));
    Ok(if is_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_fine(findings: &[Finding], strict: bool) -> bool {
    let counts = |finding: &Finding| strict || finding.severity == Severity::Error;
    !findings.iter().any(counts)
}

fn check(path: &Path) -> Checked {
    let file = path.display().to_string();
    match Config::from_path(path) {
        Ok(config) => Checked {
            file,
            text: config.text().map(str::to_owned),
            findings: config.warnings().to_vec(),
            holds: Some(holds(&config)),
        },
        Err(error) => Checked {
            file,
            text: error.text().map(str::to_owned),
            findings: findings(&error),
            holds: None,
        },
    }
}

fn findings(error: &ConfigFileError) -> Vec<Finding> {
    error.findings().to_vec()
}

/// `2 breakers, 1 rate limit`.
fn holds(config: &Config) -> String {
    let rows = [
        (config.breakers().count(), "breaker"),
        (config.rate_limits().count(), "rate limit"),
        (config.concurrency_limits().count(), "concurrency limit"),
        (config.timeouts().count(), "timeout"),
        (config.retries().count(), "retry policy"),
        (config.hedges().count(), "hedge"),
        (config.queues().count(), "queue"),
        (config.adaptive_limits().count(), "adaptive limit"),
        (config.load_sheddings().count(), "load shedding"),
        (config.throttles().count(), "throttle"),
    ];
    let there: Vec<_> = rows
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect();
    match there.as_slice() {
        [] => "no policies".to_owned(),
        there => there.join(", "),
    }
}

fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// The findings of a file, and a line that sums them up.
fn shown(checked: &Checked) -> String {
    let mut shown = String::new();
    for finding in &checked.findings {
        shown += &rendered(checked, finding);
        shown += "\n\n";
    }
    let of = |severity| {
        let same = |finding: &&Finding| finding.severity == severity;
        checked.findings.iter().filter(same).count()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let verdict = match (&checked.holds, warnings) {
        (Some(holds), 0) => format!("fine: {holds}"),
        (Some(holds), _) => format!(
            "can be used, with {}: {holds}",
            counted(warnings, "warning")
        ),
        (None, 0) => counted(errors, "error"),
        (None, _) => format!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
    };
    format!("{shown}{}: {verdict}\n", checked.file)
}

fn rendered(checked: &Checked, finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level
        .primary_title(finding.summary())
        .id(finding.id)
        .elements(None::<Origin<'_>>);
    group = match (&checked.text, &finding.place) {
        (Some(text), Some(place)) => group.element(
            Snippet::source(text.as_str())
                .path(checked.file.as_str())
                .annotation(AnnotationKind::Primary.span(place.span.clone())),
        ),
        _ => group.element(Origin::path(checked.file.as_str())),
    };
    if let Some(reason) = &finding.reason {
        group = group.element(Level::NOTE.message(reason.as_str()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    // What is not meant for a terminal is cut nowhere.
    let width = if std::io::stdout().is_terminal() {
        WIDTH
    } else {
        usize::from(u16::MAX)
    };
    Renderer::styled().term_width(width).render(&[group])
}

/// Everything for programs.
fn report(checked: &[Checked], strict: bool) -> Value {
    let files: Vec<_> = checked
        .iter()
        .map(|file| {
            json!({
                "file": file.file,
                "fine": is_fine(&file.findings, strict),
                "findings": file.findings.iter().map(object).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "fine": checked.iter().all(|file| is_fine(&file.findings, strict)), "files": files })
}

fn object(finding: &Finding) -> Value {
    let place = finding.place.as_ref();
    json!({
        "severity": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "id": finding.id,
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "span": place.map(|place| [place.span.start, place.span.end]),
        "path": finding.path,
        "value": finding.value,
        "message": finding.message,
        "reason": finding.reason,
        "help": finding.help,
    })
}
