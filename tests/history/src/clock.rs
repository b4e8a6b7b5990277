//! The clock of a history: data like everything else, moved by the threads themselves.

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds; half a second is the step of all times here.
pub const SECOND: u64 = 1_000_000_000;
/// Where each clock begins: late enough to go back from.
pub const START: u64 = 100 * SECOND;

/// A clock that all threads read and move.
#[derive(Debug)]
pub struct Clock(AtomicU64);

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicU64::new(START))
    }
}

impl Clock {
    /// A reading: mostly fresh, sometimes half a second later than anybody saw before, and sometimes the caller's `last`
    /// one, from before whatever the others did since.
    pub fn look(&self, last: &mut u64) -> u64 {
        // SeqCst: shuttle knows no other.
        match thread_rng().gen_range(0..4) {
            0 => {}
            1 => *last = self.0.fetch_add(SECOND / 2, Ordering::SeqCst) + SECOND / 2,
            _ => *last = self.0.load(Ordering::SeqCst),
        }
        *last
    }
}
