//! fb_codel: a queue that stands is shed from.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::fb_status;
use core::ffi::c_void;
use fuseboard_core::{CoDel, Nanos};

/// CoDel: says for each request that leaves a queue whether it is still worth serving. Once the
/// wait stays above `target_ns` for `interval_ns`, some are dropped until the queue is short again.
pub struct fb_codel {
    core: CoDel,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    target_ns: u64,
    interval_ns: u64,
    place: Place,
    out: *mut *mut fb_codel,
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
            CoDel::try_new(Nanos::new(target_ns), Nanos::new(interval_ns))
                .map(|core| fb_codel { core }),
        )
    }
}

/// Makes a CoDel, for a queue that does not stand.
///
/// `target_ns`: the wait that is fine; usual: 5 ms. `interval_ns`: for how long it may be longer,
/// more than the target; usual: 100 ms. `out`: the new handle, for fb_codel_free; NULL unless
/// FB_OK. `error`: may be NULL; names the refused setting, "target" or "interval".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_new(
    target_ns: u64,
    interval_ns: u64,
    out: *mut *mut fb_codel,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(target_ns, interval_ns, Place::Heap, out, error) })
}

/// How many bytes fb_codel_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_codel_size() -> usize {
    handle::room::<fb_codel>()
}

/// fb_codel_new in memory of the caller, which stays where it is as long as the handle is used and
/// is never given to fb_codel_free.
///
/// `memory`, `memory_size`: at least fb_codel_size() bytes. The rest: as for fb_codel_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_init(
    memory: *mut c_void,
    memory_size: usize,
    target_ns: u64,
    interval_ns: u64,
    out: *mut *mut fb_codel,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            target_ns,
            interval_ns,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a CoDel.
///
/// `codel`: from fb_codel_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_free(codel: *mut fb_codel) {
    entry(|| {
        // SAFETY: from fb_codel_new and given up, by the contract above.
        unsafe { handle::free(codel) };
        Ok(())
    });
}

/// # Safety
///
/// `codel` is null or a live handle.
unsafe fn judge(
    codel: *const fb_codel,
    enqueued_ns: u64,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    let codel = unsafe { handle::shared(codel) }?;
    Ok(if codel.core.is_served(Nanos::new(enqueued_ns), now) {
        fb_status::FB_OK
    } else {
        fb_status::FB_FULL
    })
}

/// Asks, when a request leaves the queue, whether to serve it.
///
/// `enqueued_ns`: when it came into the queue, by the same clock.
/// Returns: FB_OK; FB_FULL, then drop it; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_try_serve(codel: *const fb_codel, enqueued_ns: u64) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { judge(codel, enqueued_ns, clock::monotonic()) })
}

/// fb_codel_try_serve at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_codel_try_serve. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_try_serve_at(
    codel: *const fb_codel,
    enqueued_ns: u64,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { judge(codel, enqueued_ns, Nanos::new(now_ns)) })
}

/// Whether requests are being dropped.
///
/// `is_shedding`: written; 1 or 0.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_is_shedding(
    codel: *const fb_codel,
    is_shedding: *mut i32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe {
            handle::write(
                is_shedding,
                i32::from(handle::shared(codel)?.core.is_shedding()),
            )
        }?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes the settings of a running CoDel.
///
/// `target_ns`, `interval_ns`: as for fb_codel_new. `error`: may be NULL; names the refused
/// setting, "target" or "interval".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_codel_configure(
    codel: *const fb_codel,
    target_ns: u64,
    interval_ns: u64,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(
            error,
            handle::shared(codel)?
                .core
                .configure(Nanos::new(target_ns), Nanos::new(interval_ns)),
        )
    })
}
