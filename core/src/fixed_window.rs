//! [`FixedWindowRateLimiter`]: the public face of the fixed window.

mod policy;
mod state;

use crate::error::ConfigError;
use crate::fixed_window::state::CountWord;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// At most `limit` units in each window; windows follow each other from the clock's zero. One word.
///
/// Around the border of two windows up to twice `limit` may be admitted in a short time; where that matters, take the
/// [`SlidingCounterRateLimiter`](crate::SlidingCounterRateLimiter). A clock that goes back to an earlier window admits
/// nothing until it has caught up.
///
/// # Accuracy and range
///
/// Exact, after an idle time of any length and up to the last whole window of the clock (584 years).
///
/// # Memory ordering
///
/// None: an admission publishes nothing and orders nothing (relaxed).
///
/// # Source
///
/// The fixed window counter, as in most API gateways; the word that cannot be mistaken is described in
/// `fixed_window/state.rs`.
///
/// ```
/// use fuseboard_core::{FixedWindowRateLimiter, Nanos};
///
/// static EXPORTS: FixedWindowRateLimiter = FixedWindowRateLimiter::new(2, Nanos::from_secs(60));
///
/// let now = Nanos::from_secs(50);
/// assert!(EXPORTS.try_acquire_many(2, now).is_ok());
/// let rejected = EXPORTS.try_acquire(now).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_secs(10)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct FixedWindowRateLimiter {
    word: CountWord,
    limit: AtomicU64,
    window: AtomicU64,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<FixedWindowRateLimiter>() == 24);

impl FixedWindowRateLimiter {
    const_unless_loom! {
        /// A limiter with nothing taken.
        ///
        /// # Panics
        /// On a bad limit or window; in a `static` that is a compile error.
        pub const fn new(limit: u64, window: Nanos) -> Self {
            match Self::try_new(limit, window) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad fixed window; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A limiter with nothing taken.
        ///
        /// # Errors
        /// `limit`: zero, or as many as the window has nanoseconds. `window`: zero.
        pub const fn try_new(limit: u64, window: Nanos) -> Result<Self, ConfigError> {
            if window.get() == 0 {
                return Err(ConfigError::span("window", window, "at least 1ns"));
            }
            match checked(limit, window.get()) {
                Ok(limit) => Ok(Self {
                    word: CountWord::new(),
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
    pub fn try_acquire_many(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        if cost == 0 {
            return Ok(());
        }
        let (limit, window) = (self.limit(), self.window());
        if cost > limit {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        self.word
            .swap(|word| policy::admit(word, now.get(), cost, limit, window))
            .map_err(|wait| Rejected {
                reason: Reason::Limited,
                retry_after: wait.map(Nanos::new),
            })
    }

    /// Gives `cost` units back at `now`. Give back only what was taken; of an earlier window, nothing comes
    /// back.
    pub fn refund(&self, cost: u64, now: Nanos) {
        let window = self.window();
        let _ = self
            .word
            .swap(|word| policy::refund(word, now.get(), cost, window).ok_or(()));
    }

    /// Units that would be admitted at `now`.
    pub fn available(&self, now: Nanos) -> u64 {
        policy::available(self.word.load(), now.get(), self.limit(), self.window())
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        // Relaxed: the limit publishes no other memory.
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit and keeps what was taken; the window's length is for good.
    ///
    /// # Errors
    /// `limit`: as [`try_new`](Self::try_new); nothing is changed then.
    pub fn set_limit(&self, limit: u64) -> Result<(), ConfigError> {
        // Relaxed: the limit publishes no other memory.
        self.limit
            .store(checked(limit, self.window())?, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets what was taken.
    pub fn reset(&self) {
        self.word.reset();
    }

    fn window(&self) -> u64 {
        // Relaxed: written once, before the limiter is shared. A word of shared memory may be anything.
        self.window.load(Ordering::Relaxed).max(1)
    }
}

/// A count must fit between two windows' starts.
const fn checked(limit: u64, window: u64) -> Result<u64, ConfigError> {
    if limit == 0 || limit >= window {
        return Err(ConfigError::integer(
            "limit",
            limit,
            "at least 1 unit, less than one each nanosecond of the window",
        ));
    }
    Ok(limit)
}
