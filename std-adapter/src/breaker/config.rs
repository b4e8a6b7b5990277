//! [`CircuitBreakerConfig`]: the settings as a plain struct, in `Duration`s.

use fuseboard_core::{ConfigError, Nanos, Window};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Span that `window_size` has when nobody gave one.
const DEFAULT_WINDOW_SIZE: Duration = Duration::from_secs(10);
/// Slots of the window that `window_size` is short for.
const DEFAULT_SLOTS: u32 = 10;

/// Settings of a [`CircuitBreaker`](crate::CircuitBreaker).
///
/// Names and defaults are the same in every language. Write the fields that differ and take the
/// others from the default:
///
/// ```
/// use fuseboard::CircuitBreakerConfig;
/// use std::time::Duration;
///
/// let config = CircuitBreakerConfig {
///     minimum_requests: 10,
///     window_size: Duration::from_secs(60),
///     ..Default::default()
/// };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreakerConfig {
    /// Trips when this share of the calls in the window failed; more than 0, at most 1, kept to a
    /// millionth. Default 0.5.
    pub failure_threshold: f64,
    /// Calls in the window below which nothing is judged; 1 to 1,000,000. A count window's size
    /// caps it. Default 20.
    pub minimum_requests: u64,
    /// How long the breaker stays open before it lets probes pass; at least 1 ns. Default 30 s.
    pub open_timeout: Duration,
    /// Probes in flight at once while half-open; 1 to 511. Default 3.
    pub half_open_requests: u32,
    /// The span judged, in ten slots; at least 100 us. Short for
    /// `window: Some(Window::Time { length: window_size, slots: 10 })`. Default 10 s.
    pub window_size: Duration,
    /// Any kind of window instead of `window_size`; giving both is an error. A count window holds
    /// at most 240 calls. Default `None`.
    pub window: Option<Window>,
    /// A call is slow when it took *longer than* this; at least 1 ns. Measured by the breaker's
    /// clock: the default one has steps of up to 4 ms. Default `None`: speed is not judged.
    pub slow_call_duration: Option<Duration>,
    /// Trips when this share of the calls in the window was slow; more than 0, at most 1. Default
    /// 1.0.
    pub slow_call_threshold: f64,
    /// Calls in flight for longer than `slow_call_duration` count as slow before they end, so that a
    /// dependency that hangs opens the breaker; needs a window of time at least one slot longer than
    /// that. Default `false`.
    pub count_overdue: bool,
    /// Successful probes that close the breaker; 1 to 511. Default `None`: as many as
    /// `half_open_requests`.
    pub half_open_successes: Option<u32>,
    /// Failed probes tolerated in a round; 0 to 510. Default 0: the first failure re-opens.
    pub half_open_failures: u32,
    /// If no probe place is free this long after the last one was given, the missing probes are
    /// taken for lost and a new round starts; at least 1 ns. Default `None`: as long as
    /// `open_timeout`.
    pub probe_lease: Option<Duration>,
    /// Each opening in a row lasts this many times as long as the one before; 1 to 100. Default
    /// 1.0.
    pub open_backoff: f64,
    /// The longest open time that `open_backoff` may reach, before jitter. Default 10 min.
    pub open_timeout_max: Duration,
    /// Lengthens each open time by up to this share of it, so that a fleet does not probe in step;
    /// 0 to 1. Default 0.
    pub open_jitter: f64,
    /// Where the jitter's draws start; the same seed gives the same draws. Default `None`: each
    /// breaker its own.
    pub jitter_seed: Option<u64>,
    /// After closing, the admitted share rises from a tenth to all over this time. Default 0: all
    /// at once.
    pub ramp_up: Duration,
    /// Counts how long each call takes, in [`latency`](crate::CircuitBreaker::latency): one addition and two precise readings of the clock a
    /// call, some 40 ns. On a board who asks for it turns it on for all processes. Default `false`.
    pub record_latency: bool,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            failure_threshold: 0.5,
            minimum_requests: 20,
            open_timeout: Duration::from_secs(30),
            half_open_requests: 3,
            window_size: DEFAULT_WINDOW_SIZE,
            window: None,
            slow_call_duration: None,
            slow_call_threshold: 1.0,
            count_overdue: false,
            half_open_successes: None,
            half_open_failures: 0,
            probe_lease: None,
            open_backoff: 1.0,
            open_timeout_max: Duration::from_secs(600),
            open_jitter: 0.0,
            jitter_seed: None,
            ramp_up: Duration::ZERO,
            record_latency: false,
        }
    }
}

