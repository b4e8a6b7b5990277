//! A failure that stands for several.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
#[cfg(feature = "std")]
use crate::clock;
use crate::handle;
use crate::permit::{self, fb_permit};
use crate::status::{self, fb_status};
use fuseboard_core::Nanos;

/// # Safety
///
/// `breaker` is null or a live handle; `permit` is null or an initialised permit.
unsafe fn settle(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    let breaker = unsafe { handle::shared(breaker) }?;
    let outcome = status::outcome(outcome)?;
    // SAFETY: the caller's promise is the same.
    let raw = unsafe { permit::take(permit) }?;
    Ok(breaker.end_weighted(raw, outcome, weight, now).into())
}

/// fb_breaker_settle for a call whose failure is worse than others: it counts as `weight` failed
/// calls.
///
/// `permit`, `outcome`: as for fb_breaker_settle. `weight`: 1 to 1000, what is beyond is taken as
/// the nearest; without effect on other outcomes.
/// Returns: as fb_breaker_settle. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_settle_weighted(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(breaker, permit, outcome, weight, clock::monotonic()) })
}

/// fb_breaker_settle_weighted at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_settle_weighted. Threads: any. Signals:
/// safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_settle_weighted_at(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(breaker, permit, outcome, weight, Nanos::new(now_ns)) })
}
