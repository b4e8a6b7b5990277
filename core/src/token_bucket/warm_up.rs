//! [`WarmUp`]: a limiter that has stood still starts slowly.
//!
//! Units cost more while the limiter is cold. That only ever lengthens the steps of the tat, so
//! nothing that is promised of a token bucket at full rate is weakened, whatever the second word says.
//!
//! The word holds the moment at which the limiter would be cold again. It moves in the bucket's own
//! time (the tat): each admission moves it on by twice what it cost, so that under full load one second warms
//! by one second, at half the load the warmth stays, and a second without load cools by a second. It is moved after the
//! admission: whoever comes in between finds the limiter colder than it is.

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::ratio::share;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::quota::Quota;

/// How a [`TokenBucketRateLimiter`](crate::TokenBucketRateLimiter) starts when it has been idle.
///
/// Cold, a unit costs `cold_factor` units, so the rate and the number of single units at once are that many times smaller; both
/// grow to their full size while the limiter is used at its limit for `period`. A full bucket admits any request up to its burst, and
/// those after it pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    period: Nanos,
    cold_factor: u32,
}

impl WarmUp {
    /// A warm-up over `period` with a cold factor of 3. Checked by the limiter that takes it.
    pub const fn new(period: Nanos) -> Self {
        Self {
            period,
            cold_factor: 3,
        }
    }

    /// How many times more a unit costs when the limiter is cold: 1 to 1,000.
    #[must_use]
    pub const fn cold_factor(mut self, cold_factor: u32) -> Self {
        self.cold_factor = cold_factor;
        self
    }
}

/// `period` 0: always warm.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WarmthWords {
    cold_at: AtomicU64,
    period: AtomicU64,
    extra: AtomicU64,
}

/// How cold it is, as plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Warmth {
    cold_at: u64,
    /// Divisions from cold to warm; at least 1.
    period: u64,
    /// By how many times the price of a unit grows when it is cold.
    extra: u64,
}

const EXTRA_MAX: u64 = 999;

impl WarmthWords {
    const_unless_loom! {
        pub(crate) const fn always_warm() -> Self {
            Self {
                cold_at: AtomicU64::new(0),
                period: AtomicU64::new(0),
                extra: AtomicU64::new(0),
            }
        }
    }

    const_unless_loom! {
        pub(crate) const fn new(warm_up: WarmUp, scale: u64) -> Result<Self, ConfigError> {
            if warm_up.period.get() == 0 || warm_up.period.get() > 1 << 59 {
                return Err(ConfigError::span("warm_up", warm_up.period, "1ns to 18 years"));
            }
            if warm_up.cold_factor == 0 || warm_up.cold_factor as u64 > EXTRA_MAX + 1 {
                return Err(ConfigError::integer(
                    "cold_factor",
                    warm_up.cold_factor as u64,
                    "1 to 1,000",
                ));
            }
            Ok(Self {
                cold_at: AtomicU64::new(0),
                period: AtomicU64::new(warm_up.period.get() * scale),
                extra: AtomicU64::new(warm_up.cold_factor as u64 - 1),
            })
        }
    }

    /// `None`: there is no warm-up.
    #[inline]
    pub(crate) fn load(&self) -> Option<Warmth> {
        // Relaxed: written once, before the limiter is shared.
        let period = self.period.load(Ordering::Relaxed);
        if period == 0 || fault!("always_warm") {
            return None;
        }
        Some(Warmth {
            // Relaxed: see the head of the file; any value is safe.
            cold_at: self.cold_at.load(Ordering::Relaxed),
            period,
            // Relaxed: written once. A word of shared memory may be anything.
            extra: self.extra.load(Ordering::Relaxed).min(EXTRA_MAX),
        })
    }

    /// Warms by the admission that moved the tat from `base` to `next`.
    pub(crate) fn warm(&self, warmth: Warmth, base: u64, next: u64) {
        // Relaxed: see the head of the file.
        let _ = self
            .cold_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |cold_at| {
                let paid = next.saturating_sub(base);
                let warmer = cold_at.max(base).saturating_add(paid.saturating_mul(2));
                Some(cold_at.max(warmer.min(next.saturating_add(warmth.period))))
            });
    }

    /// Without a warm-up, of a limiter that nobody else reads.
    pub(crate) fn renew(&self) {
        for word in [&self.cold_at, &self.period, &self.extra] {
            // Relaxed: whoever shares the limiter publishes it.
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn reset(&self) {
        // Relaxed: see the head of the file.
        self.cold_at.store(0, Ordering::Relaxed);
    }
}

impl Warmth {
    fn cold(self, base: u64) -> u64 {
        self.period - self.cold_at.saturating_sub(base).min(self.period)
    }

    /// What `span` divisions cost at `base`, the moment on the bucket's own clock.
    pub(crate) fn price(self, span: u64, base: u64) -> u64 {
        // `extra` times the share of `span` that is cold, rounded up.
        let (whole, rest) = share(span, self.cold(base), self.period);
        let (carry, left) = share(rest, self.extra, self.period);
        whole
            .saturating_mul(self.extra)
            .saturating_add(carry)
            .saturating_add(u64::from(left > 0))
            .saturating_add(span)
    }

    /// Whole units that `room` divisions pay for at `base`.
    pub(crate) fn affordable(self, room: u64, base: u64, quota: Quota) -> u64 {
        let (cold, period) = (u128::from(self.cold(base)), u128::from(self.period));
        // 64 bits and 10 bits, and 64 bits: saturating, since a word of shared memory may be anything.
        let unit = (period + u128::from(self.extra) * cold).saturating_mul(quota.interval.into());
        (u128::from(room) * period / unit.max(1)) as u64
    }
}
