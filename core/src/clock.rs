//! [`Clock`]: where a host gets its time. The core itself never asks: time is an argument.

pub mod manual;

use crate::nanos::Nanos;

/// A source of monotonic time.
///
/// All callers of one breaker or limiter must use the same clock. It should not go back; where it
/// does, nothing is admitted that the latest time seen would not admit.
pub trait Clock {
    /// Nanoseconds since a fixed moment of this clock's choice.
    fn now(&self) -> Nanos;

    /// The same clock as precisely as it can be read: for measuring how long calls take. Never before `now`, unless the clock went
    /// back.
    fn precise(&self) -> Nanos {
        self.now()
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Nanos {
        (**self).now()
    }

    fn precise(&self) -> Nanos {
        (**self).precise()
    }
}
