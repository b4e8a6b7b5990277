//! [`AdaptiveLimitConfig`]: what a user may set, and its ranges.

use crate::adaptive::sample;
use crate::adaptive::settings::{ONE, Settings};
use crate::error::ConfigError;
use crate::nanos::Nanos;

/// How an [`AdaptiveLimit`](crate::AdaptiveLimit) moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Additive increase, multiplicative decrease: one more place each window, `backoff` when a call was dropped or took
    /// longer than `latency_limit`. Knows nothing of queues; for services whose acceptable latency is known.
    Aimd,
    /// Compares the window's shortest latency with the shortest ever (since the last baseline): the difference is the queue, which is kept at 3 to 6
    /// times log10 of the limit. For calls of one kind.
    Vegas,
    /// Compares the window's mean latency with its long-term mean: shrinks by their ratio beyond `tolerance`. For mixed calls.
    Gradient2,
}

impl Algorithm {
    /// Every algorithm, so that a binding can prove that it maps each one.
    pub const ALL: [Self; 3] = [Self::Aimd, Self::Vegas, Self::Gradient2];

    /// The stable name, the same in every language: `gradient2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aimd => "aimd",
            Self::Vegas => "vegas",
            Self::Gradient2 => "gradient2",
        }
    }
}

/// Largest limit: with its fraction it still multiplies within 64 bits.
const LIMIT_MAX: u32 = 1_000_000;
/// Most samples that a window can be made to wait for.
const MIN_SAMPLES_MAX: u32 = 10_000;

/// The settings of an [`AdaptiveLimit`](crate::AdaptiveLimit).
///
/// | setting | default | range |
/// |---|---|---|
/// | `initial_limit` | 20 | `min_limit` to `max_limit` |
/// | `min_limit`, `max_limit` | 1, 200 | 1 to 1,000,000 |
/// | `window` | 100 ms | at least 1 us |
/// | `min_samples` | 10 | 1 to 10,000 |
/// | `latency_limit` (AIMD) | 5 s | 1 us to 4 min |
/// | `backoff` | 0.9 | 0.5 to below 1 |
/// | `tolerance` (Gradient2) | 1.5 | 1 to 4 |
/// | `smoothing` (Gradient2) | 0.2 | above 0, to 1 |
/// | `baseline_windows` (Vegas, Gradient2) | 600 | 10 to 4,294,967,295 |
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct AdaptiveLimitConfig {
    algorithm: Algorithm,
    initial_limit: u32,
    min_limit: u32,
    max_limit: u32,
    window: Nanos,
    min_samples: u32,
    latency_limit: Nanos,
    backoff: f64,
    tolerance: f64,
    smoothing: f64,
    baseline_windows: u32,
}

