//! Limiters behind shared handles, on the precise clock.

mod acquire;
mod concurrency;
mod decision;
mod sliding_window;
mod token_bucket;
mod windows;

pub use acquire::{Acquire, Limiter, Quota};
pub use concurrency::{ConcurrencyLimit, ConcurrencyPermit};
pub use decision::{Decision, DecisionSource, Unavailable};
pub use sliding_window::SlidingWindowRateLimiter;
pub use token_bucket::TokenBucketRateLimiter;
pub use windows::{FixedWindowRateLimiter, LeakyBucketRateLimiter, SlidingCounterRateLimiter};

use crate::clock::Clock;
use fuseboard_core::{Nanos, Rejected};

/// A denial for no longer than this may come from a thread put aside between its clock reading and
/// the decision.
const PREEMPTION: Nanos = Nanos::from_millis(10);

/// Decides by the time of `clock`, and once more where only an outdated reading can have denied.
///
/// A denial changes nothing, so asking twice costs nobody a place.
pub(crate) fn decide(
    clock: &impl Clock,
    attempt: impl Fn(Nanos) -> Result<(), Rejected>,
) -> Result<(), Rejected> {
    let first = clock.now();
    let rejected = match attempt(first) {
        Ok(()) => return Ok(()),
        Err(rejected) => rejected,
    };
    match rejected.retry_after {
        Some(after) if after <= PREEMPTION => {
            let second = clock.now();
            if second >= first.saturating_add(after) {
                attempt(second)
            } else {
                Err(rejected)
            }
        }
        _ => Err(rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fuseboard_core::Reason;
    use std::cell::Cell;

    /// Moves on by a step with each reading, as if the thread had been put aside meanwhile.
    struct Stepping(Cell<u64>, u64);

    impl Clock for Stepping {
        fn now(&self) -> Nanos {
            Nanos::new(self.0.replace(self.0.get() + self.1))
        }
    }

    fn attempt_from(start: u64) -> impl Fn(Nanos) -> Result<(), Rejected> {
        move |now| match Nanos::new(start).checked_sub(now) {
            Some(wait) if wait > Nanos::ZERO => Err(Rejected {
                reason: Reason::Limited,
                retry_after: Some(wait),
            }),
            _ => Ok(()),
        }
    }

    #[test]
    fn an_outdated_reading_does_not_deny() {
        assert!(decide(&Stepping(Cell::new(0), 500), attempt_from(400)).is_ok());
    }

    #[test]
    fn l8_a_denial_that_stands_is_told_as_it_was_decided() {
        let rejected = decide(&Stepping(Cell::new(0), 100), attempt_from(400)).unwrap_err();
        assert_eq!(rejected.retry_after, Some(Nanos::new(400)));
    }
}
