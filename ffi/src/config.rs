//! The breaker's settings as a plain struct that can grow at its end.

use crate::boundary::entry;
use crate::error::{self, Refused, fb_error};
use crate::handle::{self, LeadingSize};
use crate::status::fb_status;
use fuseboard_core::{CircuitBreakerConfig, Nanos, Window};

/// The span of calls that a breaker judges.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum fb_window {
    /// The last window_ns, in window_slots pieces.
    FB_WINDOW_TIME = 0,
    /// The last window_calls calls.
    FB_WINDOW_COUNT = 1,
    /// Trips after window_calls failures in a row; the thresholds and minimum_requests do not
    /// apply.
    FB_WINDOW_CONSECUTIVE = 2,
    /// All calls, an old one weighing half as much as one that is window_ns younger.
    FB_WINDOW_DECAY = 3,
}

/// Settings of a breaker. Fill it with fb_breaker_config_init, then change what you need: a struct
/// that was not initialised is refused. Later versions add members at the end only.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct fb_breaker_config {
    /// sizeof(fb_breaker_config), set by fb_breaker_config_init.
    pub struct_size: usize,
    /// Calls below which nothing is judged; 1 to 1000000; default 20.
    pub minimum_requests: u64,
    /// How long the breaker stays open; at least 1; default 30 s.
    pub open_timeout_ns: u64,
    /// The longest open time that back-off may reach; at least 1; default 600 s.
    pub open_timeout_max_ns: u64,
    /// FB_WINDOW_TIME: the span judged; at least 10 us for each slot; default 10 s.
    pub window_ns: u64,
    /// A call is slow when it took longer than this; 0 is off, the default.
    pub slow_call_duration_ns: u64,
    /// If no probe place is free this long after the last one was given, the missing probes are
    /// lost and a new round starts; 0, the default: as long as open_timeout_ns.
    pub probe_lease_ns: u64,
    /// After closing, the admitted share rises from a tenth to all over this time; 0 is off, the
    /// default.
    pub ramp_up_ns: u64,
    /// Where the jitter's draws start; give each breaker its own; default 0.
    pub jitter_seed: u64,
    /// Trips when this share of the calls failed; 1 to 1000000; default 500000.
    pub failure_threshold_ppm: u32,
    /// Trips when this share of the calls was slow; 1 to 1000000; default 1000000.
    pub slow_call_threshold_ppm: u32,
    /// An fb_window; default FB_WINDOW_TIME. It cannot change later.
    pub window_kind: i32,
    /// FB_WINDOW_TIME: pieces, 1 to 10; default 10.
    pub window_slots: u32,
    /// FB_WINDOW_COUNT: 1 to 240. FB_WINDOW_CONSECUTIVE: 1 to 100000. Default 100.
    pub window_calls: u32,
    /// Probes in flight at once in half-open; 1 to 511; default 3.
    pub half_open_requests: u32,
    /// Successful probes that close the breaker; up to 511; 0, the default: as many as
    /// half_open_requests.
    pub half_open_successes: u32,
    /// Failed probes tolerated in a round; 0 to 510; at 0, the default, the first one re-opens.
    pub half_open_failures: u32,
    /// Each opening in a row lasts this many times as long as the one before; 1000000 to 100000000
    /// (1 to 100 times); default 1000000.
    pub open_backoff_ppm: u32,
    /// Lengthens each open time by up to this share of it; 0 to 1000000; default 0.
    pub open_jitter_ppm: u32,
    /// 1: calls in flight for longer than slow_call_duration_ns count as slow before they end; needs a window of time
    /// at least one slot longer than that. 0 is off, the default. It cannot change later.
    pub count_overdue: u32,
    /// 1: counts how long each call takes, for fb_breaker_latency, at the price of one addition a call; on a board for all processes.
    /// 0 is off, the default. Not in memory of the program, and a breaker of this process cannot begin with it later.
    pub record_latency: u32,
}

// SAFETY: `repr(C)`, and `struct_size` stands first.
unsafe impl LeadingSize for fb_breaker_config {}

