//! [`Settings`]: a checked configuration, in integers, and the ranges that the words can hold.

use crate::nanos::Nanos;

/// Largest count that a half-open round keeps: nine bits of the state word.
pub(crate) const ROUND_MAX: u32 = (1 << 9) - 1;
/// Largest `minimum_requests`: a window slot keeps at least this many when it halves.
pub(crate) const MINIMUM_MAX: u64 = 1_000_000;
/// Largest `consecutive(n)`: a run keeps 18 bits.
pub(crate) const CONSECUTIVE_MAX: u32 = 100_000;
/// Shortest slot of a time window: slot numbers keep 52 bits.
pub(crate) const SLOT_MIN: Nanos = Nanos::from_micros(10);
/// Most slots of a time window: slot indices keep 6 bits.
pub(crate) const SLOTS_MAX: usize = 63;
/// Outcomes kept by one word of a count window.
pub(crate) const OUTCOMES_PER_WORD: u32 = 24;
/// One, in parts per million.
pub(crate) const PPM: u32 = 1_000_000;
/// One, as the back-off factor is kept inside: 20 bits of fraction.
pub(crate) const FACTOR_ONE: u64 = 1 << 20;

/// Which window, inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Time,
    Count,
    Consecutive,
    Decay,
}

/// The window's shape: fixed when the breaker is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) kind: Kind,
    /// Slots, calls, or failures in a row.
    pub(crate) size: u32,
    /// Length of one slot of a time window, else zero.
    pub(crate) slot: Nanos,
    /// Calls in flight are counted, and overdue ones judged.
    pub(crate) counts_overdue: bool,
}

/// Whether the final binary has chosen to do without the other windows and overdue calls: `--cfg fuseboard_time_windows_only`.
/// A configuration that asks for them is refused then, so what tests this constant is never reached and not linked.
pub(crate) const TIME_WINDOWS_ONLY: bool = cfg!(fuseboard_time_windows_only);

impl Geometry {
    /// Which window.
    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        if TIME_WINDOWS_ONLY {
            Kind::Time
        } else {
            self.kind
        }
    }

    /// The top bit: overdue calls are counted.
    pub(crate) const OVERDUE: u64 = 1 << 63;

    /// Kind in the low 2 bits, size above, and whether overdue calls are counted.
    pub(crate) const fn to_bits(self) -> u64 {
        let kind = match self.kind {
            Kind::Time => 0,
            Kind::Count => 1,
            Kind::Consecutive => 2,
            Kind::Decay => 3,
        };
        let overdue = if self.counts_overdue {
            Self::OVERDUE
        } else {
            0
        };
        overdue | (self.size as u64) << 2 | kind
    }
}

/// Slots of a decaying window, where the breaker has as many.
pub(crate) const DECAY_SLOTS: usize = 10;

/// Steps of a half-life, so that the slots reach over five half-lives.
pub(crate) const fn decay_steps(slots: usize) -> u32 {
    if slots >= DECAY_SLOTS { 2 } else { 1 }
}

/// How long an opening lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenRules {
    pub(crate) timeout: Nanos,
    pub(crate) timeout_max: Nanos,
    /// Back-off factor in units of 1 / [`FACTOR_ONE`].
    pub(crate) factor: u64,
    pub(crate) jitter_ppm: u32,
    pub(crate) seed: u64,
}

/// How a half-open round decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundRules {
    pub(crate) requests: u32,
    pub(crate) successes: u32,
    pub(crate) failures: u32,
    pub(crate) lease: Nanos,
}

/// A checked configuration: every value is in its range, so nothing inside can overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) failure_ppm: u32,
    pub(crate) slow_ppm: u32,
    /// At most the size of a count window.
    pub(crate) minimum: u64,
    pub(crate) geometry: Geometry,
    pub(crate) open: OpenRules,
    pub(crate) round: RoundRules,
    /// [`Nanos::MAX`] is off.
    pub(crate) slow_call_duration: Nanos,
    pub(crate) ramp_up: Nanos,
    pub(crate) records_latency: bool,
}
