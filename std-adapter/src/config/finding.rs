//! [`Finding`]: what is wrong with a configuration, or harmful in it, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Whether a finding keeps the configuration from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It cannot be used.
    Error,
    /// It can be used, and will probably do harm.
    Warning,
}

/// What kind of error it is; lints have ids of their own, in [`LINTS`](super::LINTS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Io,
    Syntax,
    Duplicate,
    Version,
    Unknown,
    Missing,
    Kind,
    Range,
    Conflict,
    Name,
    Board,
    Live,
}

impl Id {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Syntax => "syntax",
            Self::Duplicate => "duplicate",
            Self::Version => "version",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Kind => "kind",
            Self::Range => "range",
            Self::Conflict => "conflict",
            Self::Name => "name",
            Self::Board => "board",
            Self::Live => "live",
        }
    }
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Bytes of the text; both ends stand between characters.
    pub span: Range<usize>,
}

/// One thing that is wrong or harmful.
///
/// Shown it is one line, as compilers write it: `shop.toml:12:21: breakers.payments.failure_threshold = 1.5: must be above 0 and at most 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the configuration can be used nevertheless.
    pub severity: Severity,
    /// The kind of the error, such as `range`, or the lint's id, such as `one_failure_opens`. It stays the same between versions.
    pub id: &'static str,
    /// The file; `None` where the text had none.
    pub file: Option<String>,
    /// Where in the text; `None` where there is no text.
    pub place: Option<Place>,
    /// The setting, such as `breakers.payments.failure_threshold`; empty where it is about the whole.
    pub path: String,
    /// The value as it was written, cut after forty characters; `None` where there is none.
    pub value: Option<String>,
    /// What is allowed; of a warning what will happen.
    pub message: String,
    /// Of a warning, why that does harm.
    pub reason: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(file) = &self.file {
            f.write_str(file)?;
            separator = ":";
        }
        if let Some(place) = &self.place {
            write!(f, "{separator}{}:{}", place.line, place.column)?;
            separator = ":";
        }
        if !separator.is_empty() {
            f.write_str(": ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.summary())?;
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// Setting, value and message without place, reason and help: `breakers.payments.failure_threshold = 1.5: must be above 0 and at most 1`.
    pub fn summary(&self) -> String {
        let subject = match (self.path.as_str(), &self.value) {
            ("", None) => String::new(),
            ("", Some(value)) => format!("{value}: "),
            (path, None) => format!("{path}: "),
            (path, Some(value)) => format!("{path} = {value}: "),
        };
        subject + &self.message
    }
}

/// All that keeps a configuration from being used, in the order of the text, with its warnings.
///
/// Shown it is one line for each finding, also by `{:?}`, because that is what a `main` that returns it prints.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigFileError {
    findings: Vec<Finding>,
    text: Option<Arc<str>>,
}

impl ConfigFileError {
    /// `findings` has an error at least.
    pub(super) fn new(mut findings: Vec<Finding>, text: Option<Arc<str>>) -> Self {
        sort(&mut findings);
        Self { findings, text }
    }

    /// The text that the findings point into; `None` where it could not be read.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Every finding, warnings included, in the order of the text.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.findings.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for ConfigFileError {}

/// In the order of the text; what is said twice of one value, because several policies share it, is said once.
pub(super) fn sort(findings: &mut Vec<Finding>) {
    let start = |finding: &Finding| finding.place.as_ref().map(|place| place.span.start);
    findings.sort_by(|a, b| start(a).cmp(&start(b)).then_with(|| a.path.cmp(&b.path)));
    findings.dedup_by(|a, b| {
        let is_one_place = a.place.is_some() || a.path == b.path;
        is_one_place && a.place == b.place && a.id == b.id && a.message == b.message
    });
}
