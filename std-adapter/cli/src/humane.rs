//! Spans, shares, counts and rates as people read and write them.

use fuseboard::{Nanos, Rate};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Three digits at most, in the unit that fits: `850ms`, `1.5s`, `4m 12s`, `3h 5m`, `2d 4h`.
pub(crate) fn span(span: Nanos) -> String {
    let nanos = span.get();
    let seconds = nanos / SECOND;
    match seconds {
        0 if nanos < 1_000 => format!("{nanos}ns"),
        0 if nanos < 1_000_000 => three_digits(nanos as f64 / 1e3, "us"),
        0 => three_digits(nanos as f64 / 1e6, "ms"),
        1..60 => three_digits(nanos as f64 / 1e9, "s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// Cut, not rounded, so that a span is never shown as long as the next unit.
fn three_digits(value: f64, unit: &str) -> String {
    let (digits, scale) = match value {
        ..10.0 => (2, 100.0),
        ..100.0 => (1, 10.0),
        _ => (0, 1.0),
    };
    let text = format!("{:.digits$}", (value * scale).floor() / scale);
    let text = if digits > 0 {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

/// Exactly, as configuration files write it.
pub(crate) fn exact(span: Nanos) -> String {
    humantime::format_duration(span.into()).to_string()
}

/// `58%`, and `<1%` rather than a zero that is none.
pub(crate) fn share(share: f64) -> String {
    if share > 0.0 && share < 0.01 {
        String::from("<1%")
    } else {
        format!("{:.0}%", share * 100.0)
    }
}

/// `999`, `12.3k`, `4.5M`: six characters at most.
pub(crate) fn count(count: u64) -> String {
    number(count as f64)
}

/// `1 process`, `2 processes`.
pub(crate) fn counted(number: usize, one: &str) -> String {
    let plural = match number {
        1 => "",
        _ if one.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {one}{plural}", count(number as u64))
}

/// Of something each second: with a digit behind the point below ten.
pub(crate) fn each_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        format!("{rate:.1}")
    } else {
        number(rate)
    }
}

fn number(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    match units.iter().find(|(least, _)| value >= *least) {
        Some((1e4, unit)) => format!("{:.1}{unit}", value / 1e3),
        Some((least, unit)) => format!("{:.1}{unit}", value / least),
        None => format!("{value:.0}"),
    }
}

/// A rate in the unit in which it is at least one: `100/s`, `3/min`, `1/h`.
pub(crate) fn rate(rate: Rate) -> String {
    let each_nano = rate.units() as f64 / rate.per().get().max(1) as f64;
    let units = [(1e9, "s"), (60e9, "min"), (3_600e9, "h"), (86_400e9, "d")];
    let whole = |value: f64| (value - value.round()).abs() < 1e-3 * value;
    let (times, unit) = units
        .into_iter()
        .find(|(times, _)| each_nano * times >= 1.0 && whole(each_nano * times))
        .or_else(|| {
            units
                .into_iter()
                .find(|(times, _)| each_nano * times >= 1.0)
        })
        .unwrap_or((86_400e9, "d"));
    let value = each_nano * times;
    if whole(value) {
        format!("{value:.0}/{unit}")
    } else {
        format!("{value:.2}/{unit}")
    }
}

/// For clap: `30s`, `1m 30s`, `250ms`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; allowed: a number and a unit, such as 250ms, 30s or 1m"))
}

/// For clap: as [`parse_span`], or `off`.
pub(crate) fn parse_span_or_off(text: &str) -> Result<SpanOrOff, String> {
    if text == "off" {
        return Ok(SpanOrOff(None));
    }
    parse_span(text).map(|span| SpanOrOff(Some(span.into())))
}

/// A span, or none; its own type because clap takes an `Option` for an argument that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanOrOff(pub(crate) Option<Nanos>);

/// For clap: `100/s`, `30/min`, `1/h`, `500/10s`.
pub(crate) fn parse_rate(text: &str) -> Result<Rate, String> {
    let allowed =
        || format!("{text:?}; allowed: units and a time, such as 100/s, 30/min or 500/10s");
    let (units, per) = text.split_once('/').ok_or_else(allowed)?;
    let units = units.trim().parse().map_err(|_| allowed())?;
    let per = per.trim();
    let per = if per.starts_with(|first: char| first.is_ascii_digit()) {
        per.to_owned()
    } else {
        format!("1{per}")
    };
    let per = humantime::parse_duration(&per).map_err(|_| allowed())?;
    Ok(Rate::new(units, per.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_three_digits_and_are_never_rounded_up() {
        for (nanos, text) in [
            (0, "0ns"),
            (999, "999ns"),
            (1_500, "1.5us"),
            (4_257_000, "4.25ms"),
            (42_000_000, "42ms"),
            (42_170_000, "42.1ms"),
            (850_400_000, "850ms"),
            (999_999_999, "999ms"),
            (1_000_000_000, "1s"),
            (1_570_000_000, "1.57s"),
            (59_999_999_999, "59.9s"),
            (60_000_000_000, "1m 0s"),
            (11_100_000_000_000, "3h 5m"),
            (187_200_000_000_000, "2d 4h"),
        ] {
            assert_eq!(span(Nanos::new(nanos)), text);
        }
    }

    #[test]
    fn counts_and_rates_stay_short() {
        assert_eq!(
            [count(0), count(9_999), count(12_345)],
            ["0", "9999", "12.3k"]
        );
        assert_eq!(
            [count(4_500_000), count(u64::MAX)],
            ["4.5M", "18446744073.7G"]
        );
        assert_eq!(
            [each_second(0.0), each_second(0.25), each_second(42.4)],
            ["0", "0.2", "42"]
        );
        assert_eq!(counted(1, "process"), "1 process");
        assert_eq!(
            [counted(0, "limit"), counted(2, "process")],
            ["0 limits", "2 processes"]
        );
        assert_eq!(
            [share(0.0), share(0.004), share(0.5), share(1.0)],
            ["0%", "<1%", "50%", "100%"]
        );
    }

    #[test]
    fn what_is_shown_is_what_is_read() {
        for text in ["100/s", "3/s", "30/min", "1/h", "700000/s"] {
            assert_eq!(rate(parse_rate(text).unwrap()), text);
        }
        assert_eq!(rate(parse_rate("500/10s").unwrap()), "50/s");
        for bad in ["", "100", "x/s", "1/", "1/parsec", "-1/s"] {
            assert!(parse_rate(bad).unwrap_err().contains("allowed: "), "{bad}");
        }
        assert_eq!(parse_span_or_off("off"), Ok(SpanOrOff(None)));
        assert_eq!(parse_span("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(parse_span("30").unwrap_err().contains("allowed: "));
        assert_eq!(exact(Nanos::from_millis(90_500)), "1m 30s 500ms");
    }
}
