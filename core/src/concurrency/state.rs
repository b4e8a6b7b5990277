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
        let word = self.0.load(Ordering::Relaxed);
        ((word >> 32) as u32, word as u32)
    }

    /// Takes a place, if one is free.
    #[inline]
    pub(crate) fn admit(&self) -> bool {
        // Relaxed: the swap checks it.
        let mut word = self.0.load(Ordering::Relaxed);
        while word & IN_FLIGHT_MASK < word >> 32 {
            // Acquire: pairs with `release`. In flight is below the limit, so the sum stays in its field.
            match self
                .0
                .compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Gives a place back; `false` when none is taken.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Release: pairs with `admit`.
        self.0
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                (word & IN_FLIGHT_MASK > 0).then(|| word - 1)
            })
            .is_ok()
    }

    pub(crate) fn set_limit(&self, limit: u32) {
        // Relaxed: the limit publishes no other memory; only its own half is written.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                Some(u64::from(limit) << 32 | word & IN_FLIGHT_MASK)
            });
    }
}
