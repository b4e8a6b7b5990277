//! A breaker's state and counters, for logs and metrics.

use crate::boundary::entry;
use crate::breaker::fb_breaker;
#[cfg(feature = "std")]
use crate::clock;
use crate::config::fb_breaker_config;
use crate::handle::{self, LeadingSize};
use crate::status::{self, fb_state, fb_status};
use fuseboard_core::{Nanos, Snapshot};

/// A breaker at one moment. Set struct_size before the call. Later versions add members at the end
/// only.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fb_snapshot {
    /// sizeof(fb_snapshot), set by the caller.
    pub struct_size: usize,
    /// When the state began; in half-open, when the last probe was admitted.
    pub since_ns: u64,
    /// How long until a call can be admitted; 0 where one can be now; FB_RETRY_UNKNOWN where time
    /// alone does not decide.
    pub retry_after_ns: u64,
    /// Calls in the window.
    pub window_calls: u64,
    /// Of these, failed.
    pub window_failures: u64,
    /// Of these, slow.
    pub window_slow: u64,
    /// Calls since the breaker was made.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Of these, slow.
    pub slow: u64,
    /// Requests rejected since the breaker was made.
    pub rejected: u64,
    /// Calls settled as ignored or cancelled since the breaker was made.
    pub ignored: u64,
    /// The state.
    pub state: fb_state,
    /// Counts state changes, modulo 2^28.
    pub generation: u32,
    /// Openings in a row before this one.
    pub openings: u32,
    /// Probes in flight; 0 unless half-open.
    pub in_flight: u32,
    /// Probes of this round that succeeded; 0 unless half-open.
    pub probe_successes: u32,
    /// Probes of this round that failed; 0 unless half-open.
    pub probe_failures: u32,
    /// Calls in flight for longer than slow_call_duration_ns; 0 unless count_overdue is on.
    pub overdue: u64,
}

// SAFETY: `repr(C)`, and `struct_size` stands first.
unsafe impl LeadingSize for fb_snapshot {}

impl fb_snapshot {
    fn new(snapshot: &Snapshot, retry_after_ns: u64) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            since_ns: snapshot.since.get(),
            retry_after_ns,
            window_calls: snapshot.window.calls,
            window_failures: snapshot.window.failures,
            window_slow: snapshot.window.slow,
            calls: snapshot.totals.calls,
            failures: snapshot.totals.failures,
            slow: snapshot.totals.slow,
            rejected: snapshot.totals.rejected,
            ignored: snapshot.totals.ignored,
            state: snapshot.state.into(),
            generation: snapshot.generation,
            openings: snapshot.openings,
            in_flight: snapshot.in_flight,
            probe_successes: snapshot.probe_successes,
            probe_failures: snapshot.probe_failures,
            overdue: snapshot.overdue,
        }
    }
}

/// # Safety
///
/// `breaker` is null or a live handle; `snapshot` is null, or starts with a readable size and is
/// writable for as many bytes.
unsafe fn snapshot_into(
    breaker: *const fb_breaker,
    now: Nanos,
    snapshot: *mut fb_snapshot,
) -> Result<fb_status, fb_status> {
    // SAFETY: the caller's promises are the same.
    unsafe {
        let breaker = handle::shared(breaker)?;
        handle::sized(snapshot)?;
        // The core's `None` says both "now" and "nobody knows"; the decision tells them apart.
        let words = breaker.words()?;
        let (_, retry_after_ns) = status::decided(words.check(now));
        handle::write(
            snapshot,
            fb_snapshot::new(&words.snapshot(now), retry_after_ns),
        )?;
    }
    Ok(fb_status::FB_OK)
}

/// The settings that a breaker runs with: one made of them decides alike.
///
/// `config`: written; what was left to a default is written out. `struct_size`:
/// sizeof(fb_breaker_config).
/// Returns: FB_OK; FB_FULL; FB_EINVAL; FB_ESIZE when the header does not fit the library, then nothing
/// is written. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_read_config(
    breaker: *const fb_breaker,
    config: *mut fb_breaker_config,
    struct_size: usize,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        let words = handle::shared(breaker)?.words()?;
        handle::usable(config)?;
        if struct_size != size_of::<fb_breaker_config>() {
            return Err(fb_status::FB_ESIZE);
        }
        handle::write(config, fb_breaker_config::of(&words.config()))?;
        Ok(fb_status::FB_OK)
    })
}

/// Reads state and counters; disturbs no decision.
///
/// `snapshot`: its struct_size must be set; the rest is written.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[cfg(feature = "std")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_snapshot(
    breaker: *const fb_breaker,
    snapshot: *mut fb_snapshot,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { snapshot_into(breaker, clock::monotonic(), snapshot) })
}

/// fb_breaker_snapshot at a given time.
///
/// `now_ns`: the time. The rest, and Returns: as fb_breaker_snapshot. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_snapshot_at(
    breaker: *const fb_breaker,
    now_ns: u64,
    snapshot: *mut fb_snapshot,
) -> fb_status {
    // SAFETY: the contract of the header is the one asked for.
    entry(|| unsafe { snapshot_into(breaker, Nanos::new(now_ns), snapshot) })
}
