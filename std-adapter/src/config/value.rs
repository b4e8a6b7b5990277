//! The values that settings take: shares, durations, rates and numbers, each as people write it.

use crate::config::tree::{Node, Number, Value};
use fuseboard_core::{Nanos, Rate, Window};
use std::fmt;
use std::time::Duration;

/// Longest duration that the words of the core hold: 584 years.
const SPAN_MAX: Duration = Duration::from_nanos(u64::MAX);

/// Why a value will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is of another kind: what it must be.
    Kind(String),
    /// It is out of its range: what that is.
    Range(String),
}

/// A value that was read, to be written again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Given {
    Share(f64),
    Factor(f64),
    Span(Duration),
    Count(u64),
    Switch(bool),
    Word(&'static str),
    Rate(Rate),
    Window(Window),
}

/// A share of all: `0.5` or `"50%"`.
pub(super) fn share(node: &Node, from_zero: bool) -> Result<f64, Wrong> {
    let share = match &node.value {
        Value::Number(number) => number.decimal,
        Value::Text(text) => percentage(text)
            .ok_or_else(|| Wrong::Kind("must be a share, such as 0.5 or \"50%\"".to_owned()))?,
        _ => {
            return Err(Wrong::Kind(
                "must be a share, such as 0.5 or \"50%\"".to_owned(),
            ));
        }
    };
    let is_above = share > 0.0 || (from_zero && share == 0.0);
    if is_above && share <= 1.0 {
        Ok(share)
    } else if from_zero {
        Err(Wrong::Range("must be 0 to 1 (100%)".to_owned()))
    } else {
        Err(Wrong::Range(
            "must be above 0 and at most 1 (100%)".to_owned(),
        ))
    }
}

fn percentage(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('%')?.trim_end();
    let is_plain = digits.starts_with(|first: char| first.is_ascii_digit())
        && digits
            .chars()
            .all(|digit| digit.is_ascii_digit() || digit == '.');
    // Divided in one step, so that "30%" is the same number as 0.3.
    is_plain
        .then(|| digits.parse::<f64>().ok())
        .flatten()
        .map(|percent| percent / 100.0)
}

/// A number with a fraction.
pub(super) fn factor(node: &Node, least: f64, most: f64) -> Result<f64, Wrong> {
    let Value::Number(number) = &node.value else {
        return Err(Wrong::Kind("must be a number".to_owned()));
    };
    if number.decimal >= least && number.decimal <= most {
        Ok(number.decimal)
    } else {
        Err(Wrong::Range(format!("must be {least} to {most}")))
    }
}

/// A whole number.
pub(super) fn count(node: &Node, least: u64, most: u64) -> Result<u64, Wrong> {
    let Value::Number(number) = &node.value else {
        return Err(Wrong::Kind("must be a whole number".to_owned()));
    };
    let whole = whole(number).ok_or_else(|| Wrong::Kind("must be a whole number".to_owned()))?;
    match u64::try_from(whole) {
        Ok(count) if (least..=most).contains(&count) => Ok(count),
        _ => Err(Wrong::Range(format!("must be {least} to {most}"))),
    }
}

/// `1e3` and `5.0` are whole too; what is far beyond any range stays so.
fn whole(number: &Number) -> Option<i128> {
    let is_whole = number.decimal.fract() == 0.0;
    // The conversion saturates.
    number
        .integer
        .or_else(|| is_whole.then_some(number.decimal as i128))
}

/// A length of time with its units: `"250ms"`, `"1m 30s"`.
pub(super) fn span(node: &Node, from_zero: bool) -> Result<Duration, Wrong> {
    let kind = |text: &str| Wrong::Kind(format!("must be a duration {text}"));
    let span = match &node.value {
        Value::Text(text) => {
            duration(text).ok_or_else(|| kind("with units, such as \"250ms\" or \"1m 30s\""))?
        }
        Value::Number(number) => {
            return Err(kind(&format!(
                "with its unit, such as \"{}s\"",
                number.written
            )));
        }
        _ => return Err(kind("with units, such as \"250ms\" or \"1m 30s\"")),
    };
    if span > SPAN_MAX {
        Err(Wrong::Range("must be at most 584 years".to_owned()))
    } else if span.is_zero() && !from_zero {
        Err(Wrong::Range("must be at least 1ns".to_owned()))
    } else {
        Ok(span)
    }
}

