//! A breaker's settings as text, in the words that every language uses.

use crate::boundary::entry;
use crate::config::{fb_breaker_config, fb_window};
use crate::error::{self, Refused, fb_error};
use crate::handle;
use crate::status::fb_status;
use core::ffi::{CStr, c_char};

/// What a decimal looks like.
const DECIMAL: &str = "a decimal such as 0.5";
/// What an integer looks like, of each width.
const INTEGER_32: &str = "a whole number, at most 4294967295";
const INTEGER_64: &str = "a whole number, at most 18446744073709551615";
/// What a time looks like.
const SPAN: &str = "a time with its unit, ns us ms s m h or d, such as 30s or 1.5ms";
/// What a window looks like.
const WINDOW: &str = "time(10s,10), count(100), consecutive(5) or decay(5s)";

/// Fills the settings with the defaults and then with what a text says, and checks all of them.
///
/// The text is a list of `setting=value`, separated by commas or white space; the settings have the
/// names that they have in every language: "failure_threshold=0.5, open_timeout=30s,
/// window=time(10s,10)". Shares and factors are decimals: failure_threshold, slow_call_threshold,
/// open_backoff, open_jitter. Times have a unit, ns us ms s m h or d: open_timeout,
/// open_timeout_max, slow_call_duration, probe_lease, ramp_up, window_size. `window` is
/// time(LENGTH,SLOTS), count(CALLS), consecutive(FAILURES) or decay(HALF_LIFE), and window_size=10s
/// is short for time(10s,10). count_overdue and record_latency are true or false. The others are whole numbers:
/// minimum_requests, half_open_requests, half_open_successes, half_open_failures, jitter_seed.
///
/// `config`: written. `struct_size`: sizeof(fb_breaker_config). `text`: ends in a NUL; "" is the
/// defaults. `error`: may be NULL; names the setting that is unknown, stands twice, cannot be read
/// or is out of its range.
/// Returns: FB_OK; FB_ECONFIG, then `config` is not written; FB_EINVAL; FB_ESIZE when the header does
/// not fit the library. Threads: any, one per struct. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_config_parse(
    config: *mut fb_breaker_config,
    struct_size: usize,
    text: *const c_char,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the text ends in a NUL.
    entry(|| unsafe {
        error::clear(error)?;
        handle::usable(config)?;
        handle::usable(text)?;
        if struct_size != size_of::<fb_breaker_config>() {
            return Err(fb_status::FB_ESIZE);
        }
        let text = CStr::from_ptr(text)
            .to_str()
            .map_err(|_| fb_status::FB_EINVAL)?;
        let parsed = parse(text).map_err(|refused| error::report(error, &refused))?;
        handle::write(config, parsed)?;
        Ok(fb_status::FB_OK)
    })
}

/// The text of one setting.
#[derive(Clone, Copy)]
struct Given<'a> {
    field: &'a str,
    value: &'a str,
}

impl<'a> Given<'a> {
    const fn refused(self, allowed: &'static str) -> Refused<'a> {
        Refused::Text {
            field: self.field,
            given: self.value,
            allowed,
        }
    }

    /// A decimal in parts per million; what is too large for them is out of every range.
    fn ppm(self) -> Result<u32, Refused<'a>> {
        let parts = decimal(self.value, 1_000_000).ok_or_else(|| self.refused(DECIMAL))?;
        Ok(u32::try_from(parts).unwrap_or(u32::MAX))
    }

    fn integer(self) -> Result<u32, Refused<'a>> {
        self.value.parse().map_err(|_| self.refused(INTEGER_32))
    }

    fn long_integer(self) -> Result<u64, Refused<'a>> {
        self.value.parse().map_err(|_| self.refused(INTEGER_64))
    }

    /// At least 1, where 0 in the struct stands for "as the default has it".
    fn positive<T: PartialEq + Default>(self, value: T) -> Result<T, Refused<'a>> {
        if value == T::default() {
            return Err(self.refused("at least 1; leave it out for the default"));
        }
        Ok(value)
    }

    fn switch(self) -> Result<u32, Refused<'a>> {
        match self.value {
            "true" => Ok(1),
            "false" => Ok(0),
            _ => Err(self.refused("true or false")),
        }
    }

    fn span(self) -> Result<u64, Refused<'a>> {
        span(self.value).ok_or_else(|| self.refused(SPAN))
    }
}

fn parse(text: &str) -> Result<fb_breaker_config, Refused<'_>> {
    let mut config = fb_breaker_config::DEFAULT;
    let mut rest = text;
    while let Some((given, behind)) = next(rest)? {
        let seen = &text[..text.len() - rest.len()];
        if settings(seen).any(|field| is_same_setting(field, given.field)) {
            return Err(given.refused("each setting once"));
        }
        set(&mut config, given)?;
        rest = behind;
    }
    // The core's own words for what is out of its range.
    config.core()?.validate()?;
    Ok(config)
}

