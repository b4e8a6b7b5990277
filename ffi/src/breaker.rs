//! fb_breaker: making one, asking it for a call, telling it how the call ended.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::breaker::words::Elsewhere;
#[cfg(feature = "std")]
use crate::clock;
use crate::event::Listeners;
use crate::handle;
use crate::permit::{self, fb_permit};
use crate::status::{self, fb_outcome, fb_state, fb_status};
use fuseboard_core::{CircuitBreaker, Nanos, NotAtOnce};

pub(crate) mod words;

pub mod making;

/// A circuit breaker.
pub struct fb_breaker {
    /// Its words. One that has others has these forced open, so that the fast path admits no call by them, and takes none of a board's
    /// permits for one of theirs: those have a tag.
    core: CircuitBreaker,
    pub(crate) listeners: Listeners,
    #[cfg(feature = "std")]
    elsewhere: Option<Elsewhere>,
}

impl fb_breaker {
    pub(crate) fn new(core: CircuitBreaker) -> Self {
        Self {
            core,
            listeners: Listeners::default(),
            #[cfg(feature = "std")]
            elsewhere: None,
        }
    }
}

// A closed call's two functions have a fast path of their own, in front of the way that is right in every state: nothing in it can
// panic, and its one other call neither unwinds nor comes back, so that it needs no stack.

/// # Safety
///
/// `breaker` is null or a live handle; the others are null or valid for a write.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "a call more costs a closed call a tenth of its time"
)]
unsafe fn try_acquire(
    breaker: *const fb_breaker,
    now: Nanos,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        if handle::are_usable(breaker, permit)
            && let Some(raw) = (*breaker).core.acquire_at_once(now)
        {
            permit.write(raw.into());
            handle::write_if_wanted(retry_after_ns, 0)?;
            return Ok(fb_status::FB_OK);
        }
        Ok(acquire(breaker, now, permit, retry_after_ns))
    }
}

/// # Safety
///
/// As for [`try_acquire`].
#[inline(never)]
unsafe fn acquire(
    breaker: *const fb_breaker,
    now: Nanos,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the caller's promises are the same.
    entry(|| unsafe {
        // First, so that no path leaves an old permit behind.
        handle::write(permit, fb_permit::SETTLED)?;
        let breaker = handle::shared(breaker)?;
        let decision = breaker.admit(now);
        if let Ok(raw) = decision {
            handle::write(permit, raw.into())?;
        }
        let (status, wait) = status::decided(decision.map(|_| ()));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    })
}

/// Asks for one call.
///
/// `permit`: with FB_OK the right to one call, to be settled once with fb_breaker_settle or
/// fb_breaker_cancel; else cleared. `retry_after_ns`: may be NULL; 0 with FB_OK, else how long
/// until another request can be admitted, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_OPEN; FB_HALF_OPEN_FULL; FB_FORCED_OPEN; FB_RAMPING; FB_EINVAL. Threads: any.
/// Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_try_acquire(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { try_acquire(breaker, clock::monotonic(), permit, retry_after_ns) })
}

/// fb_breaker_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_try_acquire. Threads: any. Signals:
/// safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_try_acquire_at(
    breaker: *const fb_breaker,
    now_ns: u64,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { try_acquire(breaker, Nanos::new(now_ns), permit, retry_after_ns) })
}

const SUCCESS: i32 = fb_outcome::FB_SUCCESS as i32;

/// # Safety
///
/// `breaker` is null or a live handle; `permit` is null or an initialised permit.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as for `try_acquire`")]
unsafe fn end(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    now: Nanos,
) -> fb_status {
    // SAFETY: the caller's promises are the same.
    unsafe {
        if outcome != SUCCESS {
            return settle(breaker, permit, outcome, now);
        }
        if handle::are_usable(breaker, permit) {
            match (*breaker).core.succeed_at_once((*permit).opaque_, now) {
                Ok(()) => {
                    permit.write(fb_permit::SETTLED);
                    return fb_status::FB_OK;
                }
                Err(not) => return settle_after(breaker, permit, now, not),
            }
        }
        settle(breaker, permit, SUCCESS, now)
    }
}

