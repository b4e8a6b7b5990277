//! [`ManualClock`]: stands still until it is told otherwise.

use crate::clock::Clock;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// A clock for tests and replays; shared by reference between threads.
///
/// ```
/// use fuseboard_core::{Clock, ManualClock, Nanos};
///
/// let clock = ManualClock::new(Nanos::ZERO);
/// clock.advance(Nanos::from_secs(30));
/// assert_eq!(clock.now(), Nanos::from_secs(30));
/// ```
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    const_unless_loom! {
        /// A clock that shows `now`.
        pub const fn new(now: Nanos) -> Self {
            Self(AtomicU64::new(now.get()))
        }
    }

    /// Sets the time; it may go back.
    pub fn set(&self, now: Nanos) {
        // Relaxed: the time publishes no other memory.
        self.0.store(now.get(), Ordering::Relaxed);
    }

    /// Moves the time on by `by`; stops at [`Nanos::MAX`].
    pub fn advance(&self, by: Nanos) {
        // Relaxed: the time publishes no other memory.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now.saturating_add(by.get()))
            });
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Nanos {
        // Relaxed: the time publishes no other memory.
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Nanos::ZERO)
    }
}
