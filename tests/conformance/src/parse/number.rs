//! Numbers, read exactly: a duration never passes through a float.

use fuseboard_core::Nanos;

use super::{Parsed, unexpected};
use crate::trace::{Rate, Window};

const DURATION: &str = "a duration such as 30s, 1.5ms or 99ns (units ns us ms s m h d, a whole number of nanoseconds, at most 2^64-1 of them)";

/// A unit's nanoseconds.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) fn duration(word: &str) -> Parsed<Nanos> {
    match exact_nanos(word) {
        Some(nanos) => Ok(Nanos::new(nanos)),
        None => unexpected(DURATION, word),
    }
}

fn exact_nanos(word: &str) -> Option<u64> {
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, name) = word.split_at(digits);
    let unit = unit(name)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction.trim_end_matches('0')),
        Some(_) => return None,
        None => (number, ""),
    };
    if !is_digits(whole) {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    // Each further decimal is a tenth of the one before, and must still be whole nanoseconds.
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = if fraction.is_empty() {
        0
    } else {
        u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit)
    };
    if parts % u128::from(scale) != 0 {
        return None;
    }
    whole.checked_add(u64::try_from(parts / u128::from(scale)).ok()?)
}

pub(super) fn count64(word: &str) -> Parsed<u64> {
    match word.parse() {
        Ok(count) if is_digits(word) => Ok(count),
        _ => unexpected("a whole number from 0 to 18446744073709551615", word),
    }
}

pub(super) fn count32(word: &str) -> Parsed<u32> {
    match word.parse() {
        Ok(count) if is_digits(word) => Ok(count),
        _ => unexpected("a whole number from 0 to 4294967295", word),
    }
}

pub(super) fn ratio(word: &str) -> Parsed<f64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    match word.parse() {
        Ok(ratio) if is_digits(whole) && is_digits(fraction) => Ok(ratio),
        _ => unexpected("a decimal such as 0.5", word),
    }
}

pub(super) fn flag(word: &str) -> Parsed<bool> {
    match word {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => unexpected("true or false", word),
    }
}

pub(super) fn rate(word: &str) -> Parsed<Rate> {
    let Some((units, per)) = word.split_once('/') else {
        return unexpected("a rate such as 10/s or 1/5s", word);
    };
    let units = count64(units)?;
    let per = match unit(per) {
        Some(nanos) => Nanos::new(nanos),
        None => duration(per)?,
    };
    Ok(Rate { units, per })
}

pub(super) fn window(word: &str) -> Parsed<Window> {
    const EXPECTED: &str = "time(DURATION,SLOTS), count(N), decay(DURATION) or consecutive(N)";
    let Some((form, argument)) = word.strip_suffix(')').and_then(|word| word.split_once('('))
    else {
        return unexpected(EXPECTED, word);
    };
    match form {
        "time" => {
            let Some((length, slots)) = argument.split_once(',') else {
                return unexpected(EXPECTED, word);
            };
            Ok(Window::Time {
                length: duration(length)?,
                slots: count32(slots)?,
            })
        }
        "count" => count32(argument).map(Window::Count),
        "decay" => Ok(Window::Decay {
            half_life: duration(argument)?,
        }),
        "consecutive" => count32(argument).map(Window::Consecutive),
        _ => unexpected(EXPECTED, word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        for (word, nanos) in [
            ("0s", 0),
            ("1ns", 1),
            ("1.5us", 1_500),
            ("30.002999s", 30_002_999_000),
            ("99999999ns", 99_999_999),
            ("0.000000001s", 1),
            ("0.1000000000000s", 100_000_000),
            ("1.5d", 129_600_000_000_000),
            ("18446744073709551615ns", u64::MAX),
            ("18446744073.709551615s", u64::MAX),
        ] {
            assert_eq!(exact_nanos(word), Some(nanos), "{word}");
        }
    }

    #[test]
    fn what_is_not_a_whole_number_of_nanoseconds_is_no_duration() {
        for word in [
            "",
            "5",
            "s",
            "-1s",
            "+1s",
            "1.s",
            ".5s",
            "1..5s",
            "0.5ns",
            "1.0000000001s",
            "1S",
            "1 s",
            "18446744073709551616ns",
            "18446744073.709551616s",
            "213504d",
            "0.11111111111111111111111111111s",
        ] {
            assert_eq!(exact_nanos(word), None, "{word}");
        }
    }

    #[test]
    fn rates_take_a_unit_or_a_duration() {
        let per = |units, nanos| {
            Ok(Rate {
                units,
                per: Nanos::new(nanos),
            })
        };
        assert_eq!(rate("10/s"), per(10, 1_000_000_000));
        assert_eq!(rate("3/m"), per(3, 60_000_000_000));
        assert_eq!(rate("1/5s"), per(1, 5_000_000_000));
        for word in ["10", "/s", "10/", "x/s", "1.5/s", "10/5"] {
            assert!(rate(word).is_err(), "{word}");
        }
    }

    #[test]
    fn counts_and_ratios_have_one_spelling() {
        assert_eq!(count64("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(ratio("-0.5"), Ok(-0.5));
        assert!(count32("4294967296").is_err());
        for word in ["+1", "", "1e3", "0x1"] {
            assert!(count64(word).is_err(), "{word}");
            assert!(count32(word).is_err(), "{word}");
        }
        for word in ["+0.5", "1e-1", "nan", "inf", ".5", "1.", ""] {
            assert!(ratio(word).is_err(), "{word}");
        }
    }

    #[test]
    fn windows_have_four_forms() {
        assert_eq!(window("count(7)"), Ok(Window::Count(7)));
        assert_eq!(window("consecutive(5)"), Ok(Window::Consecutive(5)));
        assert_eq!(
            window("time(10s,10)"),
            Ok(Window::Time {
                length: Nanos::from_secs(10),
                slots: 10
            })
        );
        assert_eq!(
            window("decay(5s)"),
            Ok(Window::Decay {
                half_life: Nanos::from_secs(5)
            })
        );
        for word in [
            "count",
            "count(",
            "count()",
            "time(10s)",
            "sum(3)",
            "count(1)x",
        ] {
            assert!(window(word).is_err(), "{word}");
        }
    }
}
