//! [`TokenBucketRateLimiter`].

use super::decide;
use crate::clock::{Clock, MonotonicClock};
use fuseboard_core::{ConfigError, Rate, Rejected};
use std::sync::Arc;

/// Admits `rate` on average and `burst` at once.
///
/// A full bucket holds `burst` tokens, each request takes its cost, and tokens come back at
/// `rate`. A clone is another handle of the same bucket. Threads may share it freely; it orders no
/// other memory.
///
/// ```
/// use fuseboard::{Rate, TokenBucketRateLimiter};
///
/// let limiter = TokenBucketRateLimiter::new(Rate::per_second(100), 2);
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_ok());
/// let rejected = limiter.try_acquire().unwrap_err();
/// assert!(rejected.retry_after.is_some());
/// ```
#[derive(Debug)]
pub struct TokenBucketRateLimiter<C = MonotonicClock> {
    shared: Arc<Shared<C>>,
}

#[derive(Debug)]
struct Shared<C> {
    words: fuseboard_core::TokenBucketRateLimiter,
    clock: C,
}

impl TokenBucketRateLimiter {
    /// A full bucket on the precise clock.
    ///
    /// # Panics
    ///
    /// When `rate` or `burst` is out of its range; [`try_new`](Self::try_new) returns that.
    pub fn new(rate: Rate, burst: u64) -> Self {
        match Self::try_new(rate, burst) {
            Ok(limiter) => limiter,
            Err(error) => panic!("token bucket: {error}"),
        }
    }

    /// A full bucket on the precise clock.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range.
    pub fn try_new(rate: Rate, burst: u64) -> Result<Self, ConfigError> {
        Self::with_clock(rate, burst, MonotonicClock)
    }
}

impl<C> TokenBucketRateLimiter<C> {
    /// The limiter's clock.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }
}

impl<C: Clock> TokenBucketRateLimiter<C> {
    /// A full bucket on a clock of the caller's choice.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range.
    pub fn with_clock(rate: Rate, burst: u64, clock: C) -> Result<Self, ConfigError> {
        let words = fuseboard_core::TokenBucketRateLimiter::try_new(rate, burst)?;
        Ok(Self {
            shared: Arc::new(Shared { words, clock }),
        })
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When to come back; nothing was taken.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        decide(&self.shared.clock, |now| self.shared.words.try_acquire(now))
    }

    /// Takes `cost` tokens, all or none.
    ///
    /// # Errors
    /// When to come back, or never where `cost` is more than the burst; nothing was taken.
    pub fn try_acquire_many(&self, cost: u64) -> Result<(), Rejected> {
        decide(&self.shared.clock, |now| {
            self.shared.words.try_acquire_many(cost, now)
        })
    }

    /// Gives back `cost` tokens that were taken for something that did not happen. The bucket
    /// never holds more than its burst.
    pub fn refund(&self, cost: u64) {
        self.shared.words.refund(cost, self.shared.clock.now());
    }

    /// Tokens in the bucket now.
    pub fn available(&self) -> u64 {
        self.shared.words.available(self.shared.clock.now())
    }

    /// Takes over another rate and burst from now on.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range; nothing has changed then.
    pub fn configure(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
        self.shared.words.configure(rate, burst)
    }

    /// Fills the bucket.
    pub fn reset(&self) {
        self.shared.words.reset();
    }
}

impl<C> Clone for TokenBucketRateLimiter<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
