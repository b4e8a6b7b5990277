//! GCRA, pure: values in, a decision out.
//!
//! `tat` is the theoretical arrival time: when the bucket is full again. All times are in divisions of a
//! nanosecond (`quota.rs`).

use crate::token_bucket::quota::Quota;

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Admitted, if the tat can be swapped for this one.
    Admit(u64),
    /// Not before so many divisions from now; `None`: the clock is at its end.
    Reject(Option<u64>),
}

/// Admits when the bucket, drained by `cost`, is full again within the burst's time.
#[inline]
pub(crate) fn admit(tat: u64, now: u64, cost: u64, quota: Quota) -> Decision {
    // A quota that changes under us may give a product that was never checked: then it saturates.
    let tolerance = quota.interval.saturating_mul(quota.burst);
    let increment = quota.interval.saturating_mul(cost);
    let base = if tat > now { tat } else { now };
    let (Some(next), Some(limit)) = (base.checked_add(increment), now.checked_add(tolerance))
    else {
        return Decision::Reject(None);
    };
    if next <= limit {
        Decision::Admit(next)
    } else {
        Decision::Reject(Some(next - limit))
    }
}

/// Whole units that would be admitted at `now`.
pub(crate) fn available(tat: u64, now: u64, quota: Quota) -> u64 {
    let tolerance = quota.interval.saturating_mul(quota.burst);
    let debt = tat.saturating_sub(now);
    match now.checked_add(tolerance) {
        Some(_) => tolerance.saturating_sub(debt) / quota.interval.max(1),
        None => 0,
    }
}

/// The tat after `cost` units came back: never before `now`, so never more than a full bucket.
pub(crate) fn refund(tat: u64, now: u64, cost: u64, quota: Quota) -> u64 {
    if tat <= now {
        return tat;
    }
    tat.saturating_sub(quota.interval.saturating_mul(cost))
        .max(now)
}
