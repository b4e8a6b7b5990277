//! The tat word: the only file that swaps it.
//!
//! Orderings are Relaxed: the word is the limiter's whole truth, and admitting publishes no other
//! memory. Each successful swap is one admission or refund; a rejection writes nothing.
//!
//! Times are 64 bits in divisions of a nanosecond and never wrap: past the end of the clock everything
//! is rejected.

use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::policy::{self, Decision};
use crate::token_bucket::quota::Quota;

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct TatWord(AtomicU64);

impl TatWord {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    pub(crate) fn load(&self) -> u64 {
        // Relaxed: see the head of the file.
        self.0.load(Ordering::Relaxed)
    }

    /// `Err`: rejected, with the divisions to wait.
    #[inline]
    pub(crate) fn admit(&self, now: u64, cost: u64, quota: Quota) -> Result<(), Option<u64>> {
        let mut tat = self.load();
        loop {
            match policy::admit(tat, now, cost, quota) {
                Decision::Reject(wait) => return Err(wait),
                Decision::Admit(next) => {
                    if cfg!(fuseboard_fault = "tat_store") {
                        // Relaxed: a fault for the tests to catch.
                        self.0.store(next, Ordering::Relaxed);
                        return Ok(());
                    }
                    // Relaxed: see the head of the file.
                    match self.0.compare_exchange_weak(
                        tat,
                        next,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Ok(()),
                        Err(seen) => tat = seen,
                    }
                }
            }
        }
    }

    pub(crate) fn refund(&self, now: u64, cost: u64, quota: Quota) {
        // Relaxed: see the head of the file.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tat| {
                Some(policy::refund(tat, now, cost, quota))
            });
    }

    pub(crate) fn reset(&self) {
        // Relaxed: see the head of the file.
        self.0.store(0, Ordering::Relaxed);
    }
}
