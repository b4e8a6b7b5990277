//! [`AdaptivePermit`]: a place in an adaptive limit that knows when its call began.

use crate::adaptive::AdaptiveLimit;
use crate::nanos::Nanos;
use crate::outcome::Outcome;

/// A place in an [`AdaptiveLimit`]. Settle it with the outcome; dropped, the place is given back and nothing is learnt.
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let limit = AdaptiveLimit::new(AdaptiveLimitConfig::new(Algorithm::Aimd));
/// let permit = limit.try_acquire(Nanos::ZERO).unwrap();
/// permit.success(Nanos::ZERO);
/// permit.success(Nanos::ZERO); // a place is given back once
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, the place is free again before the call"]
pub struct AdaptivePermit<'a> {
    limit: &'a AdaptiveLimit,
    started: Nanos,
}

impl<'a> AdaptivePermit<'a> {
    pub(super) fn new(limit: &'a AdaptiveLimit, started: Nanos) -> Self {
        Self { limit, started }
    }

    /// The call was done at `now`: its latency is a sample.
    #[inline]
    pub fn success(self, now: Nanos) {
        self.settle(Outcome::Success, now);
    }

    /// The call was dropped for overload at `now` (it timed out, or was refused as too much): the limit backs off.
    #[inline]
    pub fn failure(self, now: Nanos) {
        self.settle(Outcome::Failure, now);
    }

    /// The call's end says nothing about load.
    pub fn ignore(self) {
        drop(self);
    }

    /// Keeps the place taken; the caller gives it back with [`AdaptiveLimit::release_raw`] and this moment, at which
    /// the call began.
    pub fn into_raw(self) -> Nanos {
        let started = self.started;
        core::mem::forget(self);
        started
    }

    fn settle(self, outcome: Outcome, now: Nanos) {
        let limit = self.limit;
        limit.release_raw(self.into_raw(), outcome, now);
    }
}

impl Drop for AdaptivePermit<'_> {
    fn drop(&mut self) {
        self.limit.cancel_raw();
    }
}
