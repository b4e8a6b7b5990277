//! fb_fixed_window: so many in each window of the clock.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{FixedWindowRateLimiter, Nanos};

/// A fixed window: at most `limit` in each window of the clock, the first of which begins at zero.
/// Around an edge twice as many can pass; where that matters, use fb_sliding_counter.
pub struct fb_fixed_window {
    core: FixedWindowRateLimiter,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    limit: u64,
    window_ns: u64,
    place: Place,
    out: *mut *mut fb_fixed_window,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        error::give(
            place,
            out,
            error,
            FixedWindowRateLimiter::try_new(limit, Nanos::new(window_ns))
                .map(|core| fb_fixed_window { core }),
        )
    }
}

/// Makes a fixed window, empty.
///
/// `limit`: at least 1, less than `window_ns`. `window_ns`: at least 1. `out`: the new handle, for
/// fb_fixed_window_free; NULL unless FB_OK. `error`: may be NULL; names the refused setting,
/// "limit" or "window".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_new(
    limit: u64,
    window_ns: u64,
    out: *mut *mut fb_fixed_window,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(limit, window_ns, Place::Heap, out, error) })
}

/// How many bytes fb_fixed_window_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_fixed_window_size() -> usize {
    handle::room::<fb_fixed_window>()
}

/// fb_fixed_window_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_fixed_window_free.
///
/// `memory`, `memory_size`: at least fb_fixed_window_size() bytes. The rest: as for
/// fb_fixed_window_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_init(
    memory: *mut c_void,
    memory_size: usize,
    limit: u64,
    window_ns: u64,
    out: *mut *mut fb_fixed_window,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            limit,
            window_ns,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a fixed window.
///
/// `window`: from fb_fixed_window_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_free(window: *mut fb_fixed_window) {
    entry(|| {
        // SAFETY: from fb_fixed_window_new and given up, by the contract above.
        unsafe { handle::free(window) };
        Ok(())
    });
}

/// # Safety
///
/// `window` is null or a live handle; `retry_after_ns` is null or valid for a write.
#[inline]
unsafe fn acquire(
    window: *const fb_fixed_window,
    cost: u64,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let window = handle::shared(window)?;
        let (status, wait) = status::decided(window.core.try_acquire_many(cost, now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes `cost` units, all or none.
///
/// `cost`: the request's weight, usually 1. `retry_after_ns`: may be NULL; 0 with FB_OK, else how
/// long until this request can be admitted if nobody else takes the place, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED; FB_NEVER when `cost` is more than the limit; FB_EINVAL. Threads:
/// any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_try_acquire(
    window: *const fb_fixed_window,
    cost: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(window, cost, clock::monotonic(), retry_after_ns) })
}

/// fb_fixed_window_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_fixed_window_try_acquire. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_try_acquire_at(
    window: *const fb_fixed_window,
    cost: u64,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(window, cost, Nanos::new(now_ns), retry_after_ns) })
}

/// # Safety
///
/// `window` is null or a live handle.
unsafe fn give_back(
    window: *const fb_fixed_window,
    cost: u64,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(window) }?.core.refund(cost, now);
    Ok(fb_status::FB_OK)
}

/// Gives back what was taken for work that was not done; nothing once their window is over.
///
/// `cost`: at most what was taken.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_refund(
    window: *const fb_fixed_window,
    cost: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(window, cost, clock::monotonic()) })
}

/// fb_fixed_window_refund at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_fixed_window_refund. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_refund_at(
    window: *const fb_fixed_window,
    cost: u64,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(window, cost, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `window` is null or a live handle; `available` is null or valid for a write.
unsafe fn count(
    window: *const fb_fixed_window,
    now: Nanos,
    available: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(available, handle::shared(window)?.core.available(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many units could be taken at once.
///
/// `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_available(
    window: *const fb_fixed_window,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(window, clock::monotonic(), available) })
}

/// fb_fixed_window_available at a given time.
///
/// `now_ns`: the time. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_available_at(
    window: *const fb_fixed_window,
    now_ns: u64,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(window, Nanos::new(now_ns), available) })
}

/// The limit as it is now.
///
/// `limit`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_limit(
    window: *const fb_fixed_window,
    limit: *mut u64,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(limit, handle::shared(window)?.core.limit()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes the limit of a running window; what was taken stays taken.
///
/// `limit`: as for fb_fixed_window_new. `error`: may be NULL; names the refused setting, "limit".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_set_limit(
    window: *const fb_fixed_window,
    limit: u64,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(error, handle::shared(window)?.core.set_limit(limit))
    })
}

/// Forgets what was taken.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_fixed_window_reset(window: *const fb_fixed_window) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        unsafe { handle::shared(window) }?.core.reset();
        Ok(fb_status::FB_OK)
    })
}