/// `None`: no duration. What is longer than anything can hold is the longest there is.
fn duration(text: &str) -> Option<Duration> {
    match humantime::parse_duration(text) {
        // A zero without a unit says nothing that the file's reader could check.
        Ok(_) if text == "0" => None,
        Ok(span) => Some(span),
        // With a fraction it can also be finer than a nanosecond.
        Err(humantime::DurationError::NumberOverflow) if !text.contains('.') => Some(Duration::MAX),
        Err(_) => None,
    }
}

/// So many in so much time: `"100/s"`, `"5 per minute"`, `"1000/10s"`.
pub(super) fn rate(node: &Node) -> Result<Rate, Wrong> {
    let kind = || {
        Wrong::Kind(
            "must be a rate, such as \"100/s\", \"5 per minute\" or \"1000/10s\"".to_owned(),
        )
    };
    let Value::Text(text) = &node.value else {
        return Err(kind());
    };
    let (units, period) = text
        .split_once('/')
        .or_else(|| text.split_once(" per "))
        .ok_or_else(kind)?;
    let (units, period) = (units.trim(), period.trim());
    if units.is_empty() || !units.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(kind());
    }
    // More digits than fit are beyond any range.
    let units = units.parse().unwrap_or(u64::MAX);
    let is_unit = period.starts_with(|first: char| first.is_alphabetic());
    let period = if is_unit {
        duration(&format!("1{period}"))
    } else {
        duration(period)
    };
    let period = period.ok_or_else(kind)?;
    if units == 0 || period.is_zero() || period > SPAN_MAX {
        return Err(Wrong::Range(
            "must be at least 1 in at most 584 years".to_owned(),
        ));
    }
    Ok(Rate::new(units, Nanos::from(period)))
}

/// On or off.
pub(super) fn switch(node: &Node) -> Result<bool, Wrong> {
    match node.value {
        Value::Switch(is_on) => Ok(is_on),
        _ => Err(Wrong::Kind("must be true or false".to_owned())),
    }
}

/// One of some words.
pub(super) fn word(node: &Node, words: &[&'static str]) -> Result<&'static str, Wrong> {
    let found = match &node.value {
        Value::Text(text) => words.iter().find(|word| *word == text),
        _ => None,
    };
    let quoted = || words.iter().map(|word| format!("\"{word}\""));
    found.copied().ok_or_else(|| {
        Wrong::Range(format!(
            "must be {}",
            quoted().collect::<Vec<_>>().join(" or ")
        ))
    })
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) | Self::Factor(share) => write!(f, "{share}"),
            Self::Span(span) => write!(f, "\"{}\"", humantime::format_duration(*span)),
            Self::Count(count) => write!(f, "{count}"),
            Self::Switch(is_on) => write!(f, "{is_on}"),
            Self::Word(word) => write!(f, "\"{word}\""),
            Self::Rate(rate) => write!(f, "\"{}\"", rate_text(*rate)),
            Self::Window(window) => match *window {
                Window::Time { length, slots } => {
                    write!(f, "{{ time = \"{}\", slots = {slots} }}", span_text(length))
                }
                Window::Count(calls) => write!(f, "{{ count = {calls} }}"),
                Window::Consecutive(calls) => write!(f, "{{ consecutive = {calls} }}"),
                Window::Decay { half_life } => {
                    write!(f, "{{ decay = \"{}\" }}", span_text(half_life))
                }
            },
        }
    }
}

/// A time of the core as people write it.
pub(super) fn span_text(span: Nanos) -> String {
    humantime::format_duration(Duration::from_nanos(span.get())).to_string()
}

/// A rate as people write it.
pub(super) fn rate_text(rate: Rate) -> String {
    let period = match rate.per() {
        second if second == Nanos::from_secs(1) => "s".to_owned(),
        minute if minute == Nanos::from_secs(60) => "min".to_owned(),
        hour if hour == Nanos::from_secs(3_600) => "h".to_owned(),
        other => span_text(other),
    };
    format!("{}/{period}", rate.units())
}
