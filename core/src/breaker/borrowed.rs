//! [`Permit`]: the right to make one call, which cannot be settled twice or forgotten by accident.

use crate::breaker::CircuitBreaker;
use crate::breaker::permit::RawPermit;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};

/// The right to make one call. Settle it with the outcome; dropped, it is cancelled: neutral, and its
/// place is free again. Settling never waits, allocates or panics.
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = breaker.try_acquire(Nanos::ZERO).unwrap();
/// permit.success(Nanos::ZERO);
/// permit.success(Nanos::ZERO); // a permit is settled once
/// ```
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = breaker.try_acquire(Nanos::ZERO).unwrap();
/// drop(breaker); // a permit does not outlive its breaker
/// permit.success(Nanos::ZERO);
/// ```
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = breaker.try_acquire(Nanos::ZERO).unwrap();
/// let second: Permit = permit.clone(); // a permit is one right, not two
/// ```
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// breaker.try_acquire(Nanos::ZERO).unwrap(); // dropped at once, it counts nothing
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, the call is not counted; settle it with `success` or `failure`"]
pub struct Permit<'a, const SLOTS: usize = 10, const STRIPES: usize = 1, const HANDLES: usize = 0> {
    pub(super) breaker: &'a CircuitBreaker<SLOTS, STRIPES, HANDLES>,
    pub(super) raw: RawPermit,
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    Permit<'_, SLOTS, STRIPES, HANDLES>
{
    /// The call succeeded, at `now`.
    #[inline]
    pub fn success(self, now: Nanos) -> Settled {
        let breaker = self.breaker;
        breaker.settle(self.into_raw(), Outcome::Success, now, &())
    }

    /// The call failed, at `now`.
    #[inline]
    pub fn failure(self, now: Nanos) -> Settled {
        self.failure_weighted(1, now)
    }

    /// The call failed, at `now`, and counts as `weight` failed calls (1 to 1,000).
    #[inline]
    pub fn failure_weighted(self, weight: u32, now: Nanos) -> Settled {
        let breaker = self.breaker;
        breaker.settle_weighted(self.into_raw(), Outcome::Failure, weight, now, &())
    }

    /// The call's end says nothing about the dependency.
    pub fn ignore(self) -> Settled {
        let breaker = self.breaker;
        breaker.cancel(self.into_raw(), &())
    }

    /// Whether this call is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.raw.is_probe()
    }

    /// The permit as a value; the caller now settles it.
    #[inline]
    pub fn into_raw(self) -> RawPermit {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize> Drop
    for Permit<'_, SLOTS, STRIPES, HANDLES>
{
    #[inline]
    fn drop(&mut self) {
        if !fault!("dropped_permit_forgotten") {
            let _ = self.breaker.cancel(self.raw, &());
        }
    }
}
