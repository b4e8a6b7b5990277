//! [`SettingsWords`]: the checked configuration as atomic words, so that it can change under a running limit.
//!
//! ```text
//! shares  63         50 49     39 38    28 27        14 13 2  1     0
//!        +-------------+---------+--------+------------+----+--------+
//!        |  tolerance  |smoothing| backoff| min samples|  0 |algorithm|
//!        |     14      |    11   |   11   |     14     | 12 |    2   |
//!        +-------------+---------+--------+------------+----+--------+
//! ```
//! A decision that runs while the settings change may mix old and new ones; each is valid, and every value is clamped
//! when read: a word may have been written by somebody else.

use crate::adaptive::config::Algorithm;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// One, as shares are kept inside: 10 bits of fraction.
pub(crate) const ONE: u64 = 1 << 10;

const SAMPLES_SHIFT: u32 = 14;
const BACKOFF_SHIFT: u32 = 28;
const SMOOTHING_SHIFT: u32 = 39;
const TOLERANCE_SHIFT: u32 = 50;
const SAMPLES_MASK: u64 = (1 << (BACKOFF_SHIFT - SAMPLES_SHIFT)) - 1;
const SHARE_MASK: u64 = 2 * ONE - 1;

// Relaxed throughout: a setting publishes no other memory, and each word is whole by itself.
const READ: Ordering = Ordering::Relaxed;

/// A checked configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) algorithm: Algorithm,
    pub(crate) min_limit: u32,
    pub(crate) max_limit: u32,
    pub(crate) window: Nanos,
    pub(crate) min_samples: u32,
    /// In latency units.
    pub(crate) latency_limit: u64,
    /// In 1 / [`ONE`], as the two below.
    pub(crate) backoff: u64,
    pub(crate) tolerance: u64,
    pub(crate) smoothing: u64,
    pub(crate) baseline_windows: u32,
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct SettingsWords {
    /// Least below, most above, 32 bits each.
    bounds: AtomicU64,
    window: AtomicU64,
    latency_limit: AtomicU64,
    shares: AtomicU64,
    baseline_windows: AtomicU64,
}

impl SettingsWords {
    const_unless_loom! {
        pub(crate) const fn new(settings: &Settings) -> Self {
            Self {
                bounds: AtomicU64::new(bounds(settings)),
                window: AtomicU64::new(settings.window.get()),
                latency_limit: AtomicU64::new(settings.latency_limit),
                shares: AtomicU64::new(shares(settings)),
                baseline_windows: AtomicU64::new(settings.baseline_windows as u64),
            }
        }
    }

    pub(crate) fn store(&self, settings: &Settings) {
        // Relaxed: see the head of the file. What stays is not written, so that less can be mixed.
        for (word, value) in [
            (&self.bounds, bounds(settings)),
            (&self.window, settings.window.get()),
            (&self.latency_limit, settings.latency_limit),
            (&self.shares, shares(settings)),
            (&self.baseline_windows, settings.baseline_windows.into()),
        ] {
            if word.load(READ) != value {
                word.store(value, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn load(&self) -> Settings {
        let bounds = self.bounds.load(READ);
        let min_limit = (bounds as u32).max(1);
        let shares = self.shares.load(READ);
        Settings {
            algorithm: match shares & 3 {
                0 => Algorithm::Aimd,
                1 => Algorithm::Vegas,
                _ => Algorithm::Gradient2,
            },
            min_limit,
            max_limit: ((bounds >> 32) as u32).max(min_limit),
            window: Nanos::new(self.window.load(READ)),
            min_samples: (shares >> SAMPLES_SHIFT & SAMPLES_MASK) as u32,
            latency_limit: self.latency_limit.load(READ),
            backoff: (shares >> BACKOFF_SHIFT & SHARE_MASK).min(ONE - 1),
            tolerance: (shares >> TOLERANCE_SHIFT).clamp(ONE, 4 * ONE),
            smoothing: (shares >> SMOOTHING_SHIFT & SHARE_MASK).min(ONE),
            baseline_windows: (self.baseline_windows.load(READ) as u32).max(10),
        }
    }
}

const fn bounds(settings: &Settings) -> u64 {
    (settings.max_limit as u64) << 32 | settings.min_limit as u64
}

const fn shares(settings: &Settings) -> u64 {
    let algorithm = match settings.algorithm {
        Algorithm::Aimd => 0,
        Algorithm::Vegas => 1,
        Algorithm::Gradient2 => 2,
    };
    algorithm
        | (settings.min_samples as u64) << SAMPLES_SHIFT
        | settings.backoff << BACKOFF_SHIFT
        | settings.smoothing << SMOOTHING_SHIFT
        | settings.tolerance << TOLERANCE_SHIFT
}
