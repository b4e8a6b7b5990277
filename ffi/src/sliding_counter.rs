//! fb_sliding_counter: at most about so many in any window, in 24 bytes.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{Nanos, SlidingCounterRateLimiter};

/// A sliding counter: at most about `limit` in any span of `window_ns`, by two counters, whatever
/// the limit is. The exact one is fb_sliding_log.
pub struct fb_sliding_counter {
    core: SlidingCounterRateLimiter,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    limit: u32,
    window_ns: u64,
    place: Place,
    out: *mut *mut fb_sliding_counter,
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
            SlidingCounterRateLimiter::try_new(limit, Nanos::new(window_ns))
                .map(|core| fb_sliding_counter { core }),
        )
    }
}

/// Makes a sliding counter, empty.
///
/// `limit`: at least 1. `window_ns`: at least 1, on windows aligned to zero of the clock. `out`:
/// the new handle, for fb_sliding_counter_free; NULL unless FB_OK. `error`: may be NULL; names the
/// refused setting, "limit" or "window".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_new(
    limit: u32,
    window_ns: u64,
    out: *mut *mut fb_sliding_counter,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(limit, window_ns, Place::Heap, out, error) })
}

/// How many bytes fb_sliding_counter_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_sliding_counter_size() -> usize {
    handle::room::<fb_sliding_counter>()
}

/// fb_sliding_counter_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_sliding_counter_free.
///
/// `memory`, `memory_size`: at least fb_sliding_counter_size() bytes. The rest: as for
/// fb_sliding_counter_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_init(
    memory: *mut c_void,
    memory_size: usize,
    limit: u32,
    window_ns: u64,
    out: *mut *mut fb_sliding_counter,
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

/// Frees a sliding counter.
///
/// `counter`: from fb_sliding_counter_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_free(counter: *mut fb_sliding_counter) {
    entry(|| {
        // SAFETY: from fb_sliding_counter_new and given up, by the contract above.
        unsafe { handle::free(counter) };
        Ok(())
    });
}

/// # Safety
///
/// `counter` is null or a live handle; `retry_after_ns` is null or valid for a write.
#[inline]
unsafe fn acquire(
    counter: *const fb_sliding_counter,
    cost: u32,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let counter = handle::shared(counter)?;
        let (status, wait) = status::decided(counter.core.try_acquire_many(cost, now));
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
pub unsafe extern "C" fn fb_sliding_counter_try_acquire(
    counter: *const fb_sliding_counter,
    cost: u32,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(counter, cost, clock::monotonic(), retry_after_ns) })
}

/// fb_sliding_counter_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_sliding_counter_try_acquire. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_try_acquire_at(
    counter: *const fb_sliding_counter,
    cost: u32,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(counter, cost, Nanos::new(now_ns), retry_after_ns) })
}

/// # Safety
///
/// `counter` is null or a live handle.
unsafe fn give_back(
    counter: *const fb_sliding_counter,
    cost: u32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(counter) }?.core.refund(cost, now);
    Ok(fb_status::FB_OK)
}

/// Gives back what was taken for work that was not done.
///
/// `cost`: at most what was taken.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_refund(
    counter: *const fb_sliding_counter,
    cost: u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(counter, cost, clock::monotonic()) })
}

/// fb_sliding_counter_refund at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_sliding_counter_refund. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_refund_at(
    counter: *const fb_sliding_counter,
    cost: u32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(counter, cost, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `counter` is null or a live handle; `available` is null or valid for a write.
unsafe fn count(
    counter: *const fb_sliding_counter,
    now: Nanos,
    available: *mut u32,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(available, handle::shared(counter)?.core.available(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many units could be taken at once.
///
/// `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_available(
    counter: *const fb_sliding_counter,
    available: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(counter, clock::monotonic(), available) })
}

/// fb_sliding_counter_available at a given time.
///
/// `now_ns`: the time. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_available_at(
    counter: *const fb_sliding_counter,
    now_ns: u64,
    available: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(counter, Nanos::new(now_ns), available) })
}

/// The limit as it is now.
///
/// `limit`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_limit(
    counter: *const fb_sliding_counter,
    limit: *mut u32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(limit, handle::shared(counter)?.core.limit()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes the limit of a running counter; what was taken stays taken.
///
/// `limit`: at least 1. `error`: may be NULL; names the refused setting, "limit".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_set_limit(
    counter: *const fb_sliding_counter,
    limit: u32,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(error, handle::shared(counter)?.core.set_limit(limit))
    })
}

/// Forgets what was taken.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_counter_reset(counter: *const fb_sliding_counter) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        unsafe { handle::shared(counter) }?.core.reset();
        Ok(fb_status::FB_OK)
    })
}
