//! [`AdmissionPermit`]: what all parts of an admission gave, settled at once.

use crate::admission::Admission;
use crate::breaker::permit::RawPermit;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};

/// The right to make one call, from all parts of an [`Admission`]. Settle it with the outcome; dropped, it is cancelled everywhere.
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = Admission::new(&breaker).try_acquire(Nanos::ZERO).unwrap();
/// permit.success(Nanos::ZERO);
/// permit.success(Nanos::ZERO); // a permit is settled once
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, the call is not counted and its place is free; settle it with `success` or `failure`"]
pub struct AdmissionPermit<
    'a,
    const SLOTS: usize = 10,
    const STRIPES: usize = 1,
    const HANDLES: usize = 0,
> {
    admission: Admission<'a, SLOTS, STRIPES, HANDLES>,
    raw: RawPermit,
}

impl<'a, const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    AdmissionPermit<'a, SLOTS, STRIPES, HANDLES>
{
    pub(super) fn new(admission: Admission<'a, SLOTS, STRIPES, HANDLES>, raw: RawPermit) -> Self {
        Self { admission, raw }
    }

    /// The call succeeded, at `now`.
    #[inline]
    pub fn success(self, now: Nanos) -> Settled {
        self.settle(Outcome::Success, now)
    }

    /// The call failed, at `now`. An adaptive limit backs off: use [`ignore`](Self::ignore), or settle the value with
    /// the parts, where a failure says nothing about load.
    #[inline]
    pub fn failure(self, now: Nanos) -> Settled {
        self.settle(Outcome::Failure, now)
    }

    /// The call's end says nothing about the dependency.
    pub fn ignore(self) -> Settled {
        let admission = self.admission;
        admission.cancel(self.into_raw(), &())
    }

    /// Whether this call is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.raw.is_probe()
    }

    /// The permit as a value; the caller now settles it with the [`Admission`].
    #[inline]
    pub fn into_raw(self) -> RawPermit {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }

    fn settle(self, outcome: Outcome, now: Nanos) -> Settled {
        let admission = self.admission;
        admission.settle(self.into_raw(), outcome, now, &())
    }
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize> Drop
    for AdmissionPermit<'_, SLOTS, STRIPES, HANDLES>
{
    fn drop(&mut self) {
        let _ = self.admission.cancel(self.raw, &());
    }
}