impl fb_breaker_config {
    /// The defaults of `CircuitBreakerConfig::new`; a test compares them.
    const DEFAULT: Self = Self {
        struct_size: size_of::<Self>(),
        minimum_requests: 20,
        open_timeout_ns: 30_000_000_000,
        open_timeout_max_ns: 600_000_000_000,
        window_ns: 10_000_000_000,
        slow_call_duration_ns: 0,
        probe_lease_ns: 0,
        ramp_up_ns: 0,
        jitter_seed: 0,
        failure_threshold_ppm: 500_000,
        slow_call_threshold_ppm: 1_000_000,
        window_kind: fb_window::FB_WINDOW_TIME as i32,
        window_slots: 10,
        window_calls: 100,
        half_open_requests: 3,
        half_open_successes: 0,
        half_open_failures: 0,
        open_backoff_ppm: 1_000_000,
        open_jitter_ppm: 0,
        count_overdue: 0,
        record_latency: 0,
    };

    fn window(&self) -> Result<Window, Refused<'static>> {
        const TIME: i32 = fb_window::FB_WINDOW_TIME as i32;
        const COUNT: i32 = fb_window::FB_WINDOW_COUNT as i32;
        const CONSECUTIVE: i32 = fb_window::FB_WINDOW_CONSECUTIVE as i32;
        const DECAY: i32 = fb_window::FB_WINDOW_DECAY as i32;
        match self.window_kind {
            TIME => Ok(Window::Time {
                length: Nanos::new(self.window_ns),
                slots: self.window_slots,
            }),
            COUNT => Ok(Window::Count(self.window_calls)),
            CONSECUTIVE => Ok(Window::Consecutive(self.window_calls)),
            DECAY => Ok(Window::Decay {
                half_life: Nanos::new(self.window_ns),
            }),
            unknown => Err(Refused::Member {
                field: "window_kind",
                given: i64::from(unknown),
                allowed: "FB_WINDOW_TIME (0), FB_WINDOW_COUNT (1), FB_WINDOW_CONSECUTIVE (2), \
                          FB_WINDOW_DECAY (3)",
            }),
        }
    }

    /// What a running breaker was made or configured with.
    pub(crate) fn of(core: &CircuitBreakerConfig) -> Self {
        let (window_kind, window_ns, window_slots, window_calls) = match core.window {
            Window::Time { length, slots } => (
                fb_window::FB_WINDOW_TIME,
                length.get(),
                slots,
                Self::DEFAULT.window_calls,
            ),
            Window::Decay { half_life } => {
                let Self {
                    window_slots,
                    window_calls,
                    ..
                } = Self::DEFAULT;
                (
                    fb_window::FB_WINDOW_DECAY,
                    half_life.get(),
                    window_slots,
                    window_calls,
                )
            }
            Window::Count(calls) => {
                let Self {
                    window_ns,
                    window_slots,
                    ..
                } = Self::DEFAULT;
                (fb_window::FB_WINDOW_COUNT, window_ns, window_slots, calls)
            }
            Window::Consecutive(calls) => {
                let Self {
                    window_ns,
                    window_slots,
                    ..
                } = Self::DEFAULT;
                (
                    fb_window::FB_WINDOW_CONSECUTIVE,
                    window_ns,
                    window_slots,
                    calls,
                )
            }
        };
        let nanos = |time: Option<Nanos>| time.map_or(0, Nanos::get);
        Self {
            struct_size: size_of::<Self>(),
            minimum_requests: core.minimum_requests,
            open_timeout_ns: core.open_timeout.get(),
            open_timeout_max_ns: core.open_timeout_max.get(),
            window_ns,
            slow_call_duration_ns: nanos(core.slow_call_duration),
            probe_lease_ns: nanos(core.probe_lease),
            ramp_up_ns: core.ramp_up.get(),
            jitter_seed: core.jitter_seed,
            failure_threshold_ppm: ppm(core.failure_threshold),
            slow_call_threshold_ppm: ppm(core.slow_call_threshold),
            window_kind: window_kind as i32,
            window_slots,
            window_calls,
            half_open_requests: core.half_open_requests,
            half_open_successes: core.half_open_successes.unwrap_or(0),
            half_open_failures: core.half_open_failures,
            open_backoff_ppm: ppm(core.open_backoff),
            open_jitter_ppm: ppm(core.open_jitter),
            count_overdue: core.count_overdue.into(),
            record_latency: core.record_latency.into(),
        }
    }

    fn core(&self) -> Result<CircuitBreakerConfig, Refused<'static>> {
        for (field, given) in [
            ("count_overdue", self.count_overdue),
            ("record_latency", self.record_latency),
        ] {
            if given > 1 {
                return Err(Refused::Member {
                    field,
                    given: i64::from(given),
                    allowed: "0 (off) or 1 (on)",
                });
            }
        }
        Ok(CircuitBreakerConfig::new()
            .failure_threshold(share(self.failure_threshold_ppm))
            .minimum_requests(self.minimum_requests)
            .open_timeout(Nanos::new(self.open_timeout_ns))
            .half_open_requests(self.half_open_requests)
            .window(self.window()?)
            .slow_call_duration(unless_zero(self.slow_call_duration_ns).map(Nanos::new))
            .slow_call_threshold(share(self.slow_call_threshold_ppm))
            .count_overdue(self.count_overdue == 1)
            .half_open_successes(unless_zero(self.half_open_successes))
            .half_open_failures(self.half_open_failures)
            .probe_lease(unless_zero(self.probe_lease_ns).map(Nanos::new))
            .open_backoff(share(self.open_backoff_ppm))
            .open_timeout_max(Nanos::new(self.open_timeout_max_ns))
            .open_jitter(share(self.open_jitter_ppm))
            .jitter_seed(self.jitter_seed)
            .ramp_up(Nanos::new(self.ramp_up_ns))
            .record_latency(self.record_latency == 1))
    }
}

