//! fb_adaptive: a concurrency limit that finds itself.

use crate::boundary::entry;
#[cfg(feature = "std")]
use crate::clock;
use crate::error::{self, fb_error};
use crate::handle::{self, Place};
use crate::status::{self, fb_status};
use config::fb_adaptive_config;
use core::ffi::c_void;
use fuseboard_core::{AdaptiveLimit, Nanos, PriorityShedding, Rejected};

pub mod config;

/// An adaptive concurrency limit: it learns from latencies and failures how many calls may be in
/// flight.
pub struct fb_adaptive {
    pub(crate) core: AdaptiveLimit,
}

/// A place of an adaptive limit, with the moment at which its call began: a plain value of 16
/// bytes. All zero is one that was given back already. One that is never given back is lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct fb_adaptive_permit {
    /// Not to be read or written.
    pub opaque_: [u64; 2],
}

impl fb_adaptive_permit {
    const CLEARED: Self = Self { opaque_: [0; 2] };

    const fn started(at: Nanos) -> Self {
        Self {
            opaque_: [at.get(), 1],
        }
    }
}

/// # Safety
///
/// `place` is writable memory or the heap; the others are null or valid for a write.
unsafe fn make(
    config: *const fb_adaptive_config,
    place: Place,
    out: *mut *mut fb_adaptive,
    error: *mut fb_error,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        error::clear(error)?;
        handle::write(out, core::ptr::null_mut())?;
        let config = config::read(config, error)?;
        error::give(
            place,
            out,
            error,
            AdaptiveLimit::try_new(config).map(|core| fb_adaptive { core }),
        )
    }
}

/// Makes an adaptive limit, with nothing in flight.
///
/// `config`: the settings, copied. `out`: the new handle, for fb_adaptive_free; NULL unless FB_OK.
/// `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE; FB_ENOMEM. Threads: any. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_new(
    config: *const fb_adaptive_config,
    out: *mut *mut fb_adaptive,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, by the contract of the header.
    entry(|| unsafe { make(config, Place::Heap, out, error) })
}

/// How many bytes fb_adaptive_init needs, wherever they begin.
///
/// Returns: the number. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_adaptive_size() -> usize {
    handle::room::<fb_adaptive>()
}

/// fb_adaptive_new in memory of the caller, which stays where it is as long as the handle is used
/// and is never given to fb_adaptive_free.
///
/// `memory`, `memory_size`: at least fb_adaptive_size() bytes. The rest: as for fb_adaptive_new.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE, also when the memory is too small. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_init(
    memory: *mut c_void,
    memory_size: usize,
    config: *const fb_adaptive_config,
    out: *mut *mut fb_adaptive,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: each pointer is null or valid for its type, and the memory is as large as said, by the contract of the header.
    entry(|| unsafe { make(config, Place::Memory(memory, memory_size), out, error) })
}

/// Frees an adaptive limit.
///
/// `adaptive`: from fb_adaptive_new, not used by any thread any more; or NULL, then nothing
/// happens.
/// Returns: nothing. Threads: one. Signals: not safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_free(adaptive: *mut fb_adaptive) {
    entry(|| {
        // SAFETY: from fb_adaptive_new and given up, by the contract above.
        unsafe { handle::free(adaptive) };
        Ok(())
    });
}

/// # Safety
///
/// `adaptive` is null or a live handle; `permit` is null or valid for a write.
#[inline]
unsafe fn acquire(
    adaptive: *const fb_adaptive,
    now: Nanos,
    permit: *mut fb_adaptive_permit,
    take: impl FnOnce(&AdaptiveLimit) -> Result<(), Rejected>,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        handle::write(permit, fb_adaptive_permit::CLEARED)?;
        let decision = take(&handle::shared(adaptive)?.core);
        if decision.is_ok() {
            handle::write(permit, fb_adaptive_permit::started(now))?;
        }
        Ok(status::decided(decision).0)
    }
}

/// Takes a place for one call.
///
/// `permit`: with FB_OK the place, to be given back once with fb_adaptive_settle; else cleared.
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_try_acquire(
    adaptive: *const fb_adaptive,
    permit: *mut fb_adaptive_permit,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        acquire(
            adaptive,
            clock::monotonic(),
            permit,
            AdaptiveLimit::acquire_raw,
        )
    })
}

/// fb_adaptive_try_acquire at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_adaptive_try_acquire. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_try_acquire_at(
    adaptive: *const fb_adaptive,
    now_ns: u64,
    permit: *mut fb_adaptive_permit,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        acquire(
            adaptive,
            Nanos::new(now_ns),
            permit,
            AdaptiveLimit::acquire_raw,
        )
    })
}

