//! Taking units that have not flowed in yet, and what is left of them.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::handle;
use crate::reservation::{self, fb_reservation};
use crate::status::fb_status;
use crate::token_bucket::fb_token_bucket;
use fuseboard_core::Nanos;

/// # Safety
///
/// `bucket` is null or a live handle; the others are null or valid for a write.
unsafe fn reserve(
    bucket: *const fb_token_bucket,
    cost: u64,
    max_wait_ns: u64,
    now: Nanos,
    reservation: *mut fb_reservation,
    wait_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        let decision = bucket.words()?.reserve(cost, Nanos::new(max_wait_ns), now);
        reservation::give(reservation, wait_ns, decision)
    }
}

/// Takes `cost` units, all or none, now or later: the caller waits for `wait_ns` and then goes on.
///
/// `cost`: units, usually 1. `max_wait_ns`: the longest wait that is accepted; UINT64_MAX: any.
/// `reservation`: may be NULL; what fb_token_bucket_cancel takes. `wait_ns`: with FB_OK how long to
/// wait until all units have flowed in; else as retry_after_ns, until the wait is no longer than
/// `max_wait_ns`.
/// Returns: FB_OK; FB_LIMITED when the wait is too long; FB_NEVER when `cost` is more than the
/// burst; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_reserve(
    bucket: *const fb_token_bucket,
    cost: u64,
    max_wait_ns: u64,
    reservation: *mut fb_reservation,
    wait_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        reserve(
            bucket,
            cost,
            max_wait_ns,
            clock::monotonic(),
            reservation,
            wait_ns,
        )
    })
}

/// fb_token_bucket_reserve at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_bucket_reserve. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_reserve_at(
    bucket: *const fb_token_bucket,
    cost: u64,
    max_wait_ns: u64,
    now_ns: u64,
    reservation: *mut fb_reservation,
    wait_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        reserve(
            bucket,
            cost,
            max_wait_ns,
            Nanos::new(now_ns),
            reservation,
            wait_ns,
        )
    })
}

/// # Safety
///
/// `bucket` is null or a live handle; `reservation` is null or an initialised reservation.
unsafe fn give_up(
    bucket: *const fb_token_bucket,
    reservation: *mut fb_reservation,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        bucket.words()?.cancel(reservation::take(reservation)?, now);
    }
    Ok(fb_status::FB_OK)
}

/// Gives back units that will not be used, and clears the reservation; others keep their turn.
///
/// `reservation`: from fb_token_bucket_reserve of this bucket.
/// Returns: FB_OK; FB_STALE when it was cleared before; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_cancel(
    bucket: *const fb_token_bucket,
    reservation: *mut fb_reservation,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_up(bucket, reservation, clock::monotonic()) })
}

/// fb_token_bucket_cancel at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_bucket_cancel. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_cancel_at(
    bucket: *const fb_token_bucket,
    reservation: *mut fb_reservation,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_up(bucket, reservation, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `bucket` is null or a live handle; `taken` is null or valid for a write.
unsafe fn take_what_is_there(
    bucket: *const fb_token_bucket,
    most: u64,
    now: Nanos,
    taken: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        // First, so that nothing is taken that nobody learns of.
        handle::write(taken, 0)?;
        handle::write(taken, bucket.words()?.try_acquire_up_to(most, now))?;
    }
    Ok(fb_status::FB_OK)
}

/// Takes as many units as are there, up to `most`: for work that can be cut.
///
/// `taken`: written; 0 to `most`.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_acquire_up_to(
    bucket: *const fb_token_bucket,
    most: u64,
    taken: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take_what_is_there(bucket, most, clock::monotonic(), taken) })
}

/// fb_token_bucket_acquire_up_to at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_token_bucket_acquire_up_to. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_acquire_up_to_at(
    bucket: *const fb_token_bucket,
    most: u64,
    now_ns: u64,
    taken: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take_what_is_there(bucket, most, Nanos::new(now_ns), taken) })
}

/// # Safety
///
/// `bucket` is null or a live handle.
unsafe fn empty(bucket: *const fb_token_bucket, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(bucket) }?.words()?.drain(now);
    Ok(fb_status::FB_OK)
}

/// Empties the bucket: the first unit comes after one interval. For a backend that says that it has
/// too much to do.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_drain(bucket: *const fb_token_bucket) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { empty(bucket, clock::monotonic()) })
}

/// fb_token_bucket_drain at a given time.
///
/// `now_ns`: the time. Returns: as fb_token_bucket_drain. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_token_bucket_drain_at(
    bucket: *const fb_token_bucket,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { empty(bucket, Nanos::new(now_ns)) })
}
