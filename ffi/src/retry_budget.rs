//! fb_retry_budget: retries for a share of the requests.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::config::share;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{Nanos, RetryBudget};

/// A retry budget: each request allows a share of a retry, so that retries can never become a
/// storm. Every request deposits, every retry withdraws.
pub struct fb_retry_budget {
    core: RetryBudget,
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    ratio_ppm: u32,
    minimum_per_second: u32,
    ttl_ns: u64,
    place: Place,
    out: *mut *mut fb_retry_budget,
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
            RetryBudget::try_new(share(ratio_ppm), minimum_per_second, Nanos::new(ttl_ns))
                .map(|core| fb_retry_budget { core }),
        )
    }
}

/// Makes a retry budget, with its free retries.
///
/// `ratio_ppm`: retries for each request, in parts per million; usual: 200000.
/// `minimum_per_second`: free retries a second, for programs with few requests; usual: 10.
/// `ttl_ns`: how long a deposit counts, 10 ms for each of 10 slots or more; usual: 10 s. `out`: the
/// new handle, for fb_retry_budget_free; NULL unless FB_OK. `error`: may be NULL; names the refused
/// setting, "ratio", "minimum_per_second" or "ttl".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_new(
    ratio_ppm: u32,
    minimum_per_second: u32,
    ttl_ns: u64,
    out: *mut *mut fb_retry_budget,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe {
        make(
            ratio_ppm,
            minimum_per_second,
            ttl_ns,
            Place::Heap,
            out,
            error,
        )
    })
}

/// How many bytes fb_retry_budget_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_retry_budget_size() -> usize {
    handle::room::<fb_retry_budget>()
}

/// fb_retry_budget_new in memory of the caller, which stays where it is as long as the handle is
/// used and is never given to fb_retry_budget_free.
///
/// `memory`, `memory_size`: at least fb_retry_budget_size() bytes. The rest: as for
/// fb_retry_budget_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_init(
    memory: *mut c_void,
    memory_size: usize,
    ratio_ppm: u32,
    minimum_per_second: u32,
    ttl_ns: u64,
    out: *mut *mut fb_retry_budget,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            ratio_ppm,
            minimum_per_second,
            ttl_ns,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a retry budget.
///
/// `budget`: from fb_retry_budget_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_free(budget: *mut fb_retry_budget) {
    entry(|| {
        // SAFETY: from fb_retry_budget_new and given up, by the contract above.
        unsafe { handle::free(budget) };
        Ok(())
    });
}

/// # Safety
///
/// `budget` is null or a live handle.
unsafe fn put_in(budget: *const fb_retry_budget, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(budget) }?.core.deposit(now);
    Ok(fb_status::FB_OK)
}

/// Counts a request, not a retry.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_deposit(budget: *const fb_retry_budget) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { put_in(budget, clock::monotonic()) })
}

/// fb_retry_budget_deposit at a given time.
///
/// `now_ns`: the time. Returns: as fb_retry_budget_deposit. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_deposit_at(
    budget: *const fb_retry_budget,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { put_in(budget, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `budget` is null or a live handle; `retry_after_ns` is null or valid for a write.
unsafe fn take_out(
    budget: *const fb_retry_budget,
    now: Nanos,
    retry_after_ns: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let (status, wait) = status::decided(handle::shared(budget)?.core.withdraw(now));
        handle::write_if_wanted(retry_after_ns, wait)?;
        Ok(status)
    }
}

/// Takes one retry.
///
/// `retry_after_ns`: may be NULL; 0 with FB_OK, else how long until a retry is free, or
/// FB_RETRY_UNKNOWN.
/// Returns: FB_OK; FB_LIMITED, then do not retry; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_withdraw(
    budget: *const fb_retry_budget,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take_out(budget, clock::monotonic(), retry_after_ns) })
}

/// fb_retry_budget_withdraw at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_retry_budget_withdraw. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_withdraw_at(
    budget: *const fb_retry_budget,
    now_ns: u64,
    retry_after_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { take_out(budget, Nanos::new(now_ns), retry_after_ns) })
}

/// # Safety
///
/// `budget` is null or a live handle; `available` is null or valid for a write.
unsafe fn count(
    budget: *const fb_retry_budget,
    now: Nanos,
    available: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe { handle::write(available, handle::shared(budget)?.core.available(now)) }?;
    Ok(fb_status::FB_OK)
}

/// How many retries could be taken at once.
///
/// `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_available(
    budget: *const fb_retry_budget,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(budget, clock::monotonic(), available) })
}

/// fb_retry_budget_available at a given time.
///
/// `now_ns`: the time. `available`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_available_at(
    budget: *const fb_retry_budget,
    now_ns: u64,
    available: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { count(budget, Nanos::new(now_ns), available) })
}

/// Changes the settings of a running budget, but for the time that a deposit counts.
///
/// `ratio_ppm`, `minimum_per_second`: as for fb_retry_budget_new. `error`: may be NULL; names the
/// refused setting, "ratio" or "minimum_per_second".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_retry_budget_configure(
    budget: *const fb_retry_budget,
    ratio_ppm: u32,
    minimum_per_second: u32,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(
            error,
            handle::shared(budget)?
                .core
                .configure(share(ratio_ppm), minimum_per_second),
        )
    })
}