/// The settings of a text that could be read so far.
fn settings(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (given, behind) = next(rest).ok().flatten()?;
        rest = behind;
        Some(given.field)
    })
}

/// Both name the window.
fn is_same_setting(one: &str, other: &str) -> bool {
    let name = |field| {
        if field == "window_size" {
            "window"
        } else {
            field
        }
    };
    name(one) == name(other)
}

/// The next `setting=value`, and what is behind it.
fn next(text: &str) -> Result<Option<(Given<'_>, &str)>, Refused<'_>> {
    let is_between = |letter: char| letter == ',' || letter.is_ascii_whitespace();
    let text = text.trim_start_matches(is_between);
    if text.is_empty() {
        return Ok(None);
    }
    let mut depth = 0_u32;
    let end = text
        .find(|letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && is_between(letter)
        })
        .unwrap_or(text.len());
    let (setting, rest) = text.split_at(end);
    let Some((field, value)) = setting.split_once('=') else {
        return Err(Refused::Text {
            field: setting,
            given: "without a value",
            allowed: "setting=value, with no space around the =",
        });
    };
    if field.is_empty() {
        return Err(Refused::Text {
            field: "setting",
            given: setting,
            allowed: "setting=value, with no space around the =",
        });
    }
    Ok(Some((Given { field, value }, rest)))
}

fn set<'a>(config: &mut fb_breaker_config, given: Given<'a>) -> Result<(), Refused<'a>> {
    match given.field {
        "failure_threshold" => config.failure_threshold_ppm = given.ppm()?,
        "minimum_requests" => config.minimum_requests = given.long_integer()?,
        "open_timeout" => config.open_timeout_ns = given.span()?,
        "half_open_requests" => config.half_open_requests = given.integer()?,
        "slow_call_duration" => {
            config.slow_call_duration_ns = given.positive(given.span()?)?;
        }
        "slow_call_threshold" => config.slow_call_threshold_ppm = given.ppm()?,
        "half_open_successes" => {
            config.half_open_successes = given.positive(given.integer()?)?;
        }
        "half_open_failures" => config.half_open_failures = given.integer()?,
        "probe_lease" => config.probe_lease_ns = given.positive(given.span()?)?,
        "open_backoff" => config.open_backoff_ppm = given.ppm()?,
        "open_timeout_max" => config.open_timeout_max_ns = given.span()?,
        "open_jitter" => config.open_jitter_ppm = given.ppm()?,
        "jitter_seed" => config.jitter_seed = given.long_integer()?,
        "ramp_up" => config.ramp_up_ns = given.span()?,
        "count_overdue" => config.count_overdue = given.switch()?,
        "record_latency" => config.record_latency = given.switch()?,
        "window_size" => {
            config.window_kind = fb_window::FB_WINDOW_TIME as i32;
            config.window_ns = given.span()?;
        }
        "window" => set_window(config, given)?,
        _ => {
            return Err(given.refused(
                "the members of fb_breaker_config without their units, such as failure_threshold; \
                 no setting has this name",
            ));
        }
    }
    Ok(())
}

fn set_window<'a>(config: &mut fb_breaker_config, given: Given<'a>) -> Result<(), Refused<'a>> {
    let refused = || given.refused(WINDOW);
    let (kind, inside) = given
        .value
        .strip_suffix(')')
        .and_then(|value| value.split_once('('))
        .ok_or_else(refused)?;
    config.window_kind = match kind {
        "time" => {
            let (length, slots) = inside.split_once(',').ok_or_else(refused)?;
            config.window_ns = span(length.trim()).ok_or_else(refused)?;
            config.window_slots = slots.trim().parse().map_err(|_| refused())?;
            fb_window::FB_WINDOW_TIME
        }
        "decay" => {
            config.window_ns = span(inside.trim()).ok_or_else(refused)?;
            fb_window::FB_WINDOW_DECAY
        }
        "count" | "consecutive" => {
            config.window_calls = inside.trim().parse().map_err(|_| refused())?;
            if kind == "count" {
                fb_window::FB_WINDOW_COUNT
            } else {
                fb_window::FB_WINDOW_CONSECUTIVE
            }
        }
        _ => return Err(refused()),
    } as i32;
    Ok(())
}

/// A time in nanoseconds; nothing for what is no time, or longer than 584 years.
fn span(text: &str) -> Option<u64> {
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    decimal(number, unit)
}

