//! The counts word: the only file that swaps it.
//!
//! ```text
//!  63              2w 2w-1        w w-1         0
//! +------------------+-------------+-------------+
//! | number of window |   previous  |   current   |
//! +------------------+-------------+-------------+
//! ```
//! w is as large as the window allows: its number, counted from the clock's zero, keeps all the bits that 73 years
//! need, so no idle time makes an old count look new. For 1 s, w is 16. Any word is legal. **Wrap-around.** There
//! is none: the limit fits in a count, and later moments are rejected.
//!
//! Orderings are Relaxed: the word is the limiter's whole truth, and admitting publishes no other
//! memory. A rejection writes nothing.

use crate::fault::fault;
use crate::sliding_counter::policy::Counts;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct CountsWord(AtomicU64);

impl CountsWord {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    pub(crate) fn load(&self, width: u32) -> Counts {
        // Relaxed: see the head of the file.
        decode(self.0.load(Ordering::Relaxed), width)
    }

    /// Swaps the counts for what `decide` makes of them.
    #[inline]
    pub(crate) fn swap<E>(
        &self,
        width: u32,
        decide: impl Fn(Counts) -> Result<Counts, E>,
    ) -> Result<(), E> {
        // Relaxed: see the head of the file.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let next = encode(decide(decode(word, width))?, width);
            if fault!("counter_store") {
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

fn decode(word: u64, width: u32) -> Counts {
    let mask = (1 << width) - 1;
    Counts {
        number: fault!(
            "short_window_number",
            word >> (2 * width) & 0xFF,
            word >> (2 * width)
        ),
        previous: word >> width & mask,
        current: word & mask,
    }
}

fn encode(counts: Counts, width: u32) -> u64 {
    counts.number << (2 * width) | counts.previous << width | counts.current
}
