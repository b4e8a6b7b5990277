//! [`TokenBucketRateLimiter`]: the public face of the token bucket.

mod policy;
pub(crate) mod quota;
mod state;

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::quota::{Quota, Rate};
use crate::token_bucket::state::TatWord;

/// A token bucket in one word: `burst` units at once, refilled at `rate`.
///
/// Between any two admitted requests the cost is at most `burst` and what the rate gives in the time between
/// them. A clock that goes back admits nothing until it has caught up.
///
/// # Accuracy
///
/// The interval between units is exact where the rate, reduced to lowest terms of units to nanoseconds, has at most 8 units
/// (1/day, 3/s, 700,000/s, 1,000,000,000/s); of any other rate it is rounded up by less than an eighth of a
/// nanosecond, so that never more is admitted. After [`configure`](Self::configure) the rounding is at
/// most a fifth of a nanosecond.
///
/// # Range
///
/// `now` up to 73 years (at least) after the clock's zero; later everything is rejected.
///
/// # Source
///
/// The generic cell rate algorithm: ITU-T I.371 (2004), virtual scheduling.
///
/// ```
/// use fuseboard_core::{Nanos, Rate, TokenBucketRateLimiter};
///
/// static API: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(10), 2);
///
/// let now = Nanos::from_secs(1);
/// assert!(API.try_acquire(now).is_ok());
/// assert!(API.try_acquire(now).is_ok());
/// let rejected = API.try_acquire(now).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct TokenBucketRateLimiter {
    tat: TatWord,
    interval: AtomicU64,
    burst: AtomicU64,
    scale: AtomicU64,
}

impl TokenBucketRateLimiter {
    const_unless_loom! {
        /// A full bucket.
        ///
        /// # Panics
        /// On a bad quota; in a `static` that is a compile error.
        pub const fn new(rate: Rate, burst: u64) -> Self {
            match Self::try_new(rate, burst) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad token bucket quota; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A full bucket.
        ///
        /// # Errors
        /// `rate`: no unit, no time, or more than one unit each nanosecond. `burst`: zero, or more units than
        /// the rate gives in 18 years.
        pub const fn try_new(rate: Rate, burst: u64) -> Result<Self, ConfigError> {
            let scale = Quota::scale(rate);
            match Quota::new(rate, burst, scale) {
                Ok(quota) => Ok(Self {
                    tat: TatWord::new(),
                    interval: AtomicU64::new(quota.interval),
                    burst: AtomicU64::new(quota.burst),
                    scale: AtomicU64::new(scale),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// Takes one unit at `now`.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back.
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(1, now)
    }

    /// Takes `cost` units at `now`, or none.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back; [`Reason::Never`] when `cost` is more than
    /// the burst.
    #[inline]
    pub fn try_acquire_many(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        let quota = self.quota();
        if cost > quota.burst {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        let scale = self.scale();
        let wait = match now.get().checked_mul(scale) {
            None => None,
            Some(now) => match self.tat.admit(now, cost, quota) {
                Ok(()) => return Ok(()),
                Err(wait) => wait,
            },
        };
        Err(Rejected {
            reason: Reason::Limited,
            // Rounded up: at that time it is admitted, one nanosecond earlier not.
            retry_after: wait.map(|wait| Nanos::new(wait.div_ceil(scale))),
        })
    }

    /// Gives `cost` units back at `now`, up to a full bucket. Give back only what was taken.
    pub fn refund(&self, cost: u64, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        self.tat.refund(now, cost, self.quota());
    }

    /// Whole units that would be admitted at `now`.
    pub fn available(&self, now: Nanos) -> u64 {
        match now.get().checked_mul(self.scale()) {
            Some(now) => policy::available(self.tat.load(), now, self.quota()),
            None => 0,
        }
    }

    /// Changes rate and burst and keeps what was taken: at most the old burst and the new one are
    /// admitted together.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); nothing is changed then.
    pub fn configure(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
        let quota = Quota::new(rate, burst, self.scale())?;
        // Relaxed: a request that meets the new interval with the old burst, or the reverse, is admitted by the
        // larger of the two bursts at most.
        self.interval.store(quota.interval, Ordering::Relaxed);
        self.burst.store(quota.burst, Ordering::Relaxed);
        Ok(())
    }

    /// Fills the bucket.
    pub fn reset(&self) {
        self.tat.reset();
    }

    #[inline]
    fn quota(&self) -> Quota {
        Quota {
            // Relaxed: as in `configure`. A word of shared memory may be anything: an interval is at least 1.
            interval: self.interval.load(Ordering::Relaxed).max(1),
            burst: self.burst.load(Ordering::Relaxed),
        }
    }

    #[inline]
    fn scale(&self) -> u64 {
        // Relaxed: written once, before the limiter is shared.
        self.scale.load(Ordering::Relaxed).clamp(1, 8)
    }
}
