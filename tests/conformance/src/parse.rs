//! Reads a trace: bytes to [`Trace`], with the file, the line and what was expected when it cannot.

mod number;
mod settings;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;

use self::settings::Settings;
use crate::trace::{Declaration, Item, Kind, Line, Trace};

/// Why a trace cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The file's path as it was given.
    pub path: String,
    /// Line number, from 1.
    pub line: usize,
    /// What could stand there.
    pub expected: String,
    /// What stands there; empty at the end of the line.
    pub got: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: expected {}, ",
            self.path, self.line, self.expected
        )?;
        if self.got.is_empty() {
            write!(f, "got the end of the line")
        } else {
            write!(f, "got `{}`", self.got)
        }
    }
}

impl std::error::Error for ParseError {}

/// What could stand in a place, and what does; the caller adds the place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unexpected {
    expected: String,
    got: String,
}

type Parsed<T> = Result<T, Unexpected>;

fn unexpected<T>(expected: impl Into<String>, got: impl Into<String>) -> Parsed<T> {
    Err(Unexpected {
        expected: expected.into(),
        got: got.into(),
    })
}

/// Reads a whole trace.
///
/// Returns a [`ParseError`] for the first line that is not in the format.
pub fn parse(path: &str, bytes: &[u8]) -> Result<Trace, ParseError> {
    let mut names = Names::default();
    let mut lines = Vec::new();
    for (index, raw) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let at_line = |error: Unexpected| ParseError {
            path: path.to_owned(),
            line: number,
            expected: error.expected,
            got: error.got,
        };
        let code = raw.split(|byte| *byte == b'#').next().unwrap_or_default();
        let text = str::from_utf8(code)
            .or_else(|_| unexpected("UTF-8 text", String::from_utf8_lossy(code)))
            .map_err(at_line)?
            .trim();
        if text.is_empty() {
            continue;
        }
        let item = item(text, &mut names).map_err(at_line)?;
        lines.push(Line {
            number,
            text: text.to_owned(),
            item,
        });
    }
    Ok(Trace {
        path: path.to_owned(),
        lines,
    })
}

/// What the lines so far have named.
#[derive(Default)]
struct Names {
    /// `None` for a policy whose declaration must be refused.
    policies: HashMap<String, Option<(Kind, Settings)>>,
    /// Policy and permit.
    permits: HashSet<(String, String)>,
}

fn item(text: &str, names: &mut Names) -> Parsed<Item> {
    let (head, expect) = match text.split_once("->") {
        Some((head, expect)) => (head, Some(expect)),
        None => (text, None),
    };
    let mut words = Words::new(head);
    let expect: Option<Vec<&str>> = expect.map(|expect| expect.split_whitespace().collect());
    if expect.as_ref().is_some_and(Vec::is_empty) {
        return unexpected("an expectation after `->`", "");
    }
    let expect = expect.unwrap_or_default();
    let first = words.next("a kind or a time")?;
    match Kind::ALL.into_iter().find(|kind| kind.as_str() == first) {
        Some(kind) => declaration(kind, words, &expect, names).map(Item::Declaration),
        None => step::step(first, words, &expect, names).map(Item::Step),
    }
}

fn declaration(
    kind: Kind,
    mut words: Words<'_>,
    expect: &[&str],
    names: &mut Names,
) -> Parsed<Declaration> {
    let name = identifier(words.next("a name for it")?)?.to_owned();
    if names.policies.contains_key(&name) {
        return unexpected("a name that is not taken", name);
    }
    let settings = Settings::read(words)?;
    let policy = settings.policy(kind)?;
    let refused_field = match expect {
        [] => None,
        [one] => Some(step::error_field(one)?.to_owned()),
        [_, second, ..] => return unexpected("nothing after error(FIELD)", *second),
    };
    let usable = refused_field.is_none().then_some((kind, settings));
    names.policies.insert(name.clone(), usable);
    Ok(Declaration {
        name,
        policy,
        refused_field,
    })
}

/// The words of a line, taken one by one.
struct Words<'a> {
    rest: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.split_whitespace().peekable(),
        }
    }

    fn next(&mut self, expected: &str) -> Parsed<&'a str> {
        match self.rest.next() {
            Some(word) => Ok(word),
            None => unexpected(expected, ""),
        }
    }

    fn next_if(&mut self, accept: impl FnOnce(&str) -> bool) -> Option<&'a str> {
        self.rest.next_if(|word| accept(word))
    }

    /// The next `key=value`, if any word is left.
    fn setting(&mut self) -> Parsed<Option<(&'a str, &'a str)>> {
        match self.rest.next() {
            None => Ok(None),
            Some(word) => match word.split_once('=') {
                Some(pair) => Ok(Some(pair)),
                None => unexpected("key=value", word),
            },
        }
    }

    fn end(mut self, after: &str) -> Parsed<()> {
        match self.rest.next() {
            None => Ok(()),
            Some(word) => unexpected(format!("nothing after {after}"), word),
        }
    }
}

fn identifier(word: &str) -> Parsed<&str> {
    let legal = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if legal {
        Ok(word)
    } else {
        unexpected("a name (a letter, then letters, digits, `_` or `-`)", word)
    }
}
