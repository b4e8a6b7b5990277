//! Turns now or later, and giving them back.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::handle;
use crate::leaky_bucket::fb_leaky_bucket;
use crate::reservation::{self, fb_reservation};
use crate::status::fb_status;
use fuseboard_core::Nanos;

/// # Safety
///
/// `bucket` is null or a live handle; the others are null or valid for a write.
unsafe fn reserve(
    bucket: *const fb_leaky_bucket,
    cost: u64,
    max_wait_ns: u64,
    now: Nanos,
    reservation: *mut fb_reservation,
    wait_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        let decision = bucket.core.reserve_many(cost, Nanos::new(max_wait_ns), now);
        reservation::give(reservation, wait_ns, decision)
    }
}

/// Takes the next `cost` turns, all or none, now or later: the caller waits for `wait_ns` and then
/// goes on.
///
/// `cost`: turns, usually 1. `max_wait_ns`: the longest wait that is accepted; UINT64_MAX: any.
/// `reservation`: may be NULL; what fb_leaky_bucket_cancel takes. `wait_ns`: with FB_OK how long to
/// wait until the first turn; else as retry_after_ns, until the wait is no longer than
/// `max_wait_ns`.
/// Returns: FB_OK; FB_LIMITED when too many wait; FB_NEVER when `cost` is more than the queue can
/// hold; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_leaky_bucket_reserve(
    bucket: *const fb_leaky_bucket,
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

/// fb_leaky_bucket_reserve at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_leaky_bucket_reserve. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_leaky_bucket_reserve_at(
    bucket: *const fb_leaky_bucket,
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
    bucket: *const fb_leaky_bucket,
    reservation: *mut fb_reservation,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let bucket = handle::shared(bucket)?;
        bucket.core.cancel(reservation::take(reservation)?, now);
    }
    Ok(fb_status::FB_OK)
}

/// Gives turns back that will not be used, and clears the reservation; those behind it keep theirs.
///
/// `reservation`: from fb_leaky_bucket_reserve of this bucket.
/// Returns: FB_OK; FB_STALE when it was cleared before; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_leaky_bucket_cancel(
    bucket: *const fb_leaky_bucket,
    reservation: *mut fb_reservation,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_up(bucket, reservation, clock::monotonic()) })
}

/// fb_leaky_bucket_cancel at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_leaky_bucket_cancel. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_leaky_bucket_cancel_at(
    bucket: *const fb_leaky_bucket,
    reservation: *mut fb_reservation,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { give_up(bucket, reservation, Nanos::new(now_ns)) })
}
