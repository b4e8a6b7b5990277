//! [`Node`]: what a file says, with the place of each value, whatever the format.

mod json;
mod toml;
mod yaml;

use crate::config::finding::{Id, Place};
use crate::config::format::Format;
use crate::config::source::join;
use std::collections::HashSet;

/// Longest text that is read, in bytes: what people write by hand is far below it, and every parser ends soon.
pub(super) const TEXT_MAX: usize = 1 << 20;
/// Deepest nesting; the deepest setting there is stands at five.
const DEPTH_MAX: usize = 16;
/// Most values, those counted again that an alias repeats.
const NODES_MAX: usize = 100_000;

/// Bytes of the text, from `start` to before `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Where that is in `text`: line and column from 1, the column in characters.
    pub(super) fn place(self, text: &str) -> Place {
        let start = floor(text, self.start);
        let end = floor(text, self.end.max(start));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: start..end,
        }
    }
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What all three formats can say, as far as a configuration needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nothing,
    Switch(bool),
    Number(Number),
    Text(String),
    List,
    Map(Vec<Entry>),
}

/// A number as it was written, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) written: String,
    pub(super) decimal: f64,
    /// `None` where it has a fraction or does not fit.
    pub(super) integer: Option<i128>,
}

/// One key of a map and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) id: Id,
    pub(super) span: Span,
    pub(super) message: String,
}

impl Refused {
    fn syntax(span: Span, message: impl Into<String>) -> Self {
        let (id, message) = (Id::Syntax, message.into());
        Self { id, span, message }
    }
}

/// Reads `text`, which is at most [`TEXT_MAX`] long.
///
/// # Errors
/// All that is wrong with its syntax, as far as the format's parser goes on after the first.
pub(super) fn parse(text: &str, format: Format) -> Result<Node, Vec<Refused>> {
    match format {
        Format::Toml => toml::parse(text),
        Format::Yaml => yaml::parse(text).map_err(|refused| vec![refused]),
        Format::Json => json::parse(text).map_err(|refused| vec![refused]),
    }
}

impl Number {
    /// From digits with an optional sign, point and exponent; `None` when it is none.
    fn of(written: &str) -> Option<Self> {
        let plain = written.replace('_', "");
        let decimal = plain.parse().ok()?;
        Some(Self {
            written: written.to_owned(),
            decimal,
            integer: plain.parse().ok(),
        })
    }

    /// From digits of another base, after a prefix such as `0x`.
    fn of_radix(written: &str, digits: &str, radix: u32) -> Option<Self> {
        let integer = i128::from_str_radix(digits, radix).ok()?;
        Some(Self {
            written: written.to_owned(),
            decimal: integer as f64,
            integer: Some(integer),
        })
    }
}

/// How a value is shown in a finding.
const SHOWN_MAX: usize = 40;

impl Node {
    /// The value in a word or as it was written, cut after forty characters.
    pub(super) fn shown(&self) -> String {
        let whole = match &self.value {
            Value::Nothing => "nothing".to_owned(),
            Value::Switch(is_on) => is_on.to_string(),
            Value::Number(number) => number.written.clone(),
            Value::Text(text) => format!("{text:?}"),
            Value::List => "a list".to_owned(),
            Value::Map(_) => "a table".to_owned(),
        };
        match whole.char_indices().nth(SHOWN_MAX) {
            None => whole,
            Some((cut, _)) => format!("{}…", &whole[..cut]),
        }
    }
}

/// The keys of a map so far; TOML's parser minds them itself.
#[derive(Default)]
struct Keys(HashSet<String>);

impl Keys {
    /// # Errors
    /// It stands there already.
    fn add(&mut self, key: &str, span: Span) -> Result<(), Refused> {
        if self.0.insert(key.to_owned()) {
            return Ok(());
        }
        Err(Refused {
            id: Id::Duplicate,
            span,
            message: format!("{} stands twice; remove one of them", join("", key)),
        })
    }
}

fn too_deep(span: Span) -> Refused {
    Refused::syntax(span, format!("nested deeper than {DEPTH_MAX} levels"))
}
