//! [`SettingsWords`]: the checked configuration as atomic words, so that it can change under a
//! running breaker and lie in shared memory.
//!
//! Each setting is one word or part of one: a decision that runs while the settings change may mix
//! old and new values of *different* settings, never halves of one. Values are clamped when read:
//! a word may have been written by somebody else.

use crate::breaker::rules::{Geometry, Kind, OpenRules, PPM, ROUND_MAX, RoundRules, Settings};
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

// Relaxed throughout: a setting publishes no other memory, and each word is whole by itself.
const READ: Ordering = Ordering::Relaxed;
/// Of the thresholds' word.
const RECORDS_LATENCY: u64 = 1 << 63;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct SettingsWords {
    /// Kind in the low 2 bits, size above; the top bit: overdue calls are counted.
    shape: AtomicU64,
    slot: AtomicU64,
    slow_call_duration: AtomicU64,
    /// Failure share below, slow share above, 32 bits each, parts per million; the top bit: latencies are recorded.
    thresholds: AtomicU64,
    minimum: AtomicU64,
    open_timeout: AtomicU64,
    open_timeout_max: AtomicU64,
    /// Back-off factor below (32 bits), jitter above.
    backoff: AtomicU64,
    jitter_seed: AtomicU64,
    /// Requests, successes, failures: 16 bits each.
    round: AtomicU64,
    probe_lease: AtomicU64,
    ramp_up: AtomicU64,
}

impl SettingsWords {
    const_unless_loom! {
        pub(crate) const fn new(settings: &Settings) -> Self {
            let packed = Packed::from(settings);
            Self {
                shape: AtomicU64::new(packed.shape),
                slot: AtomicU64::new(settings.geometry.slot.get()),
                slow_call_duration: AtomicU64::new(settings.slow_call_duration.get()),
                thresholds: AtomicU64::new(packed.thresholds),
                minimum: AtomicU64::new(settings.minimum),
                open_timeout: AtomicU64::new(settings.open.timeout.get()),
                open_timeout_max: AtomicU64::new(settings.open.timeout_max.get()),
                backoff: AtomicU64::new(packed.backoff),
                jitter_seed: AtomicU64::new(settings.open.seed),
                round: AtomicU64::new(packed.round),
                probe_lease: AtomicU64::new(settings.round.lease.get()),
                ramp_up: AtomicU64::new(settings.ramp_up.get()),
            }
        }
    }

    /// Takes over everything, of a breaker that nobody else reads.
    pub(crate) fn store_all(&self, settings: &Settings) {
        // Relaxed: whoever shares the breaker publishes it.
        self.shape
            .store(settings.geometry.to_bits(), Ordering::Relaxed);
        self.slot
            .store(settings.geometry.slot.get(), Ordering::Relaxed);
        self.store(settings);
    }

    /// From now on latencies are recorded.
    pub(crate) fn record_latency(&self) {
        // Relaxed: see the head of the file.
        self.thresholds.fetch_or(RECORDS_LATENCY, Ordering::Relaxed);
    }

    /// Whether these are the settings, but for the seed of the jitter, and whether latencies are recorded.
    pub(crate) fn are(&self, settings: &Settings) -> bool {
        let packed = Packed::from(settings);
        [
            (&self.shape, packed.shape),
            (&self.slot, settings.geometry.slot.get()),
            (&self.slow_call_duration, settings.slow_call_duration.get()),
            (&self.minimum, settings.minimum),
            (&self.open_timeout, settings.open.timeout.get()),
            (&self.open_timeout_max, settings.open.timeout_max.get()),
            (&self.backoff, packed.backoff),
            (&self.round, packed.round),
            (&self.probe_lease, settings.round.lease.get()),
            (&self.ramp_up, settings.ramp_up.get()),
        ]
        .into_iter()
        .all(|(word, value)| word.load(READ) == value)
            && (self.thresholds.load(READ) ^ packed.thresholds) & !RECORDS_LATENCY == 0
    }

