//! [`SlidingCounterRateLimiter`]: the public face of the sliding counter.

mod policy;
mod state;

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sliding_counter::policy::{NOW_MAX, Quota};
use crate::sliding_counter::state::CountsWord;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// About `limit` units in any span of `window`, from the counts of two windows. One word.
///
/// Windows follow each other from the clock's zero. A request is admitted when
/// `previous * (window - elapsed) / window + current + cost <= limit`, compared as exact fractions: the units of
/// the previous window count as if they had been spread evenly over it. So less than twice `limit` can be
/// admitted in a span of `window`, when they were not. A clock that goes back to an earlier window admits nothing until
/// it has caught up. Where the bound must be exact, take the
/// [`SlidingWindowRateLimiter`](crate::SlidingWindowRateLimiter).
///
/// # Range
///
/// `now` up to 73 years after the clock's zero; later everything is rejected. The two counts share the word with the number of the window,
/// so a short window bounds the limit: 65,535 in 1 s, 2,097,151 in 10 minutes.
///
/// # Memory ordering
///
/// None: an admission publishes nothing and orders nothing (relaxed).
///
/// # Source
///
/// The approximated sliding window of Cloudflare ("How we built rate limiting capable of scaling to millions of
/// domains", 2017), in integers.
///
/// ```
/// use fuseboard_core::{Nanos, SlidingCounterRateLimiter};
///
/// static SEARCH: SlidingCounterRateLimiter =
///     SlidingCounterRateLimiter::new(10, Nanos::from_secs(60));
///
/// assert!(SEARCH.try_acquire_many(10, Nanos::from_secs(59)).is_ok());
/// // 30 s into the next window, half of them still count.
/// assert_eq!(SEARCH.available(Nanos::from_secs(90)), 5);
/// let rejected = SEARCH.try_acquire_many(6, Nanos::from_secs(90)).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_secs(6)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct SlidingCounterRateLimiter {
    word: CountsWord,
    limit: AtomicU64,
    window: AtomicU64,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<SlidingCounterRateLimiter>() == 24);

impl SlidingCounterRateLimiter {
    const_unless_loom! {
        /// A limiter with nothing taken.
        ///
        /// # Panics
        /// On a bad limit or window; in a `static` that is a compile error.
        pub const fn new(limit: u32, window: Nanos) -> Self {
            match Self::try_new(limit, window) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad sliding counter; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A limiter with nothing taken.
        ///
        /// # Errors
        /// `limit`: zero, or more than two counters of the window hold. `window`: zero.
        pub const fn try_new(limit: u32, window: Nanos) -> Result<Self, ConfigError> {
            if window.get() == 0 {
                return Err(ConfigError::span("window", window, "at least 1ns"));
            }
            match checked(limit, window.get()) {
                Ok(limit) => Ok(Self {
                    word: CountsWord::new(),
                    limit: AtomicU64::new(limit),
                    window: AtomicU64::new(window.get()),
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

    /// Takes `cost` units at `now`, or none. A cost of 0 is always admitted.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back; [`Reason::Never`] when `cost` is more than
    /// the limit.
    #[inline]
    pub fn try_acquire_many(&self, cost: u32, now: Nanos) -> Result<(), Rejected> {
        if cost == 0 {
            return Ok(());
        }
        let (quota, cost) = (self.quota(), u64::from(cost));
        if cost > quota.limit {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        if now.get() > NOW_MAX {
            return Err(Rejected {
                reason: Reason::Limited,
                retry_after: None,
            });
        }
        self.word
            .swap(quota.width(), |counts| {
                policy::admit(counts, now.get(), cost, quota)
            })
            .map_err(|wait| Rejected {
                reason: Reason::Limited,
                retry_after: wait.map(Nanos::new),
            })
    }

    /// Gives `cost` units back at `now`. Give back only what was taken in this window, or in the previous one while nothing was
    /// taken in this.
    pub fn refund(&self, cost: u32, now: Nanos) {
        let quota = self.quota();
        let _ = self.word.swap(quota.width(), |counts| {
            policy::refund(counts, now.get(), cost.into(), quota).ok_or(())
        });
    }

    /// Units that would be admitted at `now`.
    pub fn available(&self, now: Nanos) -> u32 {
        let quota = self.quota();
        let counts = self.word.load(quota.width());
        policy::available(counts, now.get(), quota) as u32
    }

    /// The limit.
    pub fn limit(&self) -> u32 {
        self.quota().limit as u32
    }

    /// Changes the limit and keeps what was taken; the window's length is for good.
    ///
    /// # Errors
    /// `limit`: as [`try_new`](Self::try_new); nothing is changed then.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        let limit = checked(limit, self.quota().window)?;
        // Relaxed: the limit publishes no other memory.
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets what was taken.
    pub fn reset(&self) {
        self.word.reset();
    }

    #[inline]
    fn quota(&self) -> Quota {
        // Relaxed: each word is whole by itself. A word of shared memory may be anything.
        let window = self.window.load(Ordering::Relaxed).max(1);
        let limit = self.limit.load(Ordering::Relaxed);
        Quota {
            limit: limit.min(policy::limit_max(window)),
            window,
        }
    }
}

const fn checked(limit: u32, window: u64) -> Result<u64, ConfigError> {
    if limit == 0 || limit as u64 > policy::limit_max(window) {
        return Err(ConfigError::integer(
            "limit",
            limit as u64,
            "1 to what two counters of the window hold (65,535 for 1s); choose a longer window or a token bucket",
        ));
    }
    Ok(limit as u64)
}