/// A decimal without sign or exponent, times `scale`; what is beyond is rounded to the nearest.
fn decimal(text: &str, scale: u64) -> Option<u64> {
    /// Digits behind the point that are looked at: 10^9 times any unit stays in 128 bits.
    const DIGITS: usize = 18;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|letter| letter.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(scale.into())?;
    let fraction = &fraction[..fraction.len().min(DIGITS)];
    let one = 10_u128.pow(fraction.len() as u32);
    let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(scale);
    u64::try_from(whole + (parts + one / 2) / one).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match parse(text) {
            Ok(config) => panic!("{text} gives {config:?}"),
            Err(refused) => refused.to_string(),
        }
    }

    fn parsed(text: &str) -> fb_breaker_config {
        parse(text).unwrap_or_else(|refused| panic!("{text}: {refused}"))
    }

    #[test]
    fn every_setting_can_be_said() {
        let config = parsed(
            "failure_threshold=0.25,minimum_requests=7 open_timeout=1.5s\thalf_open_requests=5\n\
             window=time(20s, 4), slow_call_duration=200ms slow_call_threshold=0.75 \
             count_overdue=true half_open_successes=2 half_open_failures=1 probe_lease=1m \
             open_backoff=2 open_timeout_max=1h open_jitter=0.1 jitter_seed=9 ramp_up=30s",
        );
        let expected = fb_breaker_config {
            failure_threshold_ppm: 250_000,
            minimum_requests: 7,
            open_timeout_ns: 1_500_000_000,
            half_open_requests: 5,
            window_ns: 20_000_000_000,
            window_slots: 4,
            slow_call_duration_ns: 200_000_000,
            slow_call_threshold_ppm: 750_000,
            count_overdue: 1,
            half_open_successes: 2,
            half_open_failures: 1,
            probe_lease_ns: 60_000_000_000,
            open_backoff_ppm: 2_000_000,
            open_timeout_max_ns: 3_600_000_000_000,
            open_jitter_ppm: 100_000,
            jitter_seed: 9,
            ramp_up_ns: 30_000_000_000,
            ..fb_breaker_config::DEFAULT
        };
        assert_eq!(config, expected);
        assert_eq!(parsed("  "), fb_breaker_config::DEFAULT);
    }

    #[test]
    fn every_window_can_be_said() {
        for (text, kind, calls, nanoseconds) in [
            (
                "window=count(5)",
                fb_window::FB_WINDOW_COUNT,
                5,
                10_000_000_000,
            ),
            (
                "window=consecutive(3)",
                fb_window::FB_WINDOW_CONSECUTIVE,
                3,
                10_000_000_000,
            ),
            (
                "window=decay(5s)",
                fb_window::FB_WINDOW_DECAY,
                100,
                5_000_000_000,
            ),
            (
                "window_size=2s",
                fb_window::FB_WINDOW_TIME,
                100,
                2_000_000_000,
            ),
        ] {
            let config = parsed(text);
            assert_eq!(
                (config.window_kind, config.window_calls, config.window_ns),
                (kind as i32, calls, nanoseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        for (text, field, word) in [
            ("failure_threshold=1.5", "failure_threshold", "1.5"),
            ("failure_threshold=-0.5", "failure_threshold", "-0.5"),
            ("failure_threshold=NaN", "failure_threshold", "decimal"),
            ("open_timeout=30", "open_timeout", "unit"),
            ("open_timeout=0s", "open_timeout", "0"),
            ("open_timeout=99999999999h", "open_timeout", "99999999999h"),
            ("half_open_successes=0", "half_open_successes", "default"),
            ("probe_lease=0s", "probe_lease", "default"),
            ("count_overdue=1", "count_overdue", "true or false"),
            ("window=sometimes", "window", "count(100)"),
            ("window=time(10s)", "window", "count(100)"),
            ("window=count(0)", "window", "0"),
            ("failure_treshold=0.5", "failure_treshold", "no setting"),
            ("failure_threshold", "failure_threshold", "="),
            ("failure_threshold = 0.5", "failure_threshold", "="),
            ("window_size=1s window=count(5)", "window", "once"),
            ("==", "setting", "setting=value"),
            ("=5", "setting", "=5"),
            (
                "minimum_requests=18446744073709551616",
                "minimum_requests",
                "at most 18446744073709551615",
            ),
            (
                "half_open_requests=4294967296",
                "half_open_requests",
                "at most 4294967295",
            ),
            (
                "a_setting_with_a_name_that_is_much_too_long_to_be_one=5",
                "a_setting_with_a_name_that_is_much_too_l...",
                "no setting",
            ),
            ("ramp_up=1s ramp_up=1s", "ramp_up", "once"),
        ] {
            let said = refused(text);
            assert!(
                said.starts_with(field) && said.contains(word),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("0.000001", 1_000_000), Some(1));
        assert_eq!(decimal("18446744073709551615", 1), Some(u64::MAX));
        assert_eq!(decimal("18446744073709551616", 1), None);
        assert_eq!(
            decimal("0.123456789123456789123", 1_000_000_000),
            Some(123_456_789)
        );
        assert_eq!(span("1.5us"), Some(1_500));
        assert_eq!(
            (span("1e3s"), span("s"), span(".5s"), span("5.s")),
            (None, None, None, None)
        );
    }
}
