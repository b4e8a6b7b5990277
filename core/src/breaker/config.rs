//! [`CircuitBreakerConfig`]: what a user may ask for, checked once; inside, everything is integers.

mod ranges;

use crate::breaker::config::ranges::{checked, counting_overdue, geometry, positive, ppm, probes};
use crate::breaker::rules::{
    FACTOR_ONE, MINIMUM_MAX, OpenRules, PPM, ROUND_MAX, RoundRules, Settings,
};
use crate::error::ConfigError;
use crate::nanos::Nanos;

/// The span of calls that a breaker judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last `length`, in `slots` pieces: an outcome is counted in the slot in which the call
    /// ends, and forgotten with that whole slot.
    Time {
        /// The span judged; at least 10 us for each slot.
        length: Nanos,
        /// Pieces, 1 to the breaker's `SLOTS`.
        slots: u32,
    },
    /// The last so many calls, exactly; 1 to 24 for each of the breaker's `SLOTS`.
    Count(u32),
    /// Trips after so many failures (or slow calls) in a row, 1 to 100,000; `failure_threshold`,
    /// `slow_call_threshold` and `minimum_requests` do not apply.
    Consecutive(u32),
    /// All calls, an old one weighing half as much as one that is `half_life` younger. The weight falls in
    /// two steps for each half-life, and after five half-lives, when it weighs 3 %, a call is forgotten. (A breaker
    /// of fewer than ten slots has one step for each half-life, and as many half-lives as slots.)
    Decay {
        /// The age at which a call weighs half; at least 10 us for each step.
        half_life: Nanos,
    },
}

/// Settings of a circuit breaker; the names and defaults are the same in every language.
///
/// ```
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos};
///
/// static UPSTREAM: CircuitBreaker = CircuitBreaker::new(
///     CircuitBreakerConfig::new()
///         .failure_threshold(0.5)
///         .minimum_requests(20)
///         .open_timeout(Nanos::from_secs(30)),
/// );
/// # assert!(UPSTREAM.try_acquire(Nanos::ZERO).is_ok());
/// ```
///
/// A bad constant does not compile:
///
/// ```compile_fail
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig};
/// static BAD: CircuitBreaker =
///     CircuitBreaker::new(CircuitBreakerConfig::new().failure_threshold(1.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreakerConfig {
    /// See the method of the same name; so for all fields, which are here to be read.
    pub failure_threshold: f64,
    /// Calls.
    pub minimum_requests: u64,
    /// At least 1 ns.
    pub open_timeout: Nanos,
    /// Probes.
    pub half_open_requests: u32,
    /// The span of calls judged.
    pub window: Window,
    /// `None`: speed is not judged.
    pub slow_call_duration: Option<Nanos>,
    /// A share.
    pub slow_call_threshold: f64,
    /// Whether calls in flight are judged.
    pub count_overdue: bool,
    /// `None`: `half_open_requests`.
    pub half_open_successes: Option<u32>,
    /// Probes.
    pub half_open_failures: u32,
    /// `None`: `open_timeout`.
    pub probe_lease: Option<Nanos>,
    /// A factor.
    pub open_backoff: f64,
    /// At least 1 ns.
    pub open_timeout_max: Nanos,
    /// A share.
    pub open_jitter: f64,
    /// Any number.
    pub jitter_seed: u64,
    /// 0: off.
    pub ramp_up: Nanos,
    /// Whether a host counts how long calls take.
    pub record_latency: bool,
}

impl CircuitBreakerConfig {
    /// The defaults: trips at half of at least 20 calls in 10 s, stays open for 30 s, then lets 3
    /// probes decide.
    pub const fn new() -> Self {
        Self {
            failure_threshold: 0.5,
            minimum_requests: 20,
            open_timeout: Nanos::from_secs(30),
            half_open_requests: 3,
            window: Window::Time {
                length: Nanos::from_secs(10),
                slots: 10,
            },
            slow_call_duration: None,
            slow_call_threshold: 1.0,
            count_overdue: false,
            half_open_successes: None,
            half_open_failures: 0,
            probe_lease: None,
            open_backoff: 1.0,
            open_timeout_max: Nanos::from_secs(600),
            open_jitter: 0.0,
            jitter_seed: 0,
            ramp_up: Nanos::ZERO,
            record_latency: false,
        }
    }

