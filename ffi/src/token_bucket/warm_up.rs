//! A token bucket that starts cold.

use crate::boundary::entry;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::fb_status;
use crate::token_bucket::fb_token_bucket;
use core::ffi::c_void;
use fuseboard_core::{Nanos, Rate, TokenBucketRateLimiter, WarmUp};

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    rate: Rate,
    burst: u64,
    warm_up: WarmUp,
    place: Place,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let made = TokenBucketRateLimiter::try_with_warm_up(rate, burst, warm_up)
            .map(fb_token_bucket::new);
        error::give(place, out, error, made)
    }
}

/// Makes a token bucket whose rate rises from a share to the whole while it is used: for a backend
/// with cold caches.
///
/// `units`, `per_ns`, `burst`: as for fb_token_bucket_new. `warm_up_ns`: how long it takes to get
/// warm, at least 1; it cools as long without a request. `cold_factor`: how many times as long each
/// unit takes at first, 1 to 1000; usual: 3. `out`: the new handle, for fb_token_bucket_free; NULL
/// unless FB_OK. `error`: may be NULL; names the refused setting, "rate", "burst", "warm_up" or
/// "cold_factor".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_new_with_warm_up(
    units: u64,
    per_ns: u64,
    burst: u64,
    warm_up_ns: u64,
    cold_factor: u32,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe {
        make(
            Rate::new(units, Nanos::new(per_ns)),
            burst,
            WarmUp::new(Nanos::new(warm_up_ns)).cold_factor(cold_factor),
            Place::Heap,
            out,
            error,
        )
    })
}

/// fb_token_bucket_new_with_warm_up in memory of the caller, as fb_token_bucket_init.
///
/// `memory`, `memory_size`: at least fb_token_bucket_size() bytes. The rest: as for
/// fb_token_bucket_new_with_warm_up.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_init_with_warm_up(
    memory: *mut c_void,
    memory_size: usize,
    units: u64,
    per_ns: u64,
    burst: u64,
    warm_up_ns: u64,
    cold_factor: u32,
    out: *mut *mut fb_token_bucket,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            Rate::new(units, Nanos::new(per_ns)),
            burst,
            WarmUp::new(Nanos::new(warm_up_ns)).cold_factor(cold_factor),
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}
