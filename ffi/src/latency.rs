//! fb_latency_histogram: how long calls take, without floating point in the way.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::permit::{self, fb_permit};
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{LatencyHistogram, LatencySnapshot, Nanos};

/// A histogram of latencies: each call costs one addition. Buckets grow by a factor of 2^(1/8),
/// from 1 us to 73 min.
pub struct fb_latency_histogram {
    core: LatencyHistogram,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    place: Place,
    out: *mut *mut fb_latency_histogram,
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
            Ok(fb_latency_histogram {
                core: LatencyHistogram::new(),
            }),
        )
    }
}

/// Makes a histogram, empty.
///
/// `out`: the new handle, for fb_latency_histogram_free; NULL unless FB_OK. `error`: may be NULL; stays empty.
/// Returns: FB_OK; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_new(
    out: *mut *mut fb_latency_histogram,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(Place::Heap, out, error) })
}

/// How many bytes fb_latency_histogram_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_latency_histogram_size() -> usize {
    handle::room::<fb_latency_histogram>()
}

/// fb_latency_histogram_new in memory of the caller, which stays where it is as long as the handle
/// is used and is never given to fb_latency_histogram_free.
///
/// `memory`, `memory_size`: at least fb_latency_histogram_size() bytes. The rest: as for
/// fb_latency_histogram_new.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_init(
    memory: *mut c_void,
    memory_size: usize,
    out: *mut *mut fb_latency_histogram,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe { make(Place::Memory(memory, memory_size), out, error) })
}

/// Frees a histogram.
///
/// `histogram`: from fb_latency_histogram_new, not used by any thread any more; or NULL, then
/// nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_free(histogram: *mut fb_latency_histogram) {
    entry(|| {
        // SAFETY: from fb_latency_histogram_new and given up, by the contract above.
        unsafe { handle::free(histogram) };
        Ok(())
    });
}

/// Counts one call.
///
/// `latency_ns`: how long it took.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_record(
    histogram: *const fb_latency_histogram,
    latency_ns: u64,
) -> fb_status {
    entry(|| {
        // SAFETY: a live handle, by the contract of the header.
        let histogram = unsafe { handle::shared(histogram) }?;
        histogram.core.record(Nanos::new(latency_ns));
        Ok(fb_status::FB_OK)
    })
}

/// Counts the call of a permit, for a breaker beside which the histogram stands; one that is ignored is not counted. To be
/// called before the permit is settled, which clears it.
///
/// `permit`: as it was given. `outcome`: an fb_outcome.
/// Returns: FB_OK; FB_STALE when the permit was settled before; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_record_call(
    histogram: *const fb_latency_histogram,
    permit: *const fb_permit,
    outcome: i32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { record_call(histogram, permit, outcome, clock::monotonic()) })
}

/// fb_latency_histogram_record_call at a given time.
///
/// `now_ns`: the time at which the call ended. The rest, and Returns: as
/// fb_latency_histogram_record_call. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_record_call_at(
    histogram: *const fb_latency_histogram,
    permit: *const fb_permit,
    outcome: i32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { record_call(histogram, permit, outcome, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `histogram` is null or a live handle; `permit` is null or an initialised permit.
unsafe fn record_call(
    histogram: *const fb_latency_histogram,
    permit: *const fb_permit,
    outcome: i32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    let (histogram, permit) = unsafe { (handle::shared(histogram)?, permit::look(permit)?) };
    let outcome = status::outcome(outcome)?;
    histogram.core.record_call(permit, outcome, now);
    Ok(fb_status::FB_OK)
}

/// What was counted so far.
///
/// # Safety
///
/// `histogram` is null or a live handle.
unsafe fn seen(histogram: *const fb_latency_histogram) -> Result<LatencySnapshot, fb_status> {
    // SAFETY: the caller's promise is the same.
    Ok(unsafe { handle::shared(histogram) }?.core.snapshot())
}

/// How long that share of the calls took at most; no more than 9.1 % above the exact time.
///
/// `share_ppm`: 990000 is all but a hundredth; at most 1000000. `latency_ns`: written; 0 with
/// FB_STALE.
/// Returns: FB_OK; FB_STALE when nothing was counted; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_quantile(
    histogram: *const fb_latency_histogram,
    share_ppm: u32,
    latency_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { counts::quantile(&seen(histogram)?, share_ppm, latency_ns) })
}

/// How many calls were counted, and what they took together.
///
/// `calls`: may be NULL; written. `sum_ns`: may be NULL; written; at most 4.6 % off.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_totals(
    histogram: *const fb_latency_histogram,
    calls: *mut u64,
    sum_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { counts::totals(&seen(histogram)?, calls, sum_ns) })
}

// Last, so that the header tells of counting first.
pub mod counts;
