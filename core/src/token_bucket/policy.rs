//! GCRA, pure: values in, a decision out.
//!
//! `tat` is the theoretical arrival time: when the bucket is full again. All times are in divisions of a
//! nanosecond (`quota.rs`).
//!
//! **Why it never admits too much.** Let p be the interval, b the burst. An admission at `now` leaves
//! tat >= now + p, and every later one moves it on by p a unit or more, whatever its clock says. The last of n
//! units is admitted at `now` only if the tat after it is at most now + b p. So n p <= b p + the time
//! between the latest clock seen before the first and the last: n is at most the burst and what the rate gives in that time.

use crate::fault::fault;
use crate::nanos::Nanos;

/// Admits when the bucket, drained by `increment`, is full again within `tolerance`, or when it is full, or
/// when either is so at most `max_wait` later. Gives the tat after it, else how much longer it has to
/// wait; `None`: the clock is at its end.
///
/// A full bucket admits any request that the caller has found possible at all: only while a limiter warms
/// up is an increment longer than the tolerance.
#[inline]
pub(crate) fn admit(
    tat: u64,
    now: u64,
    increment: u64,
    tolerance: u64,
    max_wait: u64,
) -> Result<u64, Option<u64>> {
    let idle = fault!("idle_time_saved_up", tat, now);
    let base = if tat > now { tat } else { idle };
    let (Some(next), Some(limit)) = (base.checked_add(increment), now.checked_add(tolerance))
    else {
        return fault!("clock_without_end", Ok(tat), Err(None));
    };
    if next <= limit || fault!("burst_one_larger") && base < limit {
        return Ok(next);
    }
    let wait = wait(base, next, now, limit);
    if wait <= max_wait || fault!("max_wait_ignored") {
        Ok(next)
    } else {
        Err(Some(wait - max_wait))
    }
}

/// As [`admit`] without a wait, until `limit`: `now` and the tolerance. The caller knows that all of them have a sum.
#[inline]
pub(crate) fn admit_at_once(tat: u64, now: u64, increment: u64, limit: u64) -> Option<u64> {
    let idle = fault!("idle_time_saved_up", tat, now);
    let base = if tat > now { tat } else { idle };
    let next = base.wrapping_add(increment);
    (next <= limit).then_some(next)
}

/// How long after `now` the bucket admits what moves its tat from `base` to `next`.
#[inline]
pub(crate) fn wait(base: u64, next: u64, now: u64, limit: u64) -> u64 {
    next.saturating_sub(limit).min(base.saturating_sub(now))
}

/// Divisions that can be taken at `now` without a debt.
pub(crate) fn room(tat: u64, now: u64, tolerance: u64) -> u64 {
    match now.checked_add(tolerance) {
        Some(limit) => limit.saturating_sub(tat.max(now)),
        None => 0,
    }
}

/// The tat after `given_back` divisions: never before `now`, so never more than a full bucket.
pub(crate) fn refund(tat: u64, now: u64, given_back: u64) -> u64 {
    if tat <= now {
        return tat;
    }
    let less = tat.saturating_sub(fault!("refund_ignored", 0, given_back));
    if fault!("refund_overfills") {
        return less;
    }
    less.max(now)
}

/// What of `paid` divisions, after which the tat was `tat` or later, can still go back at `now`: the rest has flowed in
/// again, and without them it would not have.
pub(crate) fn unused(paid: u64, tat: u64, now: u64) -> u64 {
    if fault!("returned_twice") {
        return paid;
    }
    paid.min(tat.saturating_sub(now))
}

/// A wait, rounded up: after it the request is admitted, one nanosecond earlier not.
pub(crate) fn nanos(wait: u64, scale: u64) -> Nanos {
    // The compiler cannot see that no caller divides by zero.
    let scale = scale.max(1);
    if fault!("wait_rounded_down") {
        return Nanos::new(wait / scale);
    }
    Nanos::new(wait.div_ceil(scale))
}

/// How long a request at `now` is to wait. `None`: until after the end of the clock.
pub(crate) fn retry_after(now: Nanos, wait: u64, scale: u64, tolerance: u64) -> Option<Nanos> {
    let wait = nanos(wait, scale);
    let at = now.checked_add(wait)?.get().checked_mul(scale)?;
    at.checked_add(tolerance).map(|_| wait)
}