    /// Takes over everything but the window's shape.
    pub(crate) fn store(&self, settings: &Settings) {
        let packed = Packed::from(settings);
        // Relaxed: see the head of the file; readers accept any mix of single settings.
        self.slow_call_duration
            .store(settings.slow_call_duration.get(), Ordering::Relaxed);
        self.thresholds.store(packed.thresholds, Ordering::Relaxed);
        self.minimum.store(settings.minimum, Ordering::Relaxed);
        self.open_timeout
            .store(settings.open.timeout.get(), Ordering::Relaxed);
        self.open_timeout_max
            .store(settings.open.timeout_max.get(), Ordering::Relaxed);
        self.backoff.store(packed.backoff, Ordering::Relaxed);
        self.jitter_seed
            .store(settings.open.seed, Ordering::Relaxed);
        self.round.store(packed.round, Ordering::Relaxed);
        self.probe_lease
            .store(settings.round.lease.get(), Ordering::Relaxed);
        // Relaxed: as above.
        self.ramp_up
            .store(settings.ramp_up.get(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn geometry(&self) -> Geometry {
        let shape = self.shape.load(READ);
        let kind = match shape & 3 {
            1 => Kind::Count,
            2 => Kind::Consecutive,
            3 => Kind::Decay,
            _ => Kind::Time,
        };
        Geometry {
            kind,
            size: ((shape >> 2) as u32).max(1),
            slot: self.slot(),
            counts_overdue: shape & Geometry::OVERDUE != 0,
        }
    }

    /// How long a slot is; zero where the window is not one of time.
    #[inline]
    pub(crate) fn slot(&self) -> Nanos {
        Nanos::new(self.slot.load(READ))
    }

    /// Whether calls in flight are counted.
    pub(crate) fn counts_overdue(&self) -> bool {
        self.shape.load(READ) & Geometry::OVERDUE != 0
    }

    #[inline]
    pub(crate) fn slow_call_duration(&self) -> Nanos {
        Nanos::new(self.slow_call_duration.load(READ))
    }

    /// (failure share, slow share) in parts per million.
    pub(crate) fn thresholds(&self) -> (u32, u32) {
        let word = self.thresholds.load(READ);
        (
            (word as u32).clamp(1, PPM),
            ((word >> 32) as u32 & !(1 << 31)).clamp(1, PPM),
        )
    }

    /// Whether latencies are recorded. In the same cache line as what a call reads anyway.
    #[inline]
    pub(crate) fn records_latency(&self) -> bool {
        self.thresholds.load(READ) & RECORDS_LATENCY != 0
    }

    pub(crate) fn minimum(&self) -> u64 {
        self.minimum.load(READ).max(1)
    }

    #[inline]
    pub(crate) fn open_rules(&self) -> OpenRules {
        let backoff = self.backoff.load(READ);
        OpenRules {
            timeout: Nanos::new(self.open_timeout.load(READ)),
            timeout_max: Nanos::new(self.open_timeout_max.load(READ)),
            factor: backoff & u64::from(u32::MAX),
            jitter_ppm: ((backoff >> 32) as u32).min(PPM),
            seed: self.jitter_seed.load(READ),
        }
    }

    pub(crate) fn round_rules(&self) -> RoundRules {
        let round = self.round.load(READ);
        RoundRules {
            requests: (round as u32 & 0xFFFF).clamp(1, ROUND_MAX),
            successes: ((round >> 16) as u32 & 0xFFFF).clamp(1, ROUND_MAX),
            failures: ((round >> 32) as u32 & 0xFFFF).min(ROUND_MAX - 1),
            lease: Nanos::new(self.probe_lease.load(READ).max(1)),
        }
    }

    pub(crate) fn ramp_up(&self) -> Nanos {
        Nanos::new(self.ramp_up.load(READ))
    }
}

/// The words that hold more than one setting.
struct Packed {
    shape: u64,
    thresholds: u64,
    backoff: u64,
    round: u64,
}

impl Packed {
    const fn from(settings: &Settings) -> Self {
        let records_latency = if settings.records_latency {
            RECORDS_LATENCY
        } else {
            0
        };
        Self {
            shape: settings.geometry.to_bits(),
            thresholds: records_latency
                | (settings.slow_ppm as u64) << 32
                | settings.failure_ppm as u64,
            backoff: (settings.open.jitter_ppm as u64) << 32 | settings.open.factor,
            round: (settings.round.failures as u64) << 32
                | (settings.round.successes as u64) << 16
                | settings.round.requests as u64,
        }
    }
}
