//! fb_sliding_log: at most so many in any window, exactly.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, Refused, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use fuseboard_core::{ConfigError, Nanos, Rejected, SlidingWindowRateLimiter};

/// The largest limit of a sliding log; it keeps 8 bytes for each admission. For larger ones use a
/// token bucket.
pub const FB_SLIDING_LOG_MAX: u32 = 4096;

/// A sliding log: at most `limit` in any span of `window_ns`, exactly.
pub struct fb_sliding_log {
    core: Box<dyn Log>,
}

/// The core's log of any capacity: C chooses the limit at run time, the core at compile time.
trait Log: Send + Sync {
    fn try_acquire_many(&self, cost: u32, now: Nanos) -> Result<(), Rejected>;
    fn available(&self, now: Nanos) -> u32;
}

impl<const N: usize> Log for SlidingWindowRateLimiter<N> {
    fn try_acquire_many(&self, cost: u32, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(cost, now)
    }

    fn available(&self, now: Nanos) -> u32 {
        self.available(now)
    }
}

/// Why there is no log.
enum Failed {
    Setting(Refused<'static>),
    Memory(fb_status),
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error.into())
    }
}

fn with_capacity<const N: usize>(limit: u32, window: Nanos) -> Result<Box<dyn Log>, Failed> {
    let log = SlidingWindowRateLimiter::<N>::try_new(limit, window)?;
    Ok(handle::boxed(log).map_err(Failed::Memory)?)
}

/// The smallest of a few capacities that holds `limit`.
fn log(limit: u32, window: Nanos) -> Result<Box<dyn Log>, Failed> {
    const LARGEST: usize = FB_SLIDING_LOG_MAX as usize;
    match limit {
        0..=16 => with_capacity::<16>(limit, window),
        17..=128 => with_capacity::<128>(limit, window),
        129..=1024 => with_capacity::<1024>(limit, window),
        1025..=FB_SLIDING_LOG_MAX => with_capacity::<LARGEST>(limit, window),
        _ => Err(Failed::Setting(Refused::Member {
            field: "limit",
            given: i64::from(limit),
            allowed: "1 to FB_SLIDING_LOG_MAX (4096); for more use a token bucket",
        })),
    }
}

#[cfg(all(feature = "config", target_os = "linux"))]
impl fb_sliding_log {
    /// `None`: it is refused, or there is no memory.
    pub(crate) fn try_new(limit: u32, window: Nanos) -> Option<Self> {
        Some(Self {
            core: log(limit, window).ok()?,
        })
    }
}

/// Makes a sliding log, empty.
///
/// `limit`: 1 to FB_SLIDING_LOG_MAX. `window_ns`: at least 1. `out`: the new handle, for
/// fb_sliding_log_free; NULL unless FB_OK. `error`: may be NULL; names the refused setting, "limit"
/// or "window".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_new(
    limit: u32,
    window_ns: u64,
    out: *mut *mut fb_sliding_log,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        handle::write(out, std::ptr::null_mut())?;
        match log(limit, Nanos::new(window_ns)) {
            Ok(core) => handle::give(Place::Heap, out, fb_sliding_log { core }),
            Err(Failed::Setting(refused)) => Err(error::report(error, &refused)),
            Err(Failed::Memory(status)) => Err(status),
        }
    })
}

/// Frees a sliding log.
///
/// `log`: from fb_sliding_log_new, not used by any thread any more; or NULL, then nothing happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_free(log: *mut fb_sliding_log) {
    entry(|| {
        // SAFETY: from fb_sliding_log_new and given up, by the contract above.
        unsafe { handle::free(log) };
        Ok(())
    });
}

/// # Safety
///
/// `log` is null or a live handle; `retry_after_ns` is null or valid for a write.
#[inline]
unsafe fn acquire(
    log: *const fb_sliding_log,
    cost: u32,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let log = handle::shared(log)?;
        let (status, wait) = status::decided(log.core.try_acquire_many(cost, now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes `cost` places, all or none.
///
/// `cost`: the request's weight, usually 1. `retry_after_ns`: may be NULL; 0 with FB_OK, else how
/// long until this request can be admitted if nobody else takes the place, or FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED; FB_NEVER when `cost` is more than the limit; FB_EINVAL. Threads: any.
/// Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_try_acquire(
    log: *const fb_sliding_log,
    cost: u32,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(log, cost, clock::monotonic(), retry_after_ns) })
}

/// fb_sliding_log_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_sliding_log_try_acquire. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_try_acquire_at(
    log: *const fb_sliding_log,
    cost: u32,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { acquire(log, cost, Nanos::new(now_ns), retry_after_ns) })
}

/// # Safety
///
/// `log` is null or a live handle; `available` is null or valid for a write.
unsafe fn count(
    log: *const fb_sliding_log,
    now: Nanos,
    available: *mut u32,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(available, handle::shared(log)?.core.available(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many places could be taken at once.
///
/// `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_available(
    log: *const fb_sliding_log,
    available: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(log, clock::monotonic(), available) })
}

/// fb_sliding_log_available at a given time.
///
/// `now_ns`: the time. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_sliding_log_available_at(
    log: *const fb_sliding_log,
    now_ns: u64,
    available: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(log, Nanos::new(now_ns), available) })
}
