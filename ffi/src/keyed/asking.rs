//! Asking for a key, and telling what to do with all of them.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle;
use crate::keyed::fb_keyed;
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{Nanos, Rate, hash_key};

impl fb_keyed {
    /// The number that stands for a key.
    ///
    /// # Safety
    ///
    /// `key` is null or points to so many bytes.
    unsafe fn number(&self, key: *const c_void, key_size: usize) -> Result<u64, fb_status> {
        handle::usable(key)?;
        // SAFETY: not null, and as long as the caller promises.
        let key = unsafe { core::slice::from_raw_parts(key.cast::<u8>(), key_size) };
        Ok(hash_key(self.seed, key))
    }
}

/// # Safety
///
/// `keyed` is null or a live handle; `key` is null or points to so many bytes; `retry_after_ns` is null or
/// valid for a write.
#[inline]
unsafe fn acquire(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let keyed = handle::shared(keyed)?;
        let number = keyed.number(key, key_size)?;
        let (status, wait) = status::decided(keyed.core.try_acquire_many(number, cost, now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes `cost` units of a key's bucket, all or none.
///
/// `key`, `key_size`: the key's bytes, such as a name without its NUL. `cost`: the request's weight,
/// usually 1. `retry_after_ns`: may be NULL; 0 with FB_OK, else how long until this request can be
/// admitted if nobody else takes the place, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED, also where the table is full and such keys are rejected; FB_NEVER when
/// `cost` is more than the burst; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_try_acquire(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        acquire(
            keyed,
            key,
            key_size,
            cost,
            clock::monotonic(),
            retry_after_ns,
        )
    })
}

/// fb_keyed_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_keyed_try_acquire. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_try_acquire_at(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        acquire(
            keyed,
            key,
            key_size,
            cost,
            Nanos::new(now_ns),
            retry_after_ns,
        )
    })
}

/// # Safety
///
/// `keyed` is null or a live handle; `key` is null or points to so many bytes.
unsafe fn give_back(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let keyed = handle::shared(keyed)?;
        let number = keyed.number(key, key_size)?;
        keyed.core.refund(number, cost, now);
    }
    Ok(fb_status::FB_OK)
}

/// Gives back what was taken of a key's bucket for work that was not done.
///
/// `key`, `key_size`: the key's bytes. `cost`: at most what was taken.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_refund(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(keyed, key, key_size, cost, clock::monotonic()) })
}

/// fb_keyed_refund at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_keyed_refund. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_refund_at(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    cost: u64,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_back(keyed, key, key_size, cost, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `keyed` is null or a live handle; `key` is null or points to so many bytes; `available` is null or valid for
/// a write.
unsafe fn count(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    now: Nanos,
    available: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let keyed = handle::shared(keyed)?;
        let number = keyed.number(key, key_size)?;
        handle::write(available, keyed.core.available(number, now))?;
    }
    Ok(fb_status::FB_OK)
}

/// How many units a key could take at once.
///
/// `key`, `key_size`: the key's bytes. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_available(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(keyed, key, key_size, clock::monotonic(), available) })
}

/// fb_keyed_available at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_keyed_available. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_available_at(
    keyed: *const fb_keyed,
    key: *const c_void,
    key_size: usize,
    now_ns: u64,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(keyed, key, key_size, Nanos::new(now_ns), available) })
}

/// # Safety
///
/// `keyed` is null or a live handle; `live` is null or valid for a write.
unsafe fn count_keys(
    keyed: *const fb_keyed,
    now: Nanos,
    live: *mut usize,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(live, handle::shared(keyed)?.core.live(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many keys have a place now, because their bucket is not full; looks at all places.
///
/// `live`: written; at most the capacity.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_live(keyed: *const fb_keyed, live: *mut usize) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count_keys(keyed, clock::monotonic(), live) })
}

/// fb_keyed_live at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_keyed_live. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_live_at(
    keyed: *const fb_keyed,
    now_ns: u64,
    live: *mut usize,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count_keys(keyed, Nanos::new(now_ns), live) })
}

/// How many places there are.
///
/// `capacity`: written; what the limiter was made with.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_capacity(
    keyed: *const fb_keyed,
    capacity: *mut usize,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(capacity, handle::shared(keyed)?.core.capacity()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// How many times a key found no place, since the limiter was made.
///
/// `overflows`: written. When it grows, the capacity is too small for the keys there are.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_overflows(
    keyed: *const fb_keyed,
    overflows: *mut u64,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(overflows, handle::shared(keyed)?.core.overflows()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes each key's rate and burst; what was taken stays taken.
///
/// `units`, `per_ns`, `burst`, `error`: as for fb_keyed_new.
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_configure(
    keyed: *const fb_keyed,
    units: u64,
    per_ns: u64,
    burst: u64,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        let rate = Rate::new(units, Nanos::new(per_ns));
        error::done(error, handle::shared(keyed)?.core.configure(rate, burst))
    })
}

/// Fills every bucket.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_keyed_reset(keyed: *const fb_keyed) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        unsafe { handle::shared(keyed) }?.core.reset();
        Ok(fb_status::FB_OK)
    })
}
