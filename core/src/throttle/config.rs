//! [`ClientThrottleConfig`]: what a user may set, and its ranges.

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::throttle::policy::{ONE, Rules};
use crate::throttle::slots;

/// The settings of a [`ClientThrottle`](crate::ClientThrottle).
///
/// | setting | default | range |
/// |---|---|---|
/// | `multiplier` | 2.0 | 1 to 1,000: the `K` of the formula |
/// | `window` | 2 min | at least 10 ms for each slot |
/// | `minimum_requests` | 10 | 0 to 4,294,967,295 |
/// | `seed` | 0 | any |
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct ClientThrottleConfig {
    multiplier: f64,
    window: Nanos,
    minimum_requests: u32,
    seed: u64,
}

/// A checked configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) rules: Rules,
    pub(crate) slot: Nanos,
    pub(crate) seed: u64,
}

impl ClientThrottleConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            multiplier: 2.0,
            window: Nanos::from_secs(120),
            minimum_requests: 10,
            seed: 0,
        }
    }

    /// `K`: rejecting begins when fewer than one in `K` requests is accepted. Smaller rejects more.
    pub const fn multiplier(mut self, times: f64) -> Self {
        self.multiplier = times;
        self
    }

    /// The time that is looked back on.
    pub const fn window(mut self, time: Nanos) -> Self {
        self.window = time;
        self
    }

    /// Nothing is rejected while the window holds fewer requests.
    pub const fn minimum_requests(mut self, requests: u32) -> Self {
        self.minimum_requests = requests;
        self
    }

    /// Makes the draws of different clients different.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks everything but the window, whose slots are the throttle's.
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        match self.settings(1) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) const fn settings(&self, slots: usize) -> Result<Settings, ConfigError> {
        if !(self.multiplier >= 1.0 && self.multiplier <= 1_000.0) {
            return Err(ConfigError::decimal(
                "multiplier",
                self.multiplier,
                "1 to 1,000",
            ));
        }
        let Some(slot) = slots::length(self.window, slots) else {
            let allowed = "at least 10ms for each slot";
            return Err(ConfigError::span("window", self.window, allowed));
        };
        Ok(Settings {
            rules: Rules {
                multiplier: (self.multiplier * ONE as f64 + 0.5) as u32,
                minimum: self.minimum_requests,
            },
            slot,
            seed: self.seed,
        })
    }
}

impl Default for ClientThrottleConfig {
    fn default() -> Self {
        Self::new()
    }
}
