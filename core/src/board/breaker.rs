//! [`BoardBreaker`]: what a breaker's slot holds.

use crate::breaker::CircuitBreaker;
use crate::breaker::permit::RawPermit;
use crate::event::Observer;
use crate::latency::LatencyHistogram;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};
use crate::sync::const_unless_loom;
use core::ops::Deref;

/// A breaker on a [`Board`](crate::Board), and how long its calls took, where its `record_latency` is set.
///
/// It is a [`CircuitBreaker`]; settle its calls here, so that they are counted.
#[derive(Debug)]
#[repr(C)]
pub struct BoardBreaker {
    breaker: CircuitBreaker<10, 1>,
    latency: LatencyHistogram,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(core::mem::offset_of!(BoardBreaker, latency) == 384);

impl BoardBreaker {
    const_unless_loom! {
        pub(crate) const fn of(breaker: CircuitBreaker<10, 1>) -> Self {
            Self {
                breaker,
                latency: LatencyHistogram::new(),
            }
        }
    }

    /// How long calls took that ended in success or failure while `record_latency` was set.
    pub fn latency(&self) -> &LatencyHistogram {
        &self.latency
    }

    /// As [`CircuitBreaker::settle`], and counts how long the call took.
    #[inline]
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.count(permit, outcome, now);
        self.breaker.settle(permit, outcome, now, observer)
    }

    /// As [`CircuitBreaker::settle_weighted`], and counts how long the call took.
    pub fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.count(permit, outcome, now);
        self.breaker
            .settle_weighted(permit, outcome, weight, now, observer)
    }

    #[inline]
    fn count(&self, permit: RawPermit, outcome: Outcome, now: Nanos) {
        if self.breaker.records_latency() {
            self.latency.record_call(permit, outcome, now);
        }
    }

    /// Empty, while nobody records.
    pub(crate) fn forget_latency(&self) {
        self.latency.renew();
    }
}

impl Deref for BoardBreaker {
    type Target = CircuitBreaker<10, 1>;

    #[inline]
    fn deref(&self) -> &CircuitBreaker<10, 1> {
        &self.breaker
    }
}
