//! fb_shadow: any policy, decided and counted but never enforced.

use crate::boundary::entry;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{fb_status, reason};
use core::ffi::c_void;
use fuseboard_core::{Rejected, Shadow};

/// Lets every request pass and counts, by reason, those that a policy would have rejected: to try a setting on real
/// traffic before it can hurt.
pub struct fb_shadow {
    core: Shadow,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    place: Place,
    out: *mut *mut fb_shadow,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let core = Shadow::new();
        error::give(place, out, error, Ok(fb_shadow { core }))
    }
}

/// Makes a shadow, with nothing counted.
///
/// `out`: the new handle, for fb_shadow_free; NULL unless FB_OK. `error`: may be NULL; stays empty.
/// Returns: FB_OK; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_shadow_new(
    out: *mut *mut fb_shadow,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(Place::Heap, out, error) })
}

/// How many bytes fb_shadow_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_shadow_size() -> usize {
    handle::room::<fb_shadow>()
}

/// fb_shadow_new in memory of the caller, which stays where it is as long as the handle is used and
/// is never given to fb_shadow_free.
///
/// `memory`, `memory_size`: at least fb_shadow_size() bytes. The rest: as for fb_shadow_new.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_shadow_init(
    memory: *mut c_void,
    memory_size: usize,
    out: *mut *mut fb_shadow,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe { make(Place::Memory(memory, memory_size), out, error) })
}

/// Frees a shadow.
///
/// `shadow`: from fb_shadow_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_shadow_free(shadow: *mut fb_shadow) {
    entry(|| {
        // SAFETY: from fb_shadow_new and given up, by the contract above.
        unsafe { handle::free(shadow) };
        Ok(())
    });
}

/// Makes an admission of any decision: fb_shadow_admit(shadow, fb_breaker_try_acquire(breaker,
/// &permit, NULL)). A request that the policy would have rejected is counted, and its call made all
/// the same; its permit is cleared, so that settling it does nothing and answers FB_STALE.
///
/// `decision`: what a function answered that asks a policy.
/// Returns: FB_OK for an admission and for every rejection; a negative `decision` as it is; FB_EINVAL
/// also for a number that is no decision. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_shadow_admit(shadow: *const fb_shadow, decision: i32) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let shadow = unsafe { handle::shared(shadow) }?;
        let decision = match fb_status::of(decision).ok_or(fb_status::FB_EINVAL)? {
            fb_status::FB_OK => Ok(()),
            misuse if (misuse as i32) < 0 => return Ok(misuse),
            rejection => Err(Rejected {
                reason: reason(rejection)?,
                retry_after: None,
            }),
        };
        let _ = shadow.core.admit(decision);
        Ok(fb_status::FB_OK)
    })
}

/// How many requests would have been rejected with this answer.
///
/// `rejection`: such as FB_OPEN or FB_LIMITED. `count`: written; 0 unless FB_OK.
/// Returns: FB_OK; FB_EINVAL, also for a number that is no rejection. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_shadow_would_reject(
    shadow: *const fb_shadow,
    rejection: i32,
    count: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        handle::write(count, 0)?;
        let rejection = fb_status::of(rejection).ok_or(fb_status::FB_EINVAL)?;
        let reason = reason(rejection)?;
        handle::write(count, handle::shared(shadow)?.core.would_reject(reason))?;
        Ok(fb_status::FB_OK)
    })
}
