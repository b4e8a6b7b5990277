//! From Python's values to the core's. A wrong type is a `TypeError`, a value out of range a
//! `ConfigError`; both name the field. The ranges themselves are the core's.

use crate::errors;
use crate::window::Window as PyWindow;
use fuseboard::CircuitBreakerConfig;
use fuseboard_core::{Nanos, Window};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDelta, PyDeltaAccess, PyDict};
use std::time::Duration;

/// `Nanos::MAX` in seconds, which as nanoseconds is a float just above: the cast brings it back.
const SECONDS_MAX: f64 = 18_446_744_073.709_553;

/// A duration: seconds as a number, or a `datetime.timedelta`.
pub(crate) fn span(field: &str, value: &Bound<'_, PyAny>) -> PyResult<Nanos> {
    let refused = || {
        errors::config(
            value.py(),
            field,
            format!("{field} is {value}; allowed: 0 to {SECONDS_MAX} seconds"),
        )
    };
    if let Ok(delta) = value.cast::<PyDelta>() {
        // A negative timedelta has negative days, and only days are ever negative.
        let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
        let micros = u64::try_from(delta.get_microseconds()).map_err(|_| refused())?;
        let seconds = u64::try_from(seconds).map_err(|_| refused())?;
        return seconds
            .checked_mul(1_000_000_000)
            .and_then(|nanos| nanos.checked_add(micros * 1_000))
            .map(Nanos::new)
            .ok_or_else(refused);
    }
    let seconds = number(
        field,
        "seconds as an int or float, or a datetime.timedelta",
        value,
    )?;
    if (0.0..=SECONDS_MAX).contains(&seconds) {
        // To the nearest: a span that came out of here as seconds comes back as the same nanoseconds.
        Ok(Nanos::new((seconds * 1e9).round() as u64))
    } else {
        Err(refused())
    }
}

/// A whole number; `bool` is none.
pub(crate) fn integer<T>(field: &str, value: &Bound<'_, PyAny>) -> PyResult<T>
where
    T: TryFrom<u64> + Bounded,
{
    let py = value.py();
    let refused = || {
        let max = T::MAX;
        errors::config(
            py,
            field,
            format!("{field} is {value}; allowed: 0 to {max}"),
        )
    };
    if value.is_instance_of::<PyBool>() {
        return Err(errors::wrong_type(field, "an int", value));
    }
    match value.extract::<u64>() {
        Ok(given) => T::try_from(given).map_err(|_| refused()),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Err(refused()),
        Err(_) => Err(errors::wrong_type(field, "an int", value)),
    }
}

/// The integer types that settings use, with the largest value for the message.
pub(crate) trait Bounded {
    const MAX: u64;
}

impl Bounded for u32 {
    const MAX: u64 = u32::MAX as u64;
}

impl Bounded for u64 {
    const MAX: u64 = u64::MAX;
}

fn number(field: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if value.is_instance_of::<PyBool>() {
        return Err(errors::wrong_type(field, wanted, value));
    }
    match value.extract() {
        Ok(given) => Ok(given),
        // An int beyond every float: out of every range.
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Ok(f64::INFINITY),
        Err(_) => Err(errors::wrong_type(field, wanted, value)),
    }
}

/// A number.
pub(crate) fn decimal(field: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    number(field, "an int or float", value)
}

fn flag(field: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value
        .extract()
        .map_err(|_| errors::wrong_type(field, "a bool", value))
}

fn optional<T>(
    value: &Bound<'_, PyAny>,
    convert: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Option<T>> {
    if value.is_none() {
        Ok(None)
    } else {
        convert(value).map(Some)
    }
}

/// The breaker's settings by name; what is not named has its default.
pub(crate) fn breaker(settings: &Bound<'_, PyDict>) -> PyResult<CircuitBreakerConfig> {
    let mut config = CircuitBreakerConfig::default();
    for (key, value) in settings {
        let field: String = key.extract()?;
        let (field, value) = (field.as_str(), &value);
        match field {
            "failure_threshold" => config.failure_threshold = decimal(field, value)?,
            "minimum_requests" => config.minimum_requests = integer(field, value)?,
            "open_timeout" => config.open_timeout = span(field, value)?.into(),
            "half_open_requests" => config.half_open_requests = integer(field, value)?,
            "window_size" => {
                config.window = Some(Window::Time {
                    length: span(field, value)?,
                    slots: 10,
                });
            }
            "window" => match value.cast::<PyWindow>() {
                Ok(window) => config.window = Some(window.get().0),
                Err(_) => {
                    return Err(errors::wrong_type(
                        field,
                        "a Window, such as Window.count(100)",
                        value,
                    ));
                }
            },
            "slow_call_duration" => config.slow_call_duration = optional_span(field, value)?,
            "slow_call_threshold" => config.slow_call_threshold = decimal(field, value)?,
            "count_overdue" => config.count_overdue = flag(field, value)?,
            "half_open_successes" => {
                config.half_open_successes = optional(value, |value| integer(field, value))?;
            }
            "half_open_failures" => config.half_open_failures = integer(field, value)?,
            "probe_lease" => config.probe_lease = optional_span(field, value)?,
            "open_backoff" => config.open_backoff = decimal(field, value)?,
            "open_timeout_max" => config.open_timeout_max = span(field, value)?.into(),
            "open_jitter" => config.open_jitter = decimal(field, value)?,
            "jitter_seed" => config.jitter_seed = Some(integer(field, value)?),
            "record_latency" => config.record_latency = flag(field, value)?,
            "ramp_up" => config.ramp_up = span(field, value)?.into(),
            unknown => {
                return Err(PyTypeError::new_err(format!(
                    "a circuit breaker has no setting {unknown:?}"
                )));
            }
        }
    }
    Ok(config)
}

fn optional_span(field: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    optional(value, |value| span(field, value).map(Duration::from))
}

/// The same settings in the core's terms, for a breaker of this process.
pub(crate) fn core(config: &CircuitBreakerConfig) -> fuseboard_core::CircuitBreakerConfig {
    let settings = fuseboard_core::CircuitBreakerConfig::new()
        .failure_threshold(config.failure_threshold)
        .minimum_requests(config.minimum_requests)
        .open_timeout(config.open_timeout.into())
        .half_open_requests(config.half_open_requests)
        .slow_call_duration(config.slow_call_duration.map(Nanos::from))
        .slow_call_threshold(config.slow_call_threshold)
        .count_overdue(config.count_overdue)
        .half_open_successes(config.half_open_successes)
        .half_open_failures(config.half_open_failures)
        .probe_lease(config.probe_lease.map(Nanos::from))
        .open_backoff(config.open_backoff)
        .open_timeout_max(config.open_timeout_max.into())
        .open_jitter(config.open_jitter)
        .jitter_seed(config.jitter_seed.unwrap_or_default())
        .ramp_up(config.ramp_up.into())
        .record_latency(config.record_latency);
    match config.window {
        Some(window) => settings.window(window),
        None => settings,
    }
}
