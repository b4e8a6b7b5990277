//! How each kind of policy is made, and changed while it runs.

use super::home::{Home, Unmade};
use crate::breaker::{CircuitBreaker, CircuitBreakerConfig};
use crate::config::policy::{ConcurrencyConfig, Kind, RateLimitAlgorithm, RateLimitConfig};
use crate::limiter::{ConcurrencyLimit, SlidingWindowRateLimiter, TokenBucketRateLimiter};
use fuseboard_core::{ConfigError, Rejected};
use std::fmt::Debug;
use std::time::Duration;

/// A kind of policy that runs.
pub(super) trait Runs: Kind + Debug {
    type Handle: Clone + Debug;

    /// Makes it, or takes over what runs under this name on the board.
    fn make(&self, home: &Home, name: &str) -> Result<Self::Handle, Unmade>;

    /// Whether a policy that runs as `self` can take `new` over; the setting that cannot.
    fn can_become(&self, _: &Self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Changes what runs; its state stays.
    fn change(&self, handle: &mut Self::Handle) -> Result<(), ConfigError>;
}

impl Runs for CircuitBreakerConfig {
    type Handle = CircuitBreaker;

    fn make(&self, home: &Home, name: &str) -> Result<CircuitBreaker, Unmade> {
        home.breaker(name, *self)
    }

    fn can_become(&self, new: &Self) -> Result<(), &'static str> {
        // The breaker's own word is asked, on one of no consequence.
        CircuitBreaker::try_new("", *self)
            .and_then(|breaker| breaker.configure(*new))
            .map_err(|error| error.field())
    }

    fn change(&self, breaker: &mut CircuitBreaker) -> Result<(), ConfigError> {
        breaker.configure(*self)
    }
}

/// A rate limiter of a configuration, whichever its algorithm.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RateLimiter {
    /// The rate on average, and a burst at once.
    TokenBucket(TokenBucketRateLimiter),
    /// Never more in any span of the window.
    SlidingWindow(SlidingWindowRateLimiter),
}

impl RateLimiter {
    /// Takes one place.
    ///
    /// # Errors
    /// When to come back; nothing was taken.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        match self {
            Self::TokenBucket(bucket) => bucket.try_acquire(),
            Self::SlidingWindow(window) => window.try_acquire(),
        }
    }

    /// Takes `cost` places, all or none.
    ///
    /// # Errors
    /// When to come back, or never where `cost` is more than can ever be free at once; nothing was taken.
    pub fn try_acquire_many(&self, cost: u64) -> Result<(), Rejected> {
        match self {
            Self::TokenBucket(bucket) => bucket.try_acquire_many(cost),
            // A cost beyond the number's range is beyond every window.
            Self::SlidingWindow(window) => {
                window.try_acquire_many(u32::try_from(cost).unwrap_or(u32::MAX))
            }
        }
    }

    /// Places free now.
    pub fn available(&self) -> u64 {
        match self {
            Self::TokenBucket(bucket) => bucket.available(),
            Self::SlidingWindow(window) => window.available().into(),
        }
    }
}

impl Runs for RateLimitConfig {
    type Handle = RateLimiter;

    fn make(&self, home: &Home, name: &str) -> Result<RateLimiter, Unmade> {
        match self.algorithm {
            RateLimitAlgorithm::TokenBucket => home
                .token_bucket(name, self.rate, self.effective_burst())
                .map(RateLimiter::TokenBucket),
            RateLimitAlgorithm::SlidingWindow => {
                let window = Duration::from_nanos(self.rate.per().get());
                let limiter = SlidingWindowRateLimiter::try_new(self.window_limit(), window)?;
                Ok(RateLimiter::SlidingWindow(limiter))
            }
        }
    }

    fn can_become(&self, new: &Self) -> Result<(), &'static str> {
        match (self.algorithm, new.algorithm) {
            (RateLimitAlgorithm::TokenBucket, RateLimitAlgorithm::TokenBucket) => Ok(()),
            (old, new) if old != new => Err("algorithm"),
            _ => Err("rate"),
        }
    }

    fn change(&self, limiter: &mut RateLimiter) -> Result<(), ConfigError> {
        match limiter {
            RateLimiter::TokenBucket(bucket) => bucket.configure(self.rate, self.effective_burst()),
            RateLimiter::SlidingWindow(_) => Err(ConfigError::conflict(
                "rate",
                "a sliding window's",
                "what it was made with; make a new limiter to change it",
            )),
        }
    }
}

impl Runs for ConcurrencyConfig {
    type Handle = ConcurrencyLimit;

    fn make(&self, home: &Home, name: &str) -> Result<ConcurrencyLimit, Unmade> {
        home.concurrency_limit(name, self.limit)
    }

    fn change(&self, limit: &mut ConcurrencyLimit) -> Result<(), ConfigError> {
        limit.set_limit(self.limit)
    }
}
