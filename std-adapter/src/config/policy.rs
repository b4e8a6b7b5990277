//! [`RateLimitConfig`], [`ConcurrencyConfig`], and what a file gave for each name.

use crate::breaker::CircuitBreakerConfig;
use crate::config::Config;
use crate::config::sections::{BREAKERS, CONCURRENCY, RATE_LIMITS};
use crate::config::setting::Section;
use crate::config::tree::Span;
use crate::config::value::Given;
use fuseboard_core::{ConfigError, Rate};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most requests that a sliding window of a file remembers.
pub(super) const SLIDING_MAX: usize = 1024;
/// Most places of a concurrency limit on a board.
const BOARD_LIMIT_MAX: u32 = 65_535;

/// How a rate is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RateLimitAlgorithm {
    /// The rate on average, and a burst at once.
    #[default]
    TokenBucket,
    /// Never more than the rate's units in any span as long as its period; at most 1024 units.
    SlidingWindow,
}

/// Settings of a rate limit in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimitConfig {
    /// The sustained rate.
    pub rate: Rate,
    /// Most requests at once, the first included. `None`: as many as `rate` has units.
    pub burst: Option<u64>,
    /// How the rate is kept.
    pub algorithm: RateLimitAlgorithm,
    /// How long a call of a pipeline may wait for its turn.
    pub max_wait: Duration,
}

impl RateLimitConfig {
    /// The burst that is meant.
    pub fn effective_burst(&self) -> u64 {
        self.burst.unwrap_or(self.rate.units())
    }

    /// The limit of a sliding window that is meant.
    pub(super) fn window_limit(&self) -> u32 {
        u32::try_from(self.rate.units()).unwrap_or(u32::MAX)
    }
}

/// Settings of a concurrency limit in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyConfig {
    /// Most calls in flight at once.
    pub limit: u32,
}

/// Why settings that are right by themselves do not go together.
pub(super) struct Clash {
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl Clash {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { field, message }
    }
}

impl From<ConfigError> for Clash {
    fn from(error: ConfigError) -> Self {
        Self::new(error.field(), format!("allowed: {}", error.allowed()))
    }
}

/// What a section holds.
pub(super) trait Kind: Copy + PartialEq + 'static {
    /// Its table of settings.
    const SECTION: &'static Section<Self>;

    /// Before any setting is read; those that must be given are still to come.
    fn start() -> Self;

    /// Whether all settings go together.
    fn check(&self, on_board: bool) -> Result<(), Clash>;

    /// What a configuration has of it.
    fn of(config: &Config) -> &Named<Self>;

    /// Whether it lives on the configuration's board, where there is one.
    const IS_SHARED: bool = false;
}

impl Kind for CircuitBreakerConfig {
    const SECTION: &'static Section<Self> = &BREAKERS;

    fn start() -> Self {
        Self::default()
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        if self.count_overdue && self.slow_call_duration.is_none() {
            let message = "needs `slow_call_duration`, after which a call is overdue; give it";
            return Err(Clash::new("count_overdue", message));
        }
        Ok(self.validate()?)
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.breakers
    }

    const IS_SHARED: bool = true;
}

impl Kind for RateLimitConfig {
    const SECTION: &'static Section<Self> = &RATE_LIMITS;

    fn start() -> Self {
        let (rate, burst) = (Rate::per_second(1), None);
        let algorithm = RateLimitAlgorithm::default();
        Self {
            rate,
            burst,
            algorithm,
            max_wait: Duration::ZERO,
        }
    }

    fn check(&self, on_board: bool) -> Result<(), Clash> {
        match self.algorithm {
            RateLimitAlgorithm::TokenBucket => {
                fuseboard_core::TokenBucketRateLimiter::try_new(self.rate, self.effective_burst())?;
                Ok(())
            }
            RateLimitAlgorithm::SlidingWindow if on_board => Err(Clash::new(
                "algorithm",
                "a board holds token buckets only; use \"token_bucket\", or take `board` away",
            )),
            RateLimitAlgorithm::SlidingWindow if self.burst.is_some() => Err(Clash::new(
                "burst",
                "a sliding window has no burst: all units of its rate may come at once; remove it",
            )),
            RateLimitAlgorithm::SlidingWindow if !self.max_wait.is_zero() => Err(Clash::new(
                "max_wait",
                "a sliding window is not waited for; remove it, or use \"token_bucket\"",
            )),
            RateLimitAlgorithm::SlidingWindow if self.rate.units() > SLIDING_MAX as u64 => {
                let message = format!(
                    "must be at most {SLIDING_MAX} units for a sliding window, which remembers each; use \"token_bucket\" for more"
                );
                Err(Clash::new("rate", message))
            }
            RateLimitAlgorithm::SlidingWindow => {
                let (limit, window) = (self.window_limit(), self.rate.per());
                fuseboard_core::SlidingWindowRateLimiter::<SLIDING_MAX>::try_new(limit, window)
                    .map_err(|error| Clash::new("rate", format!("allowed: {}", error.allowed())))?;
                Ok(())
            }
        }
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.rate_limits
    }

    const IS_SHARED: bool = true;
}

impl Kind for ConcurrencyConfig {
    const SECTION: &'static Section<Self> = &CONCURRENCY;

    fn start() -> Self {
        Self { limit: 1 }
    }

    fn check(&self, on_board: bool) -> Result<(), Clash> {
        if on_board && self.limit > BOARD_LIMIT_MAX {
            let message = format!("must be at most {BOARD_LIMIT_MAX} on a board");
            return Err(Clash::new("limit", message));
        }
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.concurrency
    }

    const IS_SHARED: bool = true;
}

/// A setting as it was given, and where.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) given: Given,
    /// As it was written, cut where it is long.
    pub(super) written: String,
    pub(super) span: Span,
    /// Whether it stands in `defaults`.
    pub(super) is_default: bool,
}

/// One name's policy.
#[derive(Clone, Debug)]
pub(super) struct Policy<T> {
    pub(super) config: T,
    /// What was written for it, in `defaults` too.
    pub(super) given: BTreeMap<&'static str, Placed>,
    /// Its name in the text.
    pub(super) span: Span,
}

/// All policies of a kind, by name.
pub(super) type Named<T> = BTreeMap<String, Policy<T>>;
