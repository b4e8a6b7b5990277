//! [`SlidingWindowRateLimiter`].

use super::acquire::Quota;
use super::decide;
use crate::clock::{Clock, MonotonicClock};
use fuseboard_core::{ConfigError, Nanos, Rejected};
use std::sync::Arc;
use std::time::Duration;

/// Admits at most `limit` requests in *any* span of `window`, exactly.
///
/// It remembers when each of the last `limit` was admitted: `N` words of eight bytes, 8 KiB at the
/// default of 1024. A token bucket takes one word, but lets twice the burst through around a quiet
/// moment. A clone is another handle of the same limiter. Threads may share it freely; it orders
/// no other memory.
///
/// ```
/// use fuseboard::SlidingWindowRateLimiter;
/// use std::time::Duration;
///
/// let limiter = SlidingWindowRateLimiter::new(1, Duration::from_secs(60));
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_err());
/// ```
#[derive(Debug)]
pub struct SlidingWindowRateLimiter<const N: usize = 1024, C = MonotonicClock> {
    shared: Arc<Shared<N, C>>,
}

#[derive(Debug)]
struct Shared<const N: usize, C> {
    words: fuseboard_core::SlidingWindowRateLimiter<N>,
    quota: Quota,
    clock: C,
}

impl SlidingWindowRateLimiter {
    /// An idle limiter on the precise clock, for a limit of up to 1024.
    ///
    /// # Panics
    ///
    /// When `limit` or `window` is out of its range; [`try_new`](Self::try_new) returns that.
    pub fn new(limit: u32, window: Duration) -> Self {
        match Self::try_new(limit, window) {
            Ok(limiter) => limiter,
            Err(error) => panic!("sliding window: {error}"),
        }
    }

    /// An idle limiter on the precise clock, for a limit of up to 1024.
    ///
    /// # Errors
    /// `limit` or `window` where it is out of its range.
    pub fn try_new(limit: u32, window: Duration) -> Result<Self, ConfigError> {
        Self::with_clock(limit, window, MonotonicClock)
    }
}

impl<const N: usize, C> SlidingWindowRateLimiter<N, C> {
    /// The limiter's clock.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }

    /// What it was made with.
    pub(super) fn own_quota(&self) -> Quota {
        self.shared.quota
    }
}

impl<const N: usize, C: Clock> SlidingWindowRateLimiter<N, C> {
    /// An idle limiter of another capacity `N`, on a clock of the caller's choice.
    ///
    /// # Errors
    /// `limit` where it is 0 or more than `N`, or `window` where it is out of its range.
    pub fn with_clock(limit: u32, window: Duration, clock: C) -> Result<Self, ConfigError> {
        let words = fuseboard_core::SlidingWindowRateLimiter::try_new(limit, Nanos::from(window))?;
        let limit = u64::from(limit);
        let quota = Quota { limit, window };
        Ok(Self {
            shared: Arc::new(Shared {
                words,
                quota,
                clock,
            }),
        })
    }

    /// Takes one place in the window.
    ///
    /// # Errors
    /// When to come back; nothing was taken.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        decide(&self.shared.clock, |now| self.shared.words.try_acquire(now))
    }

    /// Takes `cost` places, all or none.
    ///
    /// # Errors
    /// When to come back, or never where `cost` is more than the limit; nothing was taken.
    pub fn try_acquire_many(&self, cost: u32) -> Result<(), Rejected> {
        decide(&self.shared.clock, |now| {
            self.shared.words.try_acquire_many(cost, now)
        })
    }

    /// Free places now.
    pub fn available(&self) -> u32 {
        self.shared.words.available(self.shared.clock.now())
    }
}

impl<const N: usize, C> Clone for SlidingWindowRateLimiter<N, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
