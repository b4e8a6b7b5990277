//! fb_throttle: a client rejects requests itself that its backend would refuse.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::config::{ppm, share};
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use core::ffi::c_void;
use fuseboard_core::{ClientThrottle, ClientThrottleConfig, Nanos};

/// Client-side throttling: once a backend accepts fewer than 1 / multiplier of the requests, the
/// rest is rejected here, at random.
pub struct fb_throttle {
    core: ClientThrottle,
}

/// The settings as the core takes them.
fn settings(
    multiplier_ppm: u32,
    window_ns: u64,
    minimum_requests: u32,
    seed: u64,
) -> ClientThrottleConfig {
    ClientThrottleConfig::new()
        .multiplier(share(multiplier_ppm))
        .window(Nanos::new(window_ns))
        .minimum_requests(minimum_requests)
        .seed(seed)
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    multiplier_ppm: u32,
    window_ns: u64,
    minimum_requests: u32,
    seed: u64,
    place: Place,
    out: *mut *mut fb_throttle,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let config = settings(multiplier_ppm, window_ns, minimum_requests, seed);
        error::give(
            place,
            out,
            error,
            ClientThrottle::try_new(config).map(|core| fb_throttle { core }),
        )
    }
}

/// Makes a throttle, that rejects nothing yet.
///
/// `multiplier_ppm`: requests allowed for each that is accepted, in parts per million, 1000000 to
/// 1000000000; usual: 2000000. `window_ns`: the span judged, 10 ms for each of 10 slots or more;
/// usual: 120 s. `minimum_requests`: requests in the window below which nothing is rejected; usual:
/// 10. `seed`: where its draws start; give each throttle its own. `out`: the new handle, for
/// fb_throttle_free; NULL unless FB_OK. `error`: may be NULL; names the refused setting,
/// "multiplier" or "window".
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_new(
    multiplier_ppm: u32,
    window_ns: u64,
    minimum_requests: u32,
    seed: u64,
    out: *mut *mut fb_throttle,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe {
        make(
            multiplier_ppm,
            window_ns,
            minimum_requests,
            seed,
            Place::Heap,
            out,
            error,
        )
    })
}

/// How many bytes fb_throttle_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_throttle_size() -> usize {
    handle::room::<fb_throttle>()
}

/// fb_throttle_new in memory of the caller, which stays where it is as long as the handle is used
/// and is never given to fb_throttle_free.
///
/// `memory`, `memory_size`: at least fb_throttle_size() bytes. The rest: as for fb_throttle_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_init(
    memory: *mut c_void,
    memory_size: usize,
    multiplier_ppm: u32,
    window_ns: u64,
    minimum_requests: u32,
    seed: u64,
    out: *mut *mut fb_throttle,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe {
        make(
            multiplier_ppm,
            window_ns,
            minimum_requests,
            seed,
            Place::Memory(memory, memory_size),
            out,
            error,
        )
    })
}

/// Frees a throttle.
///
/// `throttle`: from fb_throttle_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_free(throttle: *mut fb_throttle) {
    entry(|| {
        // SAFETY: from fb_throttle_new and given up, by the contract above.
        unsafe { handle::free(throttle) };
        Ok(())
    });
}

/// # Safety
///
/// `throttle` is null or a live handle.
unsafe fn ask(throttle: *const fb_throttle, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    let throttle = unsafe { handle::shared(throttle) }?;
    Ok(status::decided(throttle.core.try_acquire(now)).0)
}

/// Asks whether to send a request. One that is sent ends with fb_throttle_accepted or
/// fb_throttle_refused.
///
/// Returns: FB_OK; FB_LIMITED, then do not send it; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_try_acquire(throttle: *const fb_throttle) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { ask(throttle, clock::monotonic()) })
}

