//! Making a breaker, on the heap or in memory of the program, and freeing it.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
#[cfg(feature = "std")]
use crate::breaker::words::{Elsewhere, Roomy};
use crate::config::{self, fb_breaker_config};
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::fb_status;
use core::ffi::c_void;
use fuseboard_core::CircuitBreaker;

/// Bytes that are enough for one breaker on every machine: for memory that is there from the start.
pub const FB_BREAKER_SIZE: usize = 1024;

const _: () = assert!(handle::room::<fb_breaker>() <= FB_BREAKER_SIZE);

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    config: *const fb_breaker_config,
    place: Place,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let settings = config::read(config, error)?;
        if settings.record_latency {
            return match place {
                #[cfg(feature = "std")]
                Place::Heap => make_roomy(config, out, error),
                Place::Memory(..) => Err(error::report(error, &config::NO_ROOM_FOR_LATENCY)),
            };
        }
        let made = CircuitBreaker::try_new(settings).map(fb_breaker::new);
        error::give(place, out, error, made)
    }
}

/// One with room for handles and latencies.
///
/// # Safety
///
/// The pointers are null, or valid for their types.
#[cfg(feature = "std")]
unsafe fn make_roomy(
    config: *const fb_breaker_config,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let settings = config::read(config, error)?;
        let roomy =
            Roomy::try_new(settings).map_err(|refused| error::report(error, &refused.into()))?;
        let roomy = Elsewhere::Roomy(handle::boxed(roomy)?);
        handle::give(Place::Heap, out, fb_breaker::elsewhere(roomy))
    }
}

/// Makes a breaker, closed.
///
/// `config`: the settings, copied; with record_latency it takes some 10 KiB instead of one. `out`: the new handle,
/// for fb_breaker_free; NULL unless FB_OK. `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_new(
    config: *const fb_breaker_config,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(config, Place::Heap, out, error) })
}

/// fb_breaker_new with room for FB_HANDLES handles, in some 10 KiB.
///
/// The parameters, and Returns: as fb_breaker_new. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_new_with_handles(
    config: *const fb_breaker_config,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { make_roomy(config, out, error) })
}

/// How many bytes fb_breaker_init needs, wherever they begin; at most FB_BREAKER_SIZE.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_breaker_size() -> usize {
    handle::room::<fb_breaker>()
}

/// fb_breaker_new in memory of the caller, which stays where it is as long as the handle is used
/// and is never given to fb_breaker_free.
///
/// `memory`, `memory_size`: at least fb_breaker_size() bytes. The rest: as for fb_breaker_new, but that record_latency is refused.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE, also when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_init(
    memory: *mut c_void,
    memory_size: usize,
    config: *const fb_breaker_config,
    out: *mut *mut fb_breaker,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe { make(config, Place::Memory(memory, memory_size), out, error) })
}

/// Frees a breaker. Permits that are still out may be thrown away; settling one is not allowed any
/// more.
///
/// `breaker`: from fb_breaker_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_free(breaker: *mut fb_breaker) {
    entry(|| {
        // SAFETY: from fb_breaker_new and given up, by the contract above.
        unsafe { handle::free(breaker) };
        Ok(())
    });
}