/// fb_adaptive_try_acquire for a call of some importance: the less important it is, the fewer of
/// the places it may take.
///
/// `sheds_from_ppm`: the share of the places that is there for calls of priority 0, in parts per
/// million, 0 to 1000000. `priority`: 0 to 255; 255 may take every place. `permit`: as for
/// fb_adaptive_try_acquire.
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_try_acquire_prioritized(
    adaptive: *const fb_adaptive,
    sheds_from_ppm: u32,
    priority: u8,
    permit: *mut fb_adaptive_permit,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        {
            let shedding = shedding(sheds_from_ppm)?;
            acquire(adaptive, clock::monotonic(), permit, |limit| {
                limit
                    .try_acquire_prioritized(shedding, priority, clock::monotonic())
                    .map(|permit| {
                        permit.into_raw();
                    })
            })
        }
    })
}

/// fb_adaptive_try_acquire_prioritized at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_adaptive_try_acquire_prioritized. Threads: any.
/// Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_try_acquire_prioritized_at(
    adaptive: *const fb_adaptive,
    sheds_from_ppm: u32,
    priority: u8,
    now_ns: u64,
    permit: *mut fb_adaptive_permit,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        {
            let shedding = shedding(sheds_from_ppm)?;
            acquire(adaptive, Nanos::new(now_ns), permit, |limit| {
                limit
                    .try_acquire_prioritized(shedding, priority, Nanos::new(now_ns))
                    .map(|permit| {
                        permit.into_raw();
                    })
            })
        }
    })
}

/// How priorities share the places; `FB_EINVAL` for more than all of them.
pub(crate) fn shedding(sheds_from_ppm: u32) -> Result<PriorityShedding, fb_status> {
    PriorityShedding::try_new(crate::config::share(sheds_from_ppm))
        .map_err(|_| fb_status::FB_EINVAL)
}

/// # Safety
///
/// `adaptive` is null or a live handle; `permit` is null or an initialised permit.
#[inline]
unsafe fn settle(
    adaptive: *const fb_adaptive,
    permit: *mut fb_adaptive_permit,
    outcome: i32,
    now: Nanos,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let adaptive = handle::shared(adaptive)?;
        let outcome = status::outcome(outcome)?;
        handle::usable(permit)?;
        let taken = permit.replace(fb_adaptive_permit::CLEARED);
        let held = taken != fb_adaptive_permit::CLEARED
            && adaptive
                .core
                .release_raw(Nanos::new(taken.opaque_[0]), outcome, now);
        Ok(if held {
            fb_status::FB_OK
        } else {
            fb_status::FB_STALE
        })
    }
}

/// Gives a place back, tells how the call ended, and clears the permit.
///
/// `permit`: from fb_adaptive_try_acquire of this limit; one thread at a time. `outcome`: an
/// fb_outcome; FB_IGNORED: the call says nothing, also when it was never made.
/// Returns: FB_OK; FB_STALE when the permit was given back before; FB_EINVAL. Threads: any.
/// Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_settle(
    adaptive: *const fb_adaptive,
    permit: *mut fb_adaptive_permit,
    outcome: i32,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(adaptive, permit, outcome, clock::monotonic()) })
}

/// fb_adaptive_settle at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_adaptive_settle. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_settle_at(
    adaptive: *const fb_adaptive,
    permit: *mut fb_adaptive_permit,
    outcome: i32,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { settle(adaptive, permit, outcome, Nanos::new(now_ns)) })
}

/// How many calls are in flight.
///
/// `in_flight`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_in_flight(
    adaptive: *const fb_adaptive,
    in_flight: *mut u32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(in_flight, handle::shared(adaptive)?.core.in_flight()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// The limit as it is now.
///
/// `limit`: written.
/// Returns: FB_OK; FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_limit(
    adaptive: *const fb_adaptive,
    limit: *mut u32,
) -> fb_status {
    entry(|| {
        // SAFETY: the contract of the header: each pointer is null or valid for its type.
        unsafe { handle::write(limit, handle::shared(adaptive)?.core.limit()) }?;
        Ok(fb_status::FB_OK)
    })
}

/// The usual latency that the limit goes by.
///
/// `baseline_ns`: written; 0 unless FB_OK.
/// Returns: FB_OK; FB_STALE while there is none: at first, and always with FB_ALGORITHM_AIMD;
/// FB_EINVAL. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_baseline(
    adaptive: *const fb_adaptive,
    baseline_ns: *mut u64,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        handle::write(baseline_ns, 0)?;
        let Some(baseline) = handle::shared(adaptive)?.core.baseline() else {
            return Ok(fb_status::FB_STALE);
        };
        handle::write(baseline_ns, baseline.get())?;
        Ok(fb_status::FB_OK)
    })
}

/// Changes the settings of a running limit; it goes on from where it is, within the new bounds.
///
/// `config`: all the settings, copied. `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL; FB_ESIZE. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_adaptive_configure(
    adaptive: *const fb_adaptive,
    config: *const fb_adaptive_config,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        let config = config::read(config, error)?;
        error::done(error, handle::shared(adaptive)?.core.configure(config))
    })
}
