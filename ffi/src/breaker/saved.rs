//! A breaker as bytes, for a program that starts again.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
#[cfg(feature = "std")]
use crate::clock;
use crate::handle;
use crate::status::fb_status;
use core::ffi::c_void;
use fuseboard_core::{Nanos, SAVED_MAX};

/// Bytes that every saved breaker fits into.
pub const FB_BREAKER_SAVED_SIZE: usize = 2048;

const _: () = assert!(SAVED_MAX <= FB_BREAKER_SAVED_SIZE);

/// # Safety
///
/// `breaker` is null or a live handle; `memory` is null or has so many bytes; `used` is null or
/// valid for a write.
unsafe fn save(
    breaker: *const fb_breaker,
    now: Nanos,
    memory: *mut c_void,
    memory_size: usize,
    used: *mut usize,
) -> Result<fb_status, fb_status> {
    handle::usable(memory)?;
    // SAFETY: the caller's promises are the same.
    unsafe {
        handle::write(used, 0)?;
        let saved = handle::shared(breaker)?.words()?.save(now);
        if memory_size < saved.len() {
            return Err(fb_status::FB_ESIZE);
        }
        memory
            .cast::<u8>()
            .copy_from_nonoverlapping(saved.as_ptr(), saved.len());
        handle::write(used, saved.len())?;
    }
    Ok(fb_status::FB_OK)
}

/// State, window and totals as bytes that fb_breaker_restore takes. Probes in flight are not kept:
/// nobody would report them.
///
/// `memory`, `memory_size`: FB_BREAKER_SAVED_SIZE bytes are enough. `used`: written; how many hold
/// the breaker.
/// Returns: FB_OK; FB_ESIZE when the memory is too small; FB_FULL; FB_EINVAL. Threads: any.
/// Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_save(
    breaker: *const fb_breaker,
    memory: *mut c_void,
    memory_size: usize,
    used: *mut usize,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { save(breaker, clock::monotonic(), memory, memory_size, used) })
}

/// fb_breaker_save at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_save. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_save_at(
    breaker: *const fb_breaker,
    now_ns: u64,
    memory: *mut c_void,
    memory_size: usize,
    used: *mut usize,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { save(breaker, Nanos::new(now_ns), memory, memory_size, used) })
}

/// # Safety
///
/// `breaker` is null or a live handle that nobody else uses; `memory` is null or has so many bytes.
unsafe fn restore(
    breaker: *mut fb_breaker,
    now: Nanos,
    away: Nanos,
    memory: *const c_void,
    memory_size: usize,
) -> Result<fb_status, fb_status> {
    handle::usable(memory)?;
    handle::usable(breaker)?;
    // SAFETY: the caller's promises are the same, and nobody else has the breaker.
    unsafe {
        let saved = core::slice::from_raw_parts(memory.cast::<u8>(), memory_size);
        (*breaker)
            .restore(saved, now, away)?
            .map_err(|_| fb_status::FB_ELAYOUT)?;
    }
    Ok(fb_status::FB_OK)
}

/// Takes over what fb_breaker_save gave, also that of another process; before other threads have
/// the breaker, and before it has handles. Permits given before are stale.
///
/// `away_ns`: the time that passed between the two, 0 where nobody knows. `memory`, `memory_size`:
/// the bytes.
/// Returns: FB_OK; FB_ELAYOUT when they were not saved by a breaker of this version with a window
/// of the same kind and size, then it is as it was; FB_EINVAL, also for one of a board. Threads:
/// one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_restore(
    breaker: *mut fb_breaker,
    away_ns: u64,
    memory: *const c_void,
    memory_size: usize,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        restore(
            breaker,
            clock::monotonic(),
            Nanos::new(away_ns),
            memory,
            memory_size,
        )
    })
}

/// fb_breaker_restore at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_restore. Threads: one. Signals: not
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_restore_at(
    breaker: *mut fb_breaker,
    now_ns: u64,
    away_ns: u64,
    memory: *const c_void,
    memory_size: usize,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        restore(
            breaker,
            Nanos::new(now_ns),
            Nanos::new(away_ns),
            memory,
            memory_size,
        )
    })
}
