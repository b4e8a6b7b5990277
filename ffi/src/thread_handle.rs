//! fb_handle: a breaker's counters for one thread alone.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
use crate::breaker::words::{FB_HANDLES, Roomy};
use crate::clock;
use crate::event::Listeners;
use crate::handle::{self, Place};
use crate::permit::{self, fb_permit};
use crate::status::{self, fb_status};
use fuseboard_core::{Handle, Nanos};

/// A breaker's counters for one thread alone: recording a call takes plain loads and stores, and no
/// thread waits for another's cache line. All else, the state above all, is the breaker's own, and a
/// failure is judged together with those of all other handles and callers. It may move to another
/// thread and is not used by two at once.
pub struct fb_handle {
    core: Handle<'static, 10, 1, FB_HANDLES>,
    of: &'static Roomy,
    listeners: &'static Listeners,
}

/// Makes a handle for one thread.
///
/// `breaker`: from fb_breaker_new_with_handles; it is freed after its handles. `out`: the new handle,
/// for fb_handle_free; NULL unless FB_OK.
/// Returns: FB_OK; FB_FULL when FB_HANDLES of them are there: use the breaker itself; FB_EINVAL, also
/// for a breaker made without room for handles; FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_new(
    breaker: *const fb_breaker,
    out: *mut *mut fb_handle,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type, and the breaker outlives the handle.
    entry(|| unsafe {
        handle::write(out, core::ptr::null_mut())?;
        let breaker: &'static fb_breaker = handle::shared(breaker)?;
        let of = breaker.roomy()?;
        let handle = fb_handle {
            core: of.words.handle().ok_or(fb_status::FB_FULL)?,
            of,
            listeners: &breaker.listeners,
        };
        handle::give(Place::Heap, out, handle)
    })
}

/// Frees a handle, for the next thread; what it counted stays. Permits that are still out can be
/// settled with the breaker.
///
/// `handle`: from fb_handle_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_free(handle: *mut fb_handle) {
    entry(|| {
        // SAFETY: from fb_handle_new and given up, by the contract above.
        unsafe { handle::free(handle) };
        Ok(())
    });
}

/// # Safety
///
/// `handle` is null or a live handle that no other thread uses; the others are null or valid for a write.
#[inline]
unsafe fn acquire(
    handle: *mut fb_handle,
    now: Nanos,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        // First, so that no path leaves an old permit behind.
        handle::write(permit, fb_permit::SETTLED)?;
        let handle = handle::shared(handle)?;
        let decision = handle.core.acquire(now, handle.listeners);
        if let Ok(raw) = decision {
            handle::write(permit, raw.into())?;
        }
        let (status, wait) = status::decided(decision.map(|_| ()));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// fb_breaker_try_acquire, counted by this handle.
///
/// `permit`, `retry_after_ns`, and Returns: as there. The permit may be settled with the breaker too,
/// on any thread. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_try_acquire(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(handle, clock::monotonic(), permit, retry_after_ns) })
}

/// fb_handle_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_handle_try_acquire. Threads: one. Signals: not
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_try_acquire_at(
    handle: *mut fb_handle,
    now_ns: u64,
    permit: *mut fb_permit,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(handle, Nanos::new(now_ns), permit, retry_after_ns) })
}

/// # Safety
///
/// `handle` is null or a live handle that no other thread uses; `permit` is null or an initialised permit.
#[inline]
unsafe fn settle(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let handle = handle::shared(handle)?;
        let outcome = status::outcome(outcome)?;
        let raw = permit::take(permit)?;
        handle.of.count(raw, outcome, now);
        let settled = if weight == 1 {
            handle.core.settle(raw, outcome, now, handle.listeners)
        } else {
            (handle.core).settle_weighted(raw, outcome, weight, now, handle.listeners)
        };
        Ok(settled.into())
    }
}

/// fb_breaker_settle, counted by this handle.
///
/// `permit`: of this handle, of another of the same breaker, or of the breaker. `outcome`, and
/// Returns: as there. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_settle(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    outcome: i32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(handle, permit, outcome, 1, clock::monotonic()) })
}

/// fb_handle_settle at a given time.
///
/// `now_ns`: the time at which the call ended. The rest, and Returns: as fb_handle_settle. Threads:
/// one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_settle_at(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    outcome: i32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(handle, permit, outcome, 1, Nanos::new(now_ns)) })
}

/// fb_breaker_settle_weighted, counted by this handle.
///
/// `permit`, `outcome`: as for fb_handle_settle. `weight`: as there.
/// Returns: as there. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_settle_weighted(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(handle, permit, outcome, weight, clock::monotonic()) })
}

/// fb_handle_settle_weighted at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_handle_settle_weighted. Threads: one. Signals:
/// not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_settle_weighted_at(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
    outcome: i32,
    weight: u32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(handle, permit, outcome, weight, Nanos::new(now_ns)) })
}

/// fb_breaker_cancel, counted by this handle.
///
/// `permit`: as for fb_handle_settle.
/// Returns: as fb_breaker_cancel. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_handle_cancel(
    handle: *mut fb_handle,
    permit: *mut fb_permit,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let handle = handle::shared(handle)?;
        let raw = permit::take(permit)?;
        Ok(handle.core.cancel(raw, handle.listeners).into())
    })
}
