//! The checks of single settings: each names its field, the value and the range.

use crate::breaker::config::Window;
use crate::breaker::rules::{
    CONSECUTIVE_MAX, DECAY_SLOTS, Geometry, Kind, OUTCOMES_PER_WORD, PPM, ROUND_MAX, SLOT_MIN,
    SLOTS_MAX, TIME_WINDOWS_ONLY, decay_steps,
};
use crate::error::ConfigError;
use crate::nanos::Nanos;

/// `?`, in a `const fn`.
macro_rules! checked {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}
pub(super) use checked;

pub(super) const fn positive(field: &'static str, span: Nanos) -> Result<Nanos, ConfigError> {
    if span.get() == 0 {
        Err(ConfigError::span(field, span, "at least 1ns"))
    } else {
        Ok(span)
    }
}

pub(super) const fn probes(field: &'static str, count: u32) -> Result<u32, ConfigError> {
    if count == 0 || count > ROUND_MAX {
        Err(ConfigError::integer(field, count as u64, "1 to 511 probes"))
    } else {
        Ok(count)
    }
}

pub(super) const fn ppm(field: &'static str, share: f64) -> Result<u32, ConfigError> {
    // A NaN fails the first comparison.
    if share > 0.0 && share <= 1.0 {
        let ppm = (share * PPM as f64 + 0.5) as u32;
        Ok(if ppm == 0 { 1 } else { ppm })
    } else {
        Err(ConfigError::decimal(field, share, "more than 0, at most 1"))
    }
}

/// What a binary built with `--cfg fuseboard_time_windows_only` allows.
const WINDOW_OF_TIME: &str = "a window of time without `count_overdue`; this binary was built with `--cfg fuseboard_time_windows_only`";

pub(super) const fn geometry(
    window: Window,
    capacity: usize,
) -> Result<(Geometry, u64), ConfigError> {
    if TIME_WINDOWS_ONLY && !matches!(window, Window::Time { .. }) {
        return Err(ConfigError::conflict(
            "window",
            "another kind",
            WINDOW_OF_TIME,
        ));
    }
    match window {
        Window::Time { length, slots } => {
            if slots == 0 || slots as usize > capacity || slots as usize > SLOTS_MAX {
                return Err(ConfigError::integer(
                    "window",
                    slots as u64,
                    "a time window has 1 to as many slots as the breaker holds (10 by default, 63 at most)",
                ));
            }
            let slot = length.get() / slots as u64;
            if slot < SLOT_MIN.get() {
                return Err(ConfigError::span(
                    "window",
                    length,
                    "a time window lasts at least 10us for each slot",
                ));
            }
            Ok((
                Geometry {
                    kind: Kind::Time,
                    size: slots,
                    slot: Nanos::new(slot),
                    counts_overdue: false,
                },
                u64::MAX,
            ))
        }
        Window::Count(calls) => {
            if calls == 0 || calls as usize > capacity * OUTCOMES_PER_WORD as usize {
                return Err(ConfigError::integer(
                    "window",
                    calls as u64,
                    "a count window keeps 1 to 24 calls for each slot of the breaker (240 by default)",
                ));
            }
            Ok((
                Geometry {
                    kind: Kind::Count,
                    size: calls,
                    slot: Nanos::ZERO,
                    counts_overdue: false,
                },
                calls as u64,
            ))
        }
        Window::Decay { half_life } => {
            let slot = half_life.get() / decay_steps(capacity) as u64;
            if slot < SLOT_MIN.get() {
                return Err(ConfigError::span(
                    "window",
                    half_life,
                    "a half-life lasts at least 10us for each of its steps",
                ));
            }
            let size = if capacity < DECAY_SLOTS {
                capacity
            } else {
                DECAY_SLOTS
            };
            Ok((
                Geometry {
                    kind: Kind::Decay,
                    size: size as u32,
                    slot: Nanos::new(slot),
                    counts_overdue: false,
                },
                u64::MAX,
            ))
        }
        Window::Consecutive(calls) => {
            if calls == 0 || calls > CONSECUTIVE_MAX {
                return Err(ConfigError::integer(
                    "window",
                    calls as u64,
                    "consecutive failures: 1 to 100000",
                ));
            }
            Ok((
                Geometry {
                    kind: Kind::Consecutive,
                    size: calls,
                    slot: Nanos::ZERO,
                    counts_overdue: false,
                },
                u64::MAX,
            ))
        }
    }
}

/// The same shape with its calls in flight counted.
pub(super) const fn counting_overdue(
    geometry: Geometry,
    slow_call_duration: Option<Nanos>,
) -> Result<Geometry, ConfigError> {
    const FIELD: &str = "count_overdue";
    let Some(limit) = slow_call_duration else {
        return Err(ConfigError::conflict(
            FIELD,
            "true without `slow_call_duration`",
            "a limit after which a call is overdue; set `slow_call_duration`",
        ));
    };
    if !matches!(geometry.kind, Kind::Time | Kind::Decay) {
        return Err(ConfigError::conflict(
            FIELD,
            "true with a window of calls",
            "a window of time; use `time` or `decay`",
        ));
    }
    // A slot must be able to become overdue before it leaves the window.
    let visible = geometry.slot.get().saturating_mul(geometry.size as u64 - 1);
    if limit.get() >= visible {
        return Err(ConfigError::span(
            "slow_call_duration",
            limit,
            "less than the window without one slot, when `count_overdue` is on; make the window longer",
        ));
    }
    if TIME_WINDOWS_ONLY {
        return Err(ConfigError::conflict(FIELD, "true", WINDOW_OF_TIME));
    }
    Ok(Geometry {
        counts_overdue: true,
        ..geometry
    })
}