/// Settles a success that the fast path has not, or not rightly.
///
/// # Safety
///
/// As for [`end`], and both can be used.
#[inline(never)]
unsafe fn settle_after(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    now: Nanos,
    not: NotAtOnce<'_>,
) -> fb_status {
    // SAFETY: the caller's promises are the same.
    unsafe {
        (*breaker).core.take_back(not);
        settle(breaker, permit, SUCCESS, now)
    }
}

/// # Safety
///
/// As for [`end`].
#[inline(never)]
unsafe fn settle(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    now: Nanos,
) -> fb_status {
    entry(|| {
        // SAFETY: the caller's promise is the same.
        let breaker = unsafe { handle::shared(breaker) }?;
        let outcome = status::outcome(outcome)?;
        // SAFETY: the caller's promise is the same.
        let raw = unsafe { permit::take(permit) }?;
        Ok(breaker.end(raw, outcome, now).into())
    })
}

/// Tells how a call ended, and clears its permit.
///
/// `permit`: from fb_breaker_try_acquire of this breaker; one thread at a time. A copy of a permit
/// is the same permit: settle one of them. `outcome`: an fb_outcome.
/// Returns: FB_OK; FB_STALE when nothing changed, because the permit was settled before or its
/// generation is over; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_settle(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| Ok(unsafe { end(breaker, permit, outcome, clock::monotonic()) }))
}

/// fb_breaker_settle at a given time.
///
/// `now_ns`: the time at which the call ended. The rest, and Returns: as fb_breaker_settle.
/// Threads: any. Signals: safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_settle_at(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
    outcome: i32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| Ok(unsafe { end(breaker, permit, outcome, Nanos::new(now_ns)) }))
}

/// Gives a permit back without an outcome: the call was never made, or nobody knows how it ended.
/// It counts as nothing, and a probe's place is free again. The permit is cleared.
///
/// `permit`: as for fb_breaker_settle.
/// Returns: FB_OK; FB_STALE when nothing changed; FB_EINVAL. Threads: any. Signals: safe if the
/// transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_cancel(
    breaker: *const fb_breaker,
    permit: *mut fb_permit,
) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let breaker = unsafe { handle::shared(breaker) }?;
        // SAFETY: an initialised permit, by the contract of the header.
        let raw = unsafe { permit::take(permit) }?;
        Ok(breaker.give_back(raw).into())
    })
}

/// # Safety
///
/// `breaker` is null or a live handle; `retry_after_ns` is null or valid for a write.
unsafe fn check(
    breaker: *const fb_breaker,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let (status, wait) = status::decided(handle::shared(breaker)?.words()?.check(now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Whether fb_breaker_try_acquire would admit a call now; changes nothing and takes nothing.
///
/// `retry_after_ns`: may be NULL; as for fb_breaker_try_acquire.
/// Returns: as fb_breaker_try_acquire. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_check(
    breaker: *const fb_breaker,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { check(breaker, clock::monotonic(), retry_after_ns) })
}

/// fb_breaker_check at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_check. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_check_at(
    breaker: *const fb_breaker,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { check(breaker, Nanos::new(now_ns), retry_after_ns) })
}

/// The state. An open breaker says FB_STATE_OPEN until a probe is admitted, also when its time is
/// over.
///
/// Returns: the state; FB_STATE_INVALID for NULL, and for a name that its board has no slot for any
/// more. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_state(breaker: *const fb_breaker) -> fb_state {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| Ok(unsafe { handle::shared(breaker) }?.words()?.state().into()))
}

// Last, so that the header tells of asking first.
pub mod weighted;

pub mod manual;

pub mod saved;
