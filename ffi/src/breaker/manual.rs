//! An operator's verbs, the same in every language: force_open, disable, metrics_only, reset,
//! configure.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
use crate::breaker::words::Words;
#[cfg(feature = "std")]
use crate::clock;
use crate::config::{self, fb_breaker_config};
use crate::error::{self, fb_error};
use crate::handle;
use crate::status::fb_status;
use fuseboard_core::Nanos;

/// # Safety
///
/// `breaker` is null or a live handle.
unsafe fn operate<'a>(
    breaker: *const fb_breaker,
    now: Nanos,
    verb: impl FnOnce(Words<'a>, Nanos, &fb_breaker),
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promise is the same.
    let breaker = unsafe { handle::shared(breaker) }?;
    verb(breaker.words()?, now, breaker);
    Ok(fb_status::FB_OK)
}

/// Holds the breaker open until fb_breaker_reset. Permits that are out count for nothing.
///
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_force_open(breaker: *const fb_breaker) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, clock::monotonic(), Words::force_open) })
}

/// fb_breaker_force_open at a given time.
///
/// `now_ns`: the time. Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_force_open_at(
    breaker: *const fb_breaker,
    now_ns: u64,
) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, Nanos::new(now_ns), Words::force_open) })
}

/// Holds the breaker open until a moment; then it probes as after any opening. Permits that are out
/// count for nothing.
///
/// `until_ns`: by the breaker's clock, not from now on.
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_force_open_until(
    breaker: *const fb_breaker,
    until_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        operate(breaker, clock::monotonic(), |words, now, listeners| {
            words.force_open_until(Nanos::new(until_ns), now, listeners);
        })
    })
}

/// fb_breaker_force_open_until at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_force_open_until. Threads: any.
/// Signals: safe if the transition function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_force_open_until_at(
    breaker: *const fb_breaker,
    until_ns: u64,
    now_ns: u64,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe {
        operate(breaker, Nanos::new(now_ns), |words, now, listeners| {
            words.force_open_until(Nanos::new(until_ns), now, listeners);
        })
    })
}

/// Lets every call pass and counts nothing, until fb_breaker_reset. Permits that are out count for
/// nothing.
///
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_disable(breaker: *const fb_breaker) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, clock::monotonic(), Words::disable) })
}

/// fb_breaker_disable at a given time.
///
/// `now_ns`: the time. Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_disable_at(
    breaker: *const fb_breaker,
    now_ns: u64,
) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, Nanos::new(now_ns), Words::disable) })
}

/// Lets every call pass and counts it, until fb_breaker_reset. Permits that are out count for
/// nothing.
///
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_metrics_only(breaker: *const fb_breaker) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, clock::monotonic(), Words::metrics_only) })
}

/// fb_breaker_metrics_only at a given time.
///
/// `now_ns`: the time. Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_metrics_only_at(
    breaker: *const fb_breaker,
    now_ns: u64,
) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, Nanos::new(now_ns), Words::metrics_only) })
}

/// Closes the breaker with an empty window. Permits that are out count for nothing.
///
/// Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition function is.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_reset(breaker: *const fb_breaker) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, clock::monotonic(), Words::reset) })
}

/// fb_breaker_reset at a given time.
///
/// `now_ns`: the time. Returns: FB_OK; FB_FULL; FB_EINVAL. Threads: any. Signals: safe if the transition
/// function is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_reset_at(breaker: *const fb_breaker, now_ns: u64) -> fb_status {
    // SAFETY: a live handle, by the contract of the header.
    entry(|| unsafe { operate(breaker, Nanos::new(now_ns), Words::reset) })
}

/// Changes the settings of a running breaker; state and window stay. The window's kind and size
/// cannot change. On a board the jitter's seed stays, and so does record_latency that somebody asked for.
///
/// `config`: all the settings, copied. `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG, then nothing changed; FB_EINVAL; FB_ESIZE. Threads: any. Signals:
/// safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_configure(
    breaker: *const fb_breaker,
    config: *const fb_breaker_config,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        let breaker = handle::shared(breaker)?;
        let config = config::read(config, error)?;
        if config.record_latency && !breaker.can_record_latency() {
            return Err(error::report(error, &config::NO_ROOM_FOR_LATENCY));
        }
        error::done(error, breaker.configure(config)?)
    })
}
