//! [`SlidingWindowRateLimiter`]: the public face of the exact sliding log.

mod state;

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sliding_window::state::{Log, LogHead};
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

/// At most `limit` units in any span of `window`, exactly: the log of the last `limit` admissions.
///
/// `N` is the log's capacity, eight bytes each, and bounds `limit`. Admitting is lock-free: whoever finds an admission
/// half done completes it.
///
/// # Range
///
/// Where the end of a window would lie after the clock's end, everything is rejected.
///
/// # Source
///
/// The sliding window log; each admission is published in one swap and its places are filled by helping
/// (M. Herlihy, "Wait-free synchronization", 1991).
///
/// ```
/// use fuseboard_core::{Nanos, SlidingWindowRateLimiter};
///
/// static LOGIN: SlidingWindowRateLimiter<3> =
///     SlidingWindowRateLimiter::new(3, Nanos::from_secs(60));
///
/// for second in 0..3 {
///     assert!(LOGIN.try_acquire(Nanos::from_secs(second)).is_ok());
/// }
/// let rejected = LOGIN.try_acquire(Nanos::from_secs(10)).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_secs(50)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct SlidingWindowRateLimiter<const N: usize> {
    head: LogHead,
    limit: AtomicU64,
    window: AtomicU64,
    ring: [AtomicU64; N],
}

impl<const N: usize> SlidingWindowRateLimiter<N> {
    const SHAPE: () = assert!(
        N >= 1 && N <= state::CAPACITY_MAX,
        "a sliding window limiter has 1 to 1,048,575 places"
    );

    const_unless_loom! {
        /// An empty log.
        ///
        /// # Panics
        /// On a bad limit or window; in a `static` that is a compile error.
        pub const fn new(limit: u32, window: Nanos) -> Self {
            match Self::try_new(limit, window) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad sliding window; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// An empty log.
        ///
        /// # Errors
        /// `limit`: zero or more than `N`. `window`: zero.
        pub const fn try_new(limit: u32, window: Nanos) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            if limit == 0 || limit as usize > N {
                return Err(ConfigError::integer(
                    "limit",
                    limit as u64,
                    "1 to as many units as the limiter has places",
                ));
            }
            if window.get() == 0 {
                return Err(ConfigError::span("window", window, "at least 1ns"));
            }
            Ok(Self {
                head: LogHead::new(),
                limit: AtomicU64::new(limit as u64),
                window: AtomicU64::new(window.get()),
                ring: zeroed_words!(),
            })
        }
    }

    /// Takes one unit at `now`.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back.
    pub fn try_acquire(&self, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(1, now)
    }

    /// Takes `cost` units at `now`, or none.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back; [`Reason::Never`] when `cost` is more than
    /// the limit.
    pub fn try_acquire_many(&self, cost: u32, now: Nanos) -> Result<(), Rejected> {
        let log = self.log();
        if u64::from(cost) > log.limit {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        if cost == 0 {
            return Ok(());
        }
        log.admit(u64::from(cost), now).map_err(|wait| Rejected {
            reason: Reason::Limited,
            retry_after: wait,
        })
    }

    /// Units that would be admitted at `now`.
    pub fn available(&self, now: Nanos) -> u32 {
        self.log().available(now)
    }

    fn log(&self) -> Log<'_> {
        Log {
            head: &self.head,
            ring: &self.ring,
            // Relaxed: written once, before the limiter is shared. A word of shared memory may be anything.
            limit: self.limit.load(Ordering::Relaxed).clamp(1, N as u64),
            window: Nanos::new(self.window.load(Ordering::Relaxed).max(1)),
        }
    }
}