/// fb_throttle_try_acquire at a given time.
///
/// `now_ns`: the time. Returns: as fb_throttle_try_acquire. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_try_acquire_at(
    throttle: *const fb_throttle,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { ask(throttle, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `throttle` is null or a live handle.
unsafe fn tell_accepted(throttle: *const fb_throttle, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(throttle) }?.core.accepted(now);
    Ok(fb_status::FB_OK)
}

/// The backend accepted the request, whatever it answered.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_accepted(throttle: *const fb_throttle) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { tell_accepted(throttle, clock::monotonic()) })
}

/// fb_throttle_accepted at a given time.
///
/// `now_ns`: the time. Returns: as fb_throttle_accepted. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_accepted_at(
    throttle: *const fb_throttle,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { tell_accepted(throttle, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `throttle` is null or a live handle.
unsafe fn tell_refused(throttle: *const fb_throttle, now: Nanos) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    unsafe { handle::shared(throttle) }?.core.refused(now);
    Ok(fb_status::FB_OK)
}

/// The backend refused the request, because it has too much to do, or did not answer.
///
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_refused(throttle: *const fb_throttle) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { tell_refused(throttle, clock::monotonic()) })
}

/// fb_throttle_refused at a given time.
///
/// `now_ns`: the time. Returns: as fb_throttle_refused. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_refused_at(
    throttle: *const fb_throttle,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { tell_refused(throttle, Nanos::new(now_ns)) })
}

/// # Safety
///
/// `throttle` is null or a live handle; the others are null or valid for a write.
unsafe fn look(
    throttle: *const fb_throttle,
    now: Nanos,
    requests: *mut u64,
    accepts: *mut u64,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let (asked, accepted) = handle::shared(throttle)?.core.counts(now);
        handle::write_if_wanted(requests, asked)?;
        handle::write_if_wanted(accepts, accepted)?;
    }
    Ok(fb_status::FB_OK)
}

/// What the window holds.
///
/// `requests`: may be NULL; requests, those rejected here included. `accepts`: may be NULL; those
/// that the backend accepted.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_counts(
    throttle: *const fb_throttle,
    requests: *mut u64,
    accepts: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { look(throttle, clock::monotonic(), requests, accepts) })
}

/// fb_throttle_counts at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_throttle_counts. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_counts_at(
    throttle: *const fb_throttle,
    now_ns: u64,
    requests: *mut u64,
    accepts: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { look(throttle, Nanos::new(now_ns), requests, accepts) })
}

/// # Safety
///
/// `throttle` is null or a live handle; `share_ppm` is null or valid for a write.
unsafe fn rejects(
    throttle: *const fb_throttle,
    now: Nanos,
    share_ppm: *mut u32,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let share = handle::shared(throttle)?.core.rejection_share(now);
        handle::write(share_ppm, ppm(share))?;
    }
    Ok(fb_status::FB_OK)
}

/// The share of the requests that is rejected here at the moment.
///
/// `share_ppm`: written, in parts per million.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_rejection_share(
    throttle: *const fb_throttle,
    share_ppm: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { rejects(throttle, clock::monotonic(), share_ppm) })
}

/// fb_throttle_rejection_share at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_throttle_rejection_share. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_rejection_share_at(
    throttle: *const fb_throttle,
    now_ns: u64,
    share_ppm: *mut u32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { rejects(throttle, Nanos::new(now_ns), share_ppm) })
}

/// Changes the settings of a running throttle; the window cannot change.
///
/// `multiplier_ppm`, `minimum_requests`: as for fb_throttle_new. `window_ns`, `seed`: what it was
/// made with. `error`: may be NULL; names the refused setting, "multiplier" or "window".
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_throttle_configure(
    throttle: *const fb_throttle,
    multiplier_ppm: u32,
    window_ns: u64,
    minimum_requests: u32,
    seed: u64,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(
            error,
            handle::shared(throttle)?.core.configure(settings(
                multiplier_ppm,
                window_ns,
                minimum_requests,
                seed,
            )),
        )
    })
}