    /// Trips when this share of the calls failed; more than 0, at most 1; kept to a millionth.
    #[must_use]
    pub const fn failure_threshold(mut self, share: f64) -> Self {
        self.failure_threshold = share;
        self
    }

    /// Calls below which nothing is judged; 1 to 1,000,000. A count window's size caps it.
    #[must_use]
    pub const fn minimum_requests(mut self, calls: u64) -> Self {
        self.minimum_requests = calls;
        self
    }

    /// How long the breaker stays open; at least 1 ns.
    #[must_use]
    pub const fn open_timeout(mut self, timeout: Nanos) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Probes in flight at once in half-open; 1 to 511.
    #[must_use]
    pub const fn half_open_requests(mut self, probes: u32) -> Self {
        self.half_open_requests = probes;
        self
    }

    /// The span of calls judged.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Short for a [`Window::Time`] of this length in ten slots.
    #[must_use]
    pub const fn window_size(self, length: Nanos) -> Self {
        self.window(Window::Time { length, slots: 10 })
    }

    /// A call is slow when it took longer than this (not: as long as); at least 1 ns. Off: `None`.
    #[must_use]
    pub const fn slow_call_duration(mut self, limit: Option<Nanos>) -> Self {
        self.slow_call_duration = limit;
        self
    }

    /// Trips when this share of the calls was slow; more than 0, at most 1.
    #[must_use]
    pub const fn slow_call_threshold(mut self, share: f64) -> Self {
        self.slow_call_threshold = share;
        self
    }

    /// Whether calls in flight for longer than `slow_call_duration` count as slow before they end, so that a dependency
    /// that hangs opens the breaker. They are judged with each outcome and by the next request. A call is overdue
    /// when the whole slot in which it started is: at most one slot late; and it counts until that slot leaves the window.
    /// Needs a window of time that is at least one slot longer than `slow_call_duration`. A closed call then costs about
    /// two swaps more; a slot counts up to two million calls in flight.
    #[must_use]
    pub const fn count_overdue(mut self, is_on: bool) -> Self {
        self.count_overdue = is_on;
        self
    }

    /// Successful probes that close the breaker; 1 to 511; by default `half_open_requests`.
    #[must_use]
    pub const fn half_open_successes(mut self, probes: Option<u32>) -> Self {
        self.half_open_successes = probes;
        self
    }

    /// Failed probes tolerated in a round; 0 to 510; at 0 the first failure re-opens.
    #[must_use]
    pub const fn half_open_failures(mut self, probes: u32) -> Self {
        self.half_open_failures = probes;
        self
    }

    /// If no probe place is free this long after the last one was given, the missing probes are
    /// lost and a new round starts; at least 1 ns; by default `open_timeout`.
    #[must_use]
    pub const fn probe_lease(mut self, lease: Option<Nanos>) -> Self {
        self.probe_lease = lease;
        self
    }

    /// Each opening in a row lasts this many times as long as the one before; 1 to 100. The growth
    /// ends at `open_timeout_max` or with the 63rd opening in a row.
    #[must_use]
    pub const fn open_backoff(mut self, factor: f64) -> Self {
        self.open_backoff = factor;
        self
    }

    /// The longest open time that back-off may reach, before jitter; it never shortens
    /// `open_timeout` itself.
    #[must_use]
    pub const fn open_timeout_max(mut self, timeout: Nanos) -> Self {
        self.open_timeout_max = timeout;
        self
    }

    /// Lengthens each open time by up to this share of it, so that a fleet does not probe in step;
    /// 0 to 1. The draw follows from `jitter_seed` and the generation: it can be replayed.
    #[must_use]
    pub const fn open_jitter(mut self, share: f64) -> Self {
        self.open_jitter = share;
        self
    }

