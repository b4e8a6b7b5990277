//! The count word: the only file that swaps it.
//!
//! ```text
//! word = start of the window + units taken in it
//!
//!  k * window      word           (k + 1) * window
//! -----|-------------^------------------|------> nanoseconds
//!      \__ taken ___/
//! ```
//! The limit is less than the window has nanoseconds, so the word lies in the window that it counts: tag and
//! count are one number, and no idle time makes an old one look new. Any word is legal. **Wrap-around.**
//! There is none: where start and count do not fit in 64 bits, in the clock's last window, the request is rejected.
//!
//! Orderings are Relaxed: the word is the limiter's whole truth, and admitting publishes no other
//! memory. A rejection writes nothing.

use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct CountWord(AtomicU64);

impl CountWord {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    pub(crate) fn load(&self) -> u64 {
        // Relaxed: see the head of the file.
        self.0.load(Ordering::Relaxed)
    }

    /// Swaps the word for what `decide` makes of it.
    #[inline]
    pub(crate) fn swap<E>(&self, decide: impl Fn(u64) -> Result<u64, E>) -> Result<(), E> {
        let mut word = self.load();
        loop {
            let next = decide(word)?;
            if fault!("window_store") {
                // Relaxed: a fault for the tests to catch.
                self.0.store(next, Ordering::Relaxed);
                return Ok(());
            }
            // Relaxed: see the head of the file.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    pub(crate) fn reset(&self) {
        // Relaxed: see the head of the file.
        self.0.store(0, Ordering::Relaxed);
    }
}
