//! Taking: what a request does to the bucket.

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::token_bucket::quota::Quota;
use crate::token_bucket::{TokenBucketRateLimiter, policy};

impl TokenBucketRateLimiter {
    /// Takes `cost` units or none.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call would be a third more; the compiler makes one as soon as it is called from many places"
    )]
    pub(super) fn take_all(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        // A small image has no room for a second way.
        if cfg!(target_has_atomic = "64") && self.warmth.load().is_none() && !fault!("cost_ignored")
        {
            return self.take_warm(cost, now);
        }
        self.take(cost, cost, Nanos::ZERO, now).map(|_| ())
    }

    /// As [`take`](Self::take), where nothing makes units dearer and the caller needs no more than the decision.
    #[inline]
    fn take_warm(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        let (quota, scale) = (self.quota.load(), self.scale());
        let span = quota.span(cost);
        if span > quota.tolerance {
            return Err(NEVER);
        }
        let Some(at) = now.get().checked_mul(scale) else {
            return Err(limited(now, None, scale, quota));
        };
        match self
            .tat
            .swap(|tat| policy::admit(tat, at, span, quota.tolerance, 0))
        {
            Ok(_) => Ok(()),
            Err(wait) => Err(limited(now, wait, scale, quota)),
        }
    }

    /// Takes `min` to `max` units, as many as there are.
    pub(super) fn take(
        &self,
        min: u64,
        max: u64,
        max_wait: Nanos,
        now: Nanos,
    ) -> Result<Taken, Rejected> {
        let (min, max) = fault!("cost_ignored", (1, 1), (min, max));
        let quota = self.quota.load();
        if quota.span(min) > quota.tolerance {
            return Err(NEVER);
        }
        let scale = self.scale();
        let limited = |wait| limited(now, wait, scale, quota);
        let at = now.get().checked_mul(scale).ok_or_else(|| limited(None))?;
        let max_wait = max_wait.get().saturating_mul(scale);
        let mut units = min;
        let (tat, next) = self
            .tat
            .swap(|tat| {
                if min < max {
                    units = self.units(tat, at, quota).clamp(min, max);
                }
                let price = match self.warmth.load() {
                    None => quota.span(units),
                    Some(warmth) => warmth.price(quota.span(units), tat.max(at)),
                };
                policy::admit(tat, at, price, quota.tolerance, max_wait)
            })
            .map_err(limited)?;
        let base = tat.max(at);
        if let Some(warmth) = self.warmth.load() {
            self.warmth.warm(warmth, base, next);
        }
        Ok(Taken {
            units,
            at,
            base,
            next,
            limit: at.saturating_add(quota.tolerance),
        })
    }

    pub(super) fn units(&self, tat: u64, at: u64, quota: Quota) -> u64 {
        let room = policy::room(tat, at, quota.tolerance);
        match self.warmth.load() {
            None => room / quota.interval,
            Some(warmth) => warmth.affordable(room, tat.max(at), quota),
        }
    }
}

/// The request is more than the burst.
const NEVER: Rejected = Rejected {
    reason: Reason::Never,
    retry_after: None,
};

/// A request at `now` that has so long to wait; `None`: until after the end of the clock.
fn limited(now: Nanos, wait: Option<u64>, scale: u64, quota: Quota) -> Rejected {
    Rejected {
        reason: Reason::Limited,
        retry_after: wait.and_then(|wait| policy::retry_after(now, wait, scale, quota.tolerance)),
    }
}

/// What an admission did to the tat, in divisions.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(super) units: u64,
    pub(super) at: u64,
    pub(super) base: u64,
    pub(super) next: u64,
    /// `now` and the tolerance: how far the tat may be ahead without a wait.
    pub(super) limit: u64,
}

impl Taken {
    pub(super) const NONE: Self = Self {
        units: 0,
        at: 0,
        base: 0,
        next: 0,
        limit: 0,
    };

    /// Where the tat would be had nobody taken anything before.
    pub(super) fn own_tat(&self) -> u64 {
        let tat = self.next.saturating_sub(self.base).saturating_add(self.at);
        if fault!("lease_owns_the_tat") {
            return self.next;
        }
        tat
    }
}