    /// Where the jitter's draws start; give each instance its own.
    #[must_use]
    pub const fn jitter_seed(mut self, seed: u64) -> Self {
        self.jitter_seed = seed;
        self
    }

    /// After closing, the admitted share rises from a tenth to all over this time; 0 is off.
    #[must_use]
    pub const fn ramp_up(mut self, time: Nanos) -> Self {
        self.ramp_up = time;
        self
    }

    /// Whether whoever keeps a [`LatencyHistogram`](crate::LatencyHistogram) beside the breaker counts in it how long calls take: a
    /// [board](crate::BoardBreaker) does, and hosts do; the breaker itself has none. On a board who asks for it
    /// turns it on for all, and who does not may claim the name all the same.
    #[must_use]
    pub const fn record_latency(mut self, is_on: bool) -> Self {
        self.record_latency = is_on;
        self
    }

    /// Checks every field for a breaker of the default size (ten slots).
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        checked!(self.settings(10));
        Ok(())
    }

    /// The only way from a user's numbers to the ones inside.
    pub(crate) const fn settings(&self, capacity: usize) -> Result<Settings, ConfigError> {
        let failure_ppm = checked!(ppm("failure_threshold", self.failure_threshold));
        let slow_ppm = checked!(ppm("slow_call_threshold", self.slow_call_threshold));
        if self.minimum_requests == 0 || self.minimum_requests > MINIMUM_MAX {
            return Err(ConfigError::integer(
                "minimum_requests",
                self.minimum_requests,
                "1 to 1000000 calls",
            ));
        }
        let open = checked!(self.open_rules());
        let round = checked!(self.round_rules());
        let slow_call_duration = match self.slow_call_duration {
            None => Nanos::MAX,
            Some(limit) => checked!(positive("slow_call_duration", limit)),
        };
        let (mut geometry, largest_minimum) = checked!(geometry(self.window, capacity));
        if self.count_overdue {
            geometry = checked!(counting_overdue(geometry, self.slow_call_duration));
        }
        let minimum = if self.minimum_requests < largest_minimum {
            self.minimum_requests
        } else {
            largest_minimum
        };
        Ok(Settings {
            failure_ppm,
            slow_ppm,
            minimum,
            geometry,
            open,
            round,
            slow_call_duration,
            ramp_up: self.ramp_up,
            records_latency: self.record_latency,
        })
    }

    const fn open_rules(&self) -> Result<OpenRules, ConfigError> {
        let timeout = checked!(positive("open_timeout", self.open_timeout));
        let timeout_max = checked!(positive("open_timeout_max", self.open_timeout_max));
        // A NaN fails every comparison.
        if !(self.open_backoff >= 1.0 && self.open_backoff <= 100.0) {
            return Err(ConfigError::decimal(
                "open_backoff",
                self.open_backoff,
                "1 to 100",
            ));
        }
        if !(self.open_jitter >= 0.0 && self.open_jitter <= 1.0) {
            return Err(ConfigError::decimal(
                "open_jitter",
                self.open_jitter,
                "0 to 1",
            ));
        }
        Ok(OpenRules {
            timeout,
            timeout_max,
            factor: (self.open_backoff * FACTOR_ONE as f64 + 0.5) as u64,
            jitter_ppm: (self.open_jitter * PPM as f64 + 0.5) as u32,
            seed: self.jitter_seed,
        })
    }

    const fn round_rules(&self) -> Result<RoundRules, ConfigError> {
        let requests = checked!(probes("half_open_requests", self.half_open_requests));
        let successes = match self.half_open_successes {
            None => requests,
            Some(count) => checked!(probes("half_open_successes", count)),
        };
        if self.half_open_failures >= ROUND_MAX {
            return Err(ConfigError::integer(
                "half_open_failures",
                self.half_open_failures as u64,
                "0 to 510 probes",
            ));
        }
        let lease = match self.probe_lease {
            None => self.open_timeout,
            Some(lease) => checked!(positive("probe_lease", lease)),
        };
        Ok(RoundRules {
            requests,
            successes,
            failures: self.half_open_failures,
            lease,
        })
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self::new()
    }
}
