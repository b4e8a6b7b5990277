//! fb_token_lease: units taken some at a time, for one thread that asks very often.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use crate::token_bucket::fb_token_bucket;
use core::ffi::c_void;
use fuseboard_core::{Nanos, TokenLease};

/// A lease of a token bucket, for one thread: it takes a batch of units at once and hands them out
/// without touching what other threads write. Its units count as taken, so the bucket's limit
/// holds.
pub struct fb_token_lease {
    core: TokenLease<'static>,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    bucket: *const fb_token_bucket,
    batch: u64,
    lifetime_ns: u64,
    place: Place,
    out: *mut *mut fb_token_lease,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let bucket = handle::shared(bucket)?.own()?;
        let lease = bucket.lease(batch, Nanos::new(lifetime_ns));
        error::give(place, out, error, Ok(fb_token_lease { core: lease }))
    }
}

/// Makes a lease, with no units yet.
///
/// `bucket`: not of a board; it must outlive the lease. `batch`: units taken at once.
/// `lifetime_ns`: after so long they go back. `out`: the new handle, for fb_token_lease_free; NULL
/// unless FB_OK. `error`: may be NULL; nothing is refused.
/// Returns: FB_OK; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_new(
    bucket: *const fb_token_bucket,
    batch: u64,
    lifetime_ns: u64,
    out: *mut *mut fb_token_lease,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(bucket, batch, lifetime_ns, Place::Heap, out, error) })
}

/// How many bytes fb_token_lease_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_token_lease_size() -> usize {
    handle::room::<fb_token_lease>()
}

/// fb_token_lease_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_token_lease_free.
///
/// `memory`, `memory_size`: at least fb_token_lease_size() bytes. The rest: as for
/// fb_token_lease_new.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_init(
    memory: *mut c_void,
    memory_size: usize,
    bucket: *const fb_token_bucket,
    batch: u64,
    lifetime_ns: u64,
    out: *mut *mut fb_token_lease,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            bucket,
            batch,
            lifetime_ns,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a lease; its units are lost unless fb_token_lease_give_back was called.
///
/// `lease`: from fb_token_lease_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_free(lease: *mut fb_token_lease) {
    entry(|| {
        // SAFETY: from fb_token_lease_new and given up, by the contract above.
        unsafe { handle::free(lease) };
        Ok(())
    });
}

/// The lease behind a handle, which one thread has at a time; or `FB_EINVAL`.
///
/// # Safety
///
/// The pointer is null or a live handle that no other thread uses.
unsafe fn own<'a>(lease: *mut fb_token_lease) -> Result<&'a mut TokenLease<'static>, fb_status> {
    handle::usable(lease)?;
    // SAFETY: not null, aligned, and ours for the call by this function's contract.
    Ok(unsafe { &mut (*lease).core })
}

/// # Safety
///
/// `lease` is null or a live handle that no other thread uses; `retry_after_ns` is null or valid
/// for a write.
#[inline]
unsafe fn take(
    lease: *mut fb_token_lease,
    cost: u64,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let (status, wait) = status::decided(own(lease)?.try_acquire_many(cost, now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes `cost` units, all or none, from the lease as far as it has them.
///
/// `cost`: the request's weight, usually 1. `retry_after_ns`: may be NULL; 0 with FB_OK, else how
/// long until this request can be admitted if nobody else takes the place, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED; FB_NEVER when `cost` is more than the burst; FB_EINVAL. Threads:
/// one. Signals: safe with a lease that only the handler uses.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_try_acquire(
    lease: *mut fb_token_lease,
    cost: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take(lease, cost, clock::monotonic(), retry_after_ns) })
}

/// fb_token_lease_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_lease_try_acquire. Threads: one. Signals:
/// safe with a lease that only the handler uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_try_acquire_at(
    lease: *mut fb_token_lease,
    cost: u64,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take(lease, cost, Nanos::new(now_ns), retry_after_ns) })
}

/// How many units the lease has left, without asking the bucket.
///
/// `left`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: one. Signals: safe with a
/// lease that only the handler uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_left(
    lease: *mut fb_token_lease,
    left: *mut u64,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(left, own(lease)?.left()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// # Safety
///
/// `lease` is null or a live handle that no other thread uses.
unsafe fn return_units(lease: *mut fb_token_lease, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { own(lease) }?.give_back(now);
    Ok(fb_status::FB_OK)
}

/// Gives the units that are left back to the bucket, less what has flowed in since.
///
/// Returns: FB_OK; FB_EINVAL. Threads: one. Signals: safe with a
/// lease that only the handler uses.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_give_back(lease: *mut fb_token_lease) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { return_units(lease, clock::monotonic()) })
}

/// fb_token_lease_give_back at a given time.
///
/// `now_ns`: the time. Returns: as fb_token_lease_give_back. Threads: one. Signals: safe with a
/// lease that only the handler uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_lease_give_back_at(
    lease: *mut fb_token_lease,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { return_units(lease, Nanos::new(now_ns)) })
}
