//! fb_latency_counts: what a histogram held at one moment, as plain numbers.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::breaker::fb_breaker;
use crate::config::share;
use crate::handle::{self, LeadingSize};
use crate::latency::fb_latency_histogram;
use crate::status::fb_status;
use fuseboard_core::{LatencySnapshot, Nanos};

/// Buckets of a histogram of latencies.
pub const FB_LATENCY_BUCKETS: usize = 256;

/// What a histogram held at one moment. Set struct_size before the call. The buckets are those of
/// OpenTelemetry's exponential histogram at scale 3 in nanoseconds, the first of index 80, with
/// `short_calls` as the zero count and 1024 ns as the zero threshold. It has 2 KiB, and functions that
/// work with it need some 8 KiB of stack.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_latency_counts {
    /// sizeof(fb_latency_counts), set by the caller.
    pub struct_size: usize,
    /// Calls of at most 1024 ns.
    pub short_calls: u64,
    /// Calls in each bucket; fb_latency_bucket_bounds tells its bounds.
    pub buckets: [u64; FB_LATENCY_BUCKETS],
}

// SAFETY: `repr(C)`, and `struct_size` stands first.
unsafe impl LeadingSize for fb_latency_counts {}

/// Writes what was counted.
///
/// # Safety
///
/// `counts` is null, or starts with a readable size and is writable for as many bytes.
unsafe fn give(
    counts: *mut fb_latency_counts,
    seen: &LatencySnapshot,
) -> Result<fb_status, fb_status> {
    let given = fb_latency_counts {
        struct_size: size_of::<fb_latency_counts>(),
        short_calls: seen.short(),
        buckets: *seen.bucket_counts(),
    };
    // SAFETY: the caller's promise is the same.
    unsafe { handle::write(counts, given) }?;
    Ok(fb_status::FB_OK)
}

/// What the caller holds.
///
/// # Safety
///
/// `counts` is null, or starts with a readable size and is readable for as many bytes.
unsafe fn take(counts: *const fb_latency_counts) -> Result<LatencySnapshot, fb_status> {
    // SAFETY: the caller's promise is the same.
    let counts = unsafe {
        handle::sized(counts)?;
        handle::shared(counts)?
    };
    Ok(LatencySnapshot::from_counts(
        counts.short_calls,
        counts.buckets,
    ))
}

/// All that a histogram has counted.
///
/// `counts`: its struct_size must be set; the rest is written.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_histogram_read(
    histogram: *const fb_latency_histogram,
    counts: *mut fb_latency_counts,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let histogram = handle::shared(histogram)?;
        handle::sized(counts)?;
        give(counts, &histogram.core.snapshot())
    })
}

/// How long calls of a breaker took that ended in success or failure since record_latency is on; of
/// one on a board those of all processes.
///
/// `counts`: as for fb_latency_histogram_read.
/// Returns: FB_OK; FB_STALE when it is not recorded, then nothing is written; FB_EINVAL; FB_ESIZE.
/// Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_latency(
    breaker: *const fb_breaker,
    counts: *mut fb_latency_counts,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let breaker = handle::shared(breaker)?;
        handle::sized(counts)?;
        match breaker.latency() {
            Some(seen) => give(counts, &seen),
            None => Ok(fb_status::FB_STALE),
        }
    })
}

/// What was counted between two readings of one histogram.
///
/// `later`, `earlier`: the readings. `counts`: its struct_size must be set; the rest is written; it may
/// be one of the two.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_counts_since(
    later: *const fb_latency_counts,
    earlier: *const fb_latency_counts,
    counts: *mut fb_latency_counts,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let between = take(later)?.since(&take(earlier)?);
        handle::sized(counts)?;
        give(counts, &between)
    })
}

/// fb_latency_histogram_quantile of a reading.
///
/// `counts`: the reading. The rest, and Returns: as there; also FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_counts_quantile(
    counts: *const fb_latency_counts,
    share_ppm: u32,
    latency_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { quantile(&take(counts)?, share_ppm, latency_ns) })
}

/// The quantile of what was counted.
///
/// # Safety
///
/// `latency_ns` is null or valid for a write.
pub(crate) unsafe fn quantile(
    seen: &LatencySnapshot,
    share_ppm: u32,
    latency_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    if share_ppm > 1_000_000 {
        return Err(fb_status::FB_EINVAL);
    }
    let latency = seen.quantile(share(share_ppm));
    // SAFETY: the caller's promise is the same.
    unsafe { handle::write(latency_ns, latency.map_or(0, Nanos::get)) }?;
    Ok(match latency {
        Some(_) => fb_status::FB_OK,
        None => fb_status::FB_STALE,
    })
}

/// fb_latency_histogram_totals of a reading.
///
/// `counts`: the reading. The rest, and Returns: as there; also FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_counts_totals(
    counts: *const fb_latency_counts,
    calls: *mut u64,
    sum_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe { totals(&take(counts)?, calls, sum_ns) })
}

/// Number and sum of what was counted.
///
/// # Safety
///
/// `calls` and `sum_ns` are null or valid for a write.
pub(crate) unsafe fn totals(
    seen: &LatencySnapshot,
    calls: *mut u64,
    sum_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe {
        handle::write_if_wanted(calls, seen.count())?;
        handle::write_if_wanted(sum_ns, seen.sum().get())?;
    }
    Ok(fb_status::FB_OK)
}

/// Which calls a bucket is for: longer than `above_ns`, and not longer than `up_to_ns`; the last one
/// has the longer ones too.
///
/// `index`: below FB_LATENCY_BUCKETS. `above_ns`, `up_to_ns`: written.
/// Returns: FB_OK; FB_EINVAL, also for an index that is no bucket's. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_latency_bucket_bounds(
    index: usize,
    above_ns: *mut u64,
    up_to_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        if index >= FB_LATENCY_BUCKETS {
            return Err(fb_status::FB_EINVAL);
        }
        let (above, up_to) = LatencySnapshot::bounds(index);
        handle::write(above_ns, above.get())?;
        handle::write(up_to_ns, up_to.get())?;
        Ok(fb_status::FB_OK)
    })
}
