//! [`QuotaWords`]: rate and burst as two atomic words that are read and changed as one.
//!
//! A limiter that took the interval of one quota with the tolerance of another could admit far more than
//! either: 1,000 units of a second each, at a microsecond each. So the words pass only through pairs
//! that are safe:
//!
//! | step of a change | interval | tolerance | admits at once |
//! |---|---|---|---|
//! | before | old | old | old burst |
//! | 1 | the longer one | old | at most the old burst |
//! | 2 | the longer one | new | at most the new burst |
//! | 3 | new | new | new burst |
//!
//! and a reader takes a tolerance only when the interval was the same before and after it. Whoever is stopped
//! half way leaves a safe pair behind. **Wrap-around.** A reader that sleeps between its loads while the interval changes
//! and changes back to the same value may take a tolerance from in between.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | load either word | Acquire | the store of either word: a later step is not seen without the earlier ones |
//! | raise interval, store either word, check | `SeqCst` | the same of another change: one of the two sees the other |

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::quota::Quota;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct QuotaWords {
    interval: AtomicU64,
    tolerance: AtomicU64,
}

impl QuotaWords {
    const_unless_loom! {
        pub(crate) const fn new(quota: Quota) -> Self {
            Self {
                interval: AtomicU64::new(quota.interval),
                tolerance: AtomicU64::new(quota.tolerance),
            }
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> Quota {
        // Acquire: see the head of the file.
        let mut interval = self.interval.load(Ordering::Acquire);
        loop {
            // Acquire: keeps the next load behind it.
            let tolerance = self.tolerance.load(Ordering::Acquire);
            // Acquire: as the first load, if it turns out to be one.
            let again = self.interval.load(Ordering::Acquire);
            if again == interval || fault!("torn_quota") {
                if fault!("interval_too_short") {
                    interval = interval.saturating_sub(1);
                }
                return Quota {
                    // A word of shared memory may be anything: an interval is at least 1.
                    interval: interval.max(1),
                    tolerance,
                };
            }
            interval = again;
        }
    }

    /// Changes both. Of two changes at once, one stays as a whole; while they overlap, the burst of one may
    /// meet the rate of the other.
    pub(crate) fn store(&self, quota: Quota) {
        loop {
            // SeqCst: see the head of the file.
            self.interval.fetch_max(quota.interval, Ordering::SeqCst);
            // SeqCst: as above.
            self.tolerance.store(quota.tolerance, Ordering::SeqCst);
            // SeqCst: as above.
            self.interval.store(quota.interval, Ordering::SeqCst);
            // SeqCst: whoever stores last finds its own two values, or both again.
            let interval = self.interval.load(Ordering::SeqCst);
            if interval != quota.interval
                || self.tolerance.load(Ordering::SeqCst) == quota.tolerance
            {
                return;
            }
        }
    }
}