impl CircuitBreakerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range, with the value and the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.core_settings(0)?.validate()
    }

    /// The window that `window` and `window_size` ask for together.
    fn judged_window(&self) -> Result<Window, ConfigError> {
        match self.window {
            None => Ok(Window::Time {
                length: self.window_size.into(),
                slots: DEFAULT_SLOTS,
            }),
            Some(window) if self.window_size == DEFAULT_WINDOW_SIZE => Ok(window),
            Some(_) => Err(ConfigError::conflict(
                "window_size",
                "given together with window",
                "one of the two; window_size is short for a time window of ten slots, so leave it \
                 at its default where window is given",
            )),
        }
    }

    /// The same settings in the core's terms, for hosts that run the core's breaker: with the seed to use where
    /// [`jitter_seed`](Self::jitter_seed) gives none.
    ///
    /// # Errors
    /// `window_size` where it is given together with `window`. The rest is judged by who takes the settings.
    pub fn core_settings(
        &self,
        seed: u64,
    ) -> Result<fuseboard_core::CircuitBreakerConfig, ConfigError> {
        Ok(fuseboard_core::CircuitBreakerConfig::new()
            .failure_threshold(self.failure_threshold)
            .minimum_requests(self.minimum_requests)
            .open_timeout(self.open_timeout.into())
            .half_open_requests(self.half_open_requests)
            .window(self.judged_window()?)
            .slow_call_duration(self.slow_call_duration.map(Nanos::from))
            .slow_call_threshold(self.slow_call_threshold)
            .count_overdue(self.count_overdue)
            .half_open_successes(self.half_open_successes)
            .half_open_failures(self.half_open_failures)
            .probe_lease(self.probe_lease.map(Nanos::from))
            .open_backoff(self.open_backoff)
            .open_timeout_max(self.open_timeout_max.into())
            .open_jitter(self.open_jitter)
            .jitter_seed(self.jitter_seed.unwrap_or(seed))
            .ramp_up(self.ramp_up.into())
            .record_latency(self.record_latency))
    }
}

/// A seed that differs between breakers and between processes.
pub(crate) fn fresh_seed() -> u64 {
    // Each `RandomState` has its own keys, drawn from the system's randomness.
    RandomState::new().hash_one(0_u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_cores() {
        let config = CircuitBreakerConfig::default();
        assert_eq!(
            config.core_settings(0),
            Ok(fuseboard_core::CircuitBreakerConfig::new())
        );
    }

    #[test]
    fn window_and_window_size_together_are_refused_by_name() {
        let both = CircuitBreakerConfig {
            window: Some(Window::Consecutive(5)),
            window_size: Duration::from_secs(60),
            ..Default::default()
        };
        let error = both.validate().unwrap_err();
        assert_eq!(error.field(), "window_size");
        assert!(
            error.to_string().contains("together with window"),
            "{error}"
        );

        let one = CircuitBreakerConfig {
            window: Some(Window::Count(50)),
            ..Default::default()
        };
        assert!(one.validate().is_ok());
    }

    #[test]
    fn r6_a_bad_field_is_named_with_value_and_range() {
        let bad = CircuitBreakerConfig {
            failure_threshold: 1.01,
            ..Default::default()
        };
        let error = bad.validate().unwrap_err();
        assert_eq!(error.field(), "failure_threshold");
        assert!(error.to_string().contains("1.01"), "{error}");
    }

    #[test]
    fn two_breakers_do_not_draw_the_same_jitter() {
        assert_ne!(fresh_seed(), fresh_seed());
    }
}