impl AdaptiveLimitConfig {
    /// The defaults for `algorithm`.
    pub const fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            initial_limit: 20,
            min_limit: 1,
            max_limit: 200,
            window: Nanos::from_millis(100),
            min_samples: 10,
            latency_limit: Nanos::from_secs(5),
            backoff: 0.9,
            tolerance: 1.5,
            smoothing: 0.2,
            baseline_windows: 600,
        }
    }

    /// The limit at the start.
    pub const fn initial_limit(mut self, calls: u32) -> Self {
        self.initial_limit = calls;
        self
    }

    /// The limit never goes below this.
    pub const fn min_limit(mut self, calls: u32) -> Self {
        self.min_limit = calls;
        self
    }

    /// The limit never goes above this.
    pub const fn max_limit(mut self, calls: u32) -> Self {
        self.max_limit = calls;
        self
    }

    /// The limit moves at most once in this time.
    pub const fn window(mut self, time: Nanos) -> Self {
        self.window = time;
        self
    }

    /// A window without a dropped call goes on until it has so many samples.
    pub const fn min_samples(mut self, samples: u32) -> Self {
        self.min_samples = samples;
        self
    }

    /// AIMD: a call that took longer counts as dropped.
    pub const fn latency_limit(mut self, time: Nanos) -> Self {
        self.latency_limit = time;
        self
    }

    /// What remains of the limit after a window in which a call was dropped.
    pub const fn backoff(mut self, share: f64) -> Self {
        self.backoff = share;
        self
    }

    /// Gradient2: so many times the usual latency is no reason to shrink.
    pub const fn tolerance(mut self, times: f64) -> Self {
        self.tolerance = times;
        self
    }

    /// Gradient2: the share of a change that is made in one window.
    pub const fn smoothing(mut self, share: f64) -> Self {
        self.smoothing = share;
        self
    }

    /// Vegas and Gradient2: the baseline is measured anew in one of so many windows, the first time in the second window.
    pub const fn baseline_windows(mut self, windows: u32) -> Self {
        self.baseline_windows = windows;
        self
    }

    /// Whether an [`AdaptiveLimit`](crate::AdaptiveLimit) takes it.
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        match self.settings() {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) const fn initial(&self) -> u32 {
        self.initial_limit
    }

    pub(crate) const fn settings(&self) -> Result<Settings, ConfigError> {
        let checks = [
            outside(self.max_limit, 1, LIMIT_MAX).then_error(
                "max_limit",
                self.max_limit,
                "1 to 1,000,000 calls",
            ),
            outside(self.min_limit, 1, self.max_limit).then_error(
                "min_limit",
                self.min_limit,
                "1 call up to max_limit",
            ),
            outside(self.initial_limit, self.min_limit, self.max_limit).then_error(
                "initial_limit",
                self.initial_limit,
                "min_limit to max_limit",
            ),
            outside(self.min_samples, 1, MIN_SAMPLES_MAX).then_error(
                "min_samples",
                self.min_samples,
                "1 to 10,000 samples",
            ),
            outside(self.baseline_windows, 10, u32::MAX).then_error(
                "baseline_windows",
                self.baseline_windows,
                "at least 10 windows",
            ),
        ];
        let mut index = 0;
        while index < checks.len() {
            if let Some(error) = checks[index] {
                return Err(error);
            }
            index += 1;
        }
        if self.window.get() < 1_000 {
            return Err(ConfigError::span("window", self.window, "at least 1us"));
        }
        if self.latency_limit.get() < 1_000 || self.latency_limit.get() > 240_000_000_000 {
            let allowed = "1us to 4 minutes";
            return Err(ConfigError::span(
                "latency_limit",
                self.latency_limit,
                allowed,
            ));
        }
        if !(self.backoff >= 0.5 && self.backoff < 1.0) {
            return Err(ConfigError::decimal(
                "backoff",
                self.backoff,
                "0.5 to below 1",
            ));
        }
        if !(self.tolerance >= 1.0 && self.tolerance <= 4.0) {
            return Err(ConfigError::decimal("tolerance", self.tolerance, "1 to 4"));
        }
        if !(self.smoothing > 0.0 && self.smoothing <= 1.0) {
            let allowed = "above 0, up to 1";
            return Err(ConfigError::decimal("smoothing", self.smoothing, allowed));
        }
        let backoff = parts(self.backoff);
        Ok(Settings {
            algorithm: self.algorithm,
            min_limit: self.min_limit,
            max_limit: self.max_limit,
            window: self.window,
            min_samples: self.min_samples,
            latency_limit: sample::units(self.latency_limit),
            // Just below 1 must not round to "no decrease".
            backoff: if backoff == ONE { ONE - 1 } else { backoff },
            tolerance: parts(self.tolerance),
            smoothing: parts(self.smoothing),
            baseline_windows: self.baseline_windows,
        })
    }
}

/// An integer's check, as a value, so that a table of them reads as one.
struct Outside(bool);

const fn outside(value: u32, least: u32, most: u32) -> Outside {
    Outside(value < least || value > most)
}

impl Outside {
    const fn then_error(
        self,
        field: &'static str,
        given: u32,
        allowed: &'static str,
    ) -> Option<ConfigError> {
        if self.0 {
            Some(ConfigError::integer(field, given as u64, allowed))
        } else {
            None
        }
    }
}

/// A share in 1 / [`ONE`], at least one of them.
const fn parts(share: f64) -> u64 {
    let parts = (share * ONE as f64 + 0.5) as u64;
    if parts == 0 { 1 } else { parts }
}
