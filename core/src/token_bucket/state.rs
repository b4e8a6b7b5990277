//! The tat word: the only file that swaps it.
//!
//! Orderings are Relaxed: the word is the limiter's whole truth, and admitting publishes no other
//! memory. Each successful swap is one admission or refund; a rejection writes nothing.
//!
//! Times are 64 bits in divisions of a nanosecond and never wrap: past the end of the clock everything
//! is rejected.

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct TatWord(AtomicU64);

impl TatWord {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> u64 {
        // Relaxed: see the head of the file.
        self.0.load(Ordering::Relaxed)
    }

    /// Swaps the tat for what `decide` makes of it; gives the one before and the one after.
    #[inline]
    pub(crate) fn swap<E>(
        &self,
        mut decide: impl FnMut(u64) -> Result<u64, E>,
    ) -> Result<(u64, u64), E> {
        let mut tat = self.load();
        loop {
            let next = decide(tat).inspect_err(|_| {
                if fault!("rejection_takes") {
                    // Relaxed: a fault for the tests to catch.
                    self.0.fetch_add(1, Ordering::Relaxed);
                }
            })?;
            if fault!("tat_store") {
                // Relaxed: a fault for the tests to catch.
                self.0.store(next, Ordering::Relaxed);
                return Ok((tat, next));
            }
            // Relaxed: see the head of the file.
            match self
                .0
                .compare_exchange_weak(tat, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok((tat, next)),
                Err(seen) => tat = seen,
            }
        }
    }

    /// Moves the tat; it need not move far.
    pub(crate) fn update(&self, mut next: impl FnMut(u64) -> u64) {
        let _ = self.swap(|tat| match next(tat) {
            same if same == tat => Err(()),
            next => Ok(next),
        });
    }

    pub(crate) fn reset(&self) {
        // Relaxed: see the head of the file.
        self.0.store(0, Ordering::Relaxed);
    }
}
