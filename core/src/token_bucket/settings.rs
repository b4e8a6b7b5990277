//! [`QuotaWords`]: rate and burst as two atomic words that are read and changed as one.
//!
//! The burst is kept in units, so that any mix of two quotas admits at most the greater burst at once; as a time, the
//! 1,000 seconds of one would be a million units at the microsecond of the other. A changed quota admits at most the old burst and the new
//! one together, and for that the words pass only through pairs that are safe:
//!
//! | step of a change | interval | burst |
//! |---|---|---|
//! | before | old | old |
//! | 1 | old | the smaller one |
//! | 2 | new | the smaller one |
//! | 3 | new | new |
//!
//! and a reader takes an interval only when the burst was the same before and after it. Whoever is stopped
//! half way leaves a safe pair behind. **Wrap-around.** A reader that sleeps between its loads while the burst changes
//! and changes back to the same value may take an interval from in between.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | load either word | Acquire | the swap of either word: a later step is not seen without the earlier ones |
//! | lower burst, swap either word | `AcqRel` | the same of another change: whoever swaps last sees what the other one did |
//! | check | Acquire | the swaps of another change |

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::quota::Quota;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct QuotaWords {
    interval: AtomicU64,
    burst: AtomicU64,
}

impl QuotaWords {
    const_unless_loom! {
        pub(crate) const fn new(quota: Quota) -> Self {
            Self {
                interval: AtomicU64::new(quota.interval),
                burst: AtomicU64::new(quota.burst),
            }
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> Quota {
        // Acquire: see the head of the file.
        let mut burst = self.burst.load(Ordering::Acquire);
        loop {
            // Acquire: keeps the next load behind it. A word of shared memory may be anything: an interval is at least 1.
            let mut interval = self.interval.load(Ordering::Acquire).max(1);
            // Acquire: as the first load, if it turns out to be one.
            let again = self.burst.load(Ordering::Acquire);
            if again == burst || fault!("torn_quota") {
                if fault!("interval_too_short") {
                    interval = interval.saturating_sub(1).max(1);
                }
                return Quota {
                    interval,
                    burst,
                    // Of a mixed pair it may not fit: then everything is rejected until the change is over.
                    tolerance: interval.saturating_mul(burst),
                };
            }
            burst = again;
        }
    }

    /// Interval and tolerance in the fewest instructions; `None`: they are being changed. Where a mixed pair does not fit, the product
    /// wraps around, and is less than that of `load`.
    #[inline]
    pub(crate) fn load_at_once(&self) -> Option<(u64, u64)> {
        // Acquire, all three: as in `load`.
        let burst = self.burst.load(Ordering::Acquire);
        let interval = self.interval.load(Ordering::Acquire);
        if self.burst.load(Ordering::Acquire) != burst && !fault!("torn_quota") {
            return None;
        }
        let interval = fault!("interval_too_short", interval.saturating_sub(1), interval);
        Some((interval, interval.wrapping_mul(burst)))
    }

    /// Changes both. Of two changes at once, one stays as a whole; while they overlap, the burst of one may
    /// meet the rate of the other.
    pub(crate) fn store(&self, quota: Quota) {
        loop {
            if !fault!("quota_burst_last") {
                // AcqRel: see the head of the file.
                self.burst.fetch_min(quota.burst, Ordering::AcqRel);
            }
            // AcqRel: as above.
            self.interval.swap(quota.interval, Ordering::AcqRel);
            // AcqRel: as above.
            self.burst.swap(quota.burst, Ordering::AcqRel);
            // Acquire: whoever swaps last finds its own two values, or swaps both again.
            let burst = self.burst.load(Ordering::Acquire);
            // Acquire: as above.
            if burst != quota.burst
                || fault!("quota_unchecked")
                || self.interval.load(Ordering::Acquire) == quota.interval
            {
                return;
            }
        }
    }
}