/// Of a breaker that has no place for a histogram.
pub(crate) const NO_ROOM_FOR_LATENCY: Refused<'static> = Refused::Member {
    field: "record_latency",
    given: 1,
    allowed: "0 here; give it to fb_breaker_new, or record with an fb_latency_histogram beside the breaker",
};

/// The core takes shares as decimals and keeps millionths, so the way there and back is exact.
pub(crate) fn share(ppm: u32) -> f64 {
    f64::from(ppm) / 1_000_000.0
}

/// A share, or a factor, of the core's in parts per million.
pub(crate) fn ppm(share: f64) -> u32 {
    (share * 1e6 + 0.5) as u32
}

fn unless_zero<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

/// Reads the settings; a refused one goes to `error` and is answered with `FB_ECONFIG`.
///
/// # Safety
///
/// `config` is null or an initialised struct; `error` is null or valid for a write.
pub(crate) unsafe fn read(
    config: *const fb_breaker_config,
    error: *mut fb_error,
) -> Result<CircuitBreakerConfig, fb_status> {
    // SAFETY: the caller's promise is the same.
    let config = unsafe {
        handle::sized(config)?;
        handle::shared(config)?
    };
    // SAFETY: the caller's promise is the same.
    config
        .core()
        .map_err(|refused| unsafe { error::report(error, &refused) })
}

/// Fills the settings with the defaults: trips at half of at least 20 calls in 10 s, stays open for
/// 30 s, then lets 3 probes decide.
///
/// `config`: written. `struct_size`: sizeof(fb_breaker_config), which tells the library the header
/// that the program was compiled with.
/// Returns: FB_OK; FB_EINVAL; FB_ESIZE when the header does not fit the library, then nothing is
/// written. Threads: any, one per struct. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_config_init(
    config: *mut fb_breaker_config,
    struct_size: usize,
) -> fb_status {
    entry(|| {
        handle::usable(config)?;
        if struct_size != size_of::<fb_breaker_config>() {
            return Err(fb_status::FB_ESIZE);
        }
        // SAFETY: the caller says that the memory is as large as this struct.
        unsafe { handle::write(config, fb_breaker_config::DEFAULT) }?;
        Ok(fb_status::FB_OK)
    })
}

/// Checks all settings, without a breaker.
///
/// `config`: initialised. `error`: may be NULL; names the refused setting.
/// Returns: FB_OK; FB_ECONFIG; FB_EINVAL; FB_ESIZE. Threads: any. Signals: safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_breaker_config_validate(
    config: *const fb_breaker_config,
    error: *mut fb_error,
) -> fb_status {
    // SAFETY: the contract of the header: each pointer is null or valid for its type.
    entry(|| unsafe {
        error::clear(error)?;
        error::done(error, read(config, error)?.validate())
    })
}

// Last, so that the header tells of the struct first.
pub mod text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let core = fb_breaker_config::DEFAULT
            .core()
            .unwrap_or_else(|refused| panic!("{refused}"));
        assert_eq!(core, CircuitBreakerConfig::new());
    }

    #[test]
    fn every_millionth_survives_the_way_through_a_decimal() {
        for ppm in (1..=1_000_000).step_by(7) {
            assert_eq!(super::ppm(share(ppm)), ppm);
        }
    }
}
