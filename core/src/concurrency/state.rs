//! The concurrency word: the only file that swaps it.
//!
//! ```text
//!  63            32 31             0
//! +----------------+----------------+
//! |      limit     |    in flight   |
//! +----------------+----------------+
//! ```
//! Limit and count are one truth: a changed limit and an admission cannot pass each other.
//!
//! | operation | ordering | pairs with |
//! |---|---|---|
//! | admit | Acquire | release: what the call before did is seen |
//! | release | Release | admit |
//! | set the limit | `AcqRel` | another set: whoever is overwritten is seen, so the last setter can look again |
//!
//! Every bit pattern is legal: a count above the limit admits nothing until enough calls have ended. Neither half wraps:
//! the count rises only below the limit and falls only above zero.

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

const IN_FLIGHT_MASK: u64 = u32::MAX as u64;

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct ConcurrencyWord(AtomicU64);

impl ConcurrencyWord {
    const_unless_loom! {
        pub(crate) const fn new(limit: u32) -> Self {
            Self(AtomicU64::new((limit as u64) << 32))
        }
    }

    /// (limit, in flight) in one load.
    pub(crate) fn load(&self) -> (u32, u32) {
        // Relaxed: for display.
        split(self.0.load(Ordering::Relaxed))
    }

    /// Takes a place, if fewer than `share(limit)` and fewer than the limit are taken.
    #[inline]
    pub(crate) fn admit(&self, share: impl Fn(u32) -> u32) -> bool {
        // Relaxed: the swap checks it.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (limit, in_flight) = split(word);
            let full = share(limit).min(limit);
            if in_flight >= fault!("one_place_too_many", full.saturating_add(1), full) {
                return false;
            }
            if fault!("concurrency_check_then_add") {
                // Relaxed: a fault for the tests to catch.
                self.0.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            // Acquire: pairs with `release`. In flight is below the limit, so the sum stays in its field.
            match self
                .0
                .compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
    }

    /// Gives a place back: (limit, in flight) with that place still taken. `None`: none was.
    #[inline]
    pub(crate) fn release(&self) -> Option<(u32, u32)> {
        let order = if fault!("release_relaxed") {
            // Relaxed: a fault for the tests to catch.
            Ordering::Relaxed
        } else {
            // Release: pairs with `admit`.
            Ordering::Release
        };
        self.0
            .fetch_update(order, Ordering::Relaxed, |word| {
                if fault!("concurrency_release_unchecked") {
                    return Some(word.wrapping_sub(1));
                }
                (word & IN_FLIGHT_MASK > 0)
                    .then(|| word - u64::from(!fault!("place_not_given_back")))
            })
            .ok()
            .map(split)
    }

    pub(crate) fn set_limit(&self, limit: u32) {
        if fault!("limit_store") {
            let (_, in_flight) = self.load();
            let word = u64::from(limit) << 32 | u64::from(in_flight);
            // Release: a fault for the tests to catch.
            return self.0.store(word, Ordering::Release);
        }
        // AcqRel: pairs with itself; only its own half is written.
        let _ = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |word| {
                let in_flight = fault!("limit_change_forgets_calls", 0, word & IN_FLIGHT_MASK);
                Some(u64::from(limit) << 32 | in_flight)
            });
    }
}

/// (limit, in flight).
const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
