//! [`LimiterPair`]: a shipped limiter and its sequential model.

use fuseboard_core::{
    ConcurrencyLimit, FixedWindowRateLimiter, LeakyBucket, Nanos, Rate, Reason, Rejected,
    SlidingCounterRateLimiter, SlidingWindowRateLimiter, TokenBucketRateLimiter,
};
use fuseboard_model::{
    concurrency::Concurrency, fixed_window::FixedWindow, leaky_bucket::LeakyBucket as Turns,
    sliding_counter::SlidingCounter, sliding_window::SlidingWindow, token_bucket::Schedule,
};

use super::tell;

/// Places of the sliding log under test.
pub const LOG: u32 = 64;
/// The latest time at which every model is exact: beyond it a limiter denies, by its documented range.
pub const END: u64 = 1 << 60;
/// Units of a rate, in lowest terms, up to which its interval is exact.
const EXACT_UNITS: u64 = 8;

/// Both.
pub enum LimiterPair {
    TokenBucket {
        real: TokenBucketRateLimiter,
        model: Schedule,
        /// In lowest terms when it was made.
        units: u64,
        /// Taken and not given back.
        taken: u64,
    },
    LeakyBucket {
        real: LeakyBucket,
        model: Turns,
    },
    SlidingLog {
        real: Box<SlidingWindowRateLimiter<{ LOG as usize }>>,
        model: SlidingWindow,
        limit: u32,
    },
    SlidingCounter {
        real: SlidingCounterRateLimiter,
        model: SlidingCounter,
    },
    FixedWindow {
        real: FixedWindowRateLimiter,
        model: FixedWindow,
    },
    Concurrency {
        real: ConcurrencyLimit,
        model: Concurrency,
    },
}

/// A rate in lowest terms, where its interval is exact.
fn lowest_terms(units: u64, per: u64) -> Option<(u64, u64)> {
    let (mut a, mut b) = (units, per);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (units, per) = (units.checked_div(a)?, per.checked_div(a)?);
    (1..=EXACT_UNITS).contains(&units).then_some((units, per))
}

/// Nothing where waiting could end after the end of the clock: there it is denied without a time to come back.
fn within_range(span: Option<u64>) -> Option<()> {
    (span? <= END).then_some(())
}

fn wait_of(rejected: Rejected) -> Option<u64> {
    assert_eq!(
        rejected.reason == Reason::Never,
        rejected.retry_after.is_none(),
        "L8: {rejected:?}"
    );
    rejected.retry_after.map(Nanos::get)
}

impl LimiterPair {
    /// `None`: the core refuses the rate or burst, or the model is not exact at it.
    pub fn token_bucket(units: u64, per: u64, burst: u64) -> Option<Self> {
        let real =
            TokenBucketRateLimiter::try_new(Rate::new(units, Nanos::new(per)), burst).ok()?;
        let (units, per) = lowest_terms(units, per)?;
        within_range(per.checked_mul(burst))?;
        Some(Self::TokenBucket {
            real,
            model: Schedule::new(units, per, burst),
            units,
            taken: 0,
        })
    }

    /// As `token_bucket`.
    pub fn leaky_bucket(units: u64, per: u64, queue: u64) -> Option<Self> {
        let real = LeakyBucket::try_new(Rate::new(units, Nanos::new(per)), queue).ok()?;
        let (units, per) = lowest_terms(units, per)?;
        within_range(per.checked_mul(queue.checked_add(1)?))?;
        Some(Self::LeakyBucket {
            real,
            model: Turns::new(units, per, queue),
        })
    }

    /// `None`: the core refuses it.
    pub fn sliding_log(limit: u32, window: u64) -> Option<Self> {
        let real = SlidingWindowRateLimiter::try_new(limit, Nanos::new(window)).ok()?;
        within_range(Some(window))?;
        Some(Self::SlidingLog {
            real: Box::new(real),
            model: SlidingWindow::new(limit, window),
            limit,
        })
    }

    /// `None`: the core refuses it.
    pub fn sliding_counter(limit: u32, window: u64) -> Option<Self> {
        let real = SlidingCounterRateLimiter::try_new(limit, Nanos::new(window)).ok()?;
        within_range(Some(window))?;
        Some(Self::SlidingCounter {
            real,
            model: SlidingCounter::new(limit.into(), window),
        })
    }

    /// `None`: the core refuses it.
    pub fn fixed_window(limit: u64, window: u64) -> Option<Self> {
        let real = FixedWindowRateLimiter::try_new(limit, Nanos::new(window)).ok()?;
        within_range(Some(window))?;
        Some(Self::FixedWindow {
            real,
            model: FixedWindow::new(limit, window),
        })
    }

    /// `None`: the core refuses it.
    pub fn concurrency(limit: u32) -> Option<Self> {
        let real = ConcurrencyLimit::try_new(limit).ok()?;
        Some(Self::Concurrency {
            real,
            model: Concurrency::new(limit),
        })
    }

    /// Takes `cost` units, at least 1.
    pub fn acquire(&mut self, cost: u64, now: u64) -> bool {
        tell(format_args!("{now} acquire {cost}"));
        let at = Nanos::new(now);
        let narrow = u32::try_from(cost).unwrap_or(u32::MAX);
        let admitted = match self {
            Self::TokenBucket {
                real, model, taken, ..
            } => {
                let answer = real.try_acquire_many(cost, at).map_err(wait_of);
                assert_eq!(
                    answer,
                    model.acquire(cost, now, 0).map(|_| ()),
                    "L1 L2 L8: token bucket, {cost} at {now}"
                );
                *taken += if answer.is_ok() { cost } else { 0 };
                answer.is_ok()
            }
            Self::LeakyBucket { real, model } => {
                let answer = real.try_acquire_many(cost, at).map_err(wait_of);
                assert_eq!(
                    answer,
                    model.reserve(cost, 0, now).map(|_| ()),
                    "L1 L2 L8: leaky bucket, {cost} at {now}"
                );
                answer.is_ok()
            }
            Self::SlidingLog { real, model, .. } => {
                let answer = real.try_acquire_many(narrow, at).map_err(wait_of);
                assert_eq!(
                    answer,
                    model.acquire(narrow, now),
                    "L1 L2 L8: sliding log, {cost} at {now}"
                );
                answer.is_ok()
            }
            Self::SlidingCounter { real, model } => {
                let answer = real.try_acquire_many(narrow, at).map_err(wait_of);
                let cost = u64::from(narrow);
                // By trying: too early just before, right at the moment.
                if let Err(Some(wait)) = answer {
                    assert!(!model.admits(cost, now + wait - 1), "L8: {cost} at {now}");
                    assert!(model.admits(cost, now + wait), "L8: {cost} at {now}");
                }
                assert_eq!(
                    answer.is_ok(),
                    model.acquire(cost, now),
                    "L1 L2: sliding counter, {cost} at {now}"
                );
                answer.is_ok()
            }
            Self::FixedWindow { real, model } => {
                let answer = real.try_acquire_many(cost, at).map_err(wait_of);
                assert_eq!(
                    answer,
                    model.acquire(cost, now),
                    "L1 L2 L8: fixed window, {cost} at {now}"
                );
                answer.is_ok()
            }
            Self::Concurrency { real, model } => {
                let admitted = real.acquire_raw().is_ok();
                assert_eq!(admitted, model.acquire(), "K1 K3: {model:?}");
                admitted
            }
        };
        self.compare(now);
        admitted
    }

    /// Takes units now or later, where the limiter can.
    pub fn reserve(&mut self, cost: u64, max_wait: u64, now: u64) {
        tell(format_args!("{now} reserve {cost} max_wait={max_wait}"));
        let (at, longest) = (Nanos::new(now), Nanos::new(max_wait));
        let (real, model) = match self {
            Self::TokenBucket {
                real, model, taken, ..
            } => {
                let answer = real.reserve(cost, longest, at);
                *taken += if answer.is_ok() { cost } else { 0 };
                (answer, model.acquire(cost, now, max_wait))
            }
            Self::LeakyBucket { real, model } => (
                real.reserve_many(cost, longest, at),
                model.reserve(cost, max_wait, now),
            ),
            _ => return,
        };
        let real = real
            .map(|reservation| reservation.wait().get())
            .map_err(wait_of);
        assert_eq!(real, model, "L8 L11: {cost} within {max_wait} at {now}");
        self.compare(now);
    }

    /// Gives units back, where the limiter can, and no more than were taken.
    pub fn refund(&mut self, cost: u64, now: u64) {
        tell(format_args!("{now} refund {cost}"));
        let at = Nanos::new(now);
        match self {
            Self::TokenBucket {
                real, model, taken, ..
            } if cost <= *taken => {
                *taken -= cost;
                real.refund(cost, at);
                model.refund(cost, now);
            }
            Self::SlidingCounter { real, model } => {
                let narrow = u32::try_from(cost).unwrap_or(u32::MAX);
                real.refund(narrow, at);
                model.refund(narrow.into(), now);
            }
            Self::FixedWindow { real, model } => {
                real.refund(cost, at);
                model.refund(cost, now);
            }
            Self::Concurrency { real, model } => {
                assert_eq!(real.release_raw(), model.release(), "K2: {model:?}");
            }
            _ => {}
        }
        self.compare(now);
    }

    /// Takes what there is, `max` at most.
    pub fn acquire_up_to(&mut self, max: u64, now: u64) {
        tell(format_args!("{now} acquire up to {max}"));
        if let Self::TokenBucket {
            real, model, taken, ..
        } = self
        {
            let expected = model.available(now).min(max);
            let got = real.try_acquire_up_to(max, Nanos::new(now));
            assert_eq!(got, expected, "L2: up to {max} at {now}");
            if got > 0 {
                assert!(model.acquire(got, now, 0).is_ok());
            }
            *taken += got;
        }
        self.compare(now);
    }

    /// Empties a token bucket.
    pub fn drain(&mut self, now: u64) {
        tell(format_args!("{now} drain"));
        if let Self::TokenBucket { real, model, .. } = self {
            real.drain(Nanos::new(now));
            model.drain(now);
        }
        self.compare(now);
    }

    /// A new limit or burst, and for a token bucket a new time for the same units.
    pub fn configure(&mut self, limit: u64, per: u64, now: u64) {
        tell(format_args!("{now} configure {limit} per={per}"));
        let narrow = u32::try_from(limit).unwrap_or(u32::MAX);
        match self {
            Self::TokenBucket {
                real, model, units, ..
            } => {
                if real
                    .configure(Rate::new(*units, Nanos::new(per)), limit)
                    .is_ok()
                {
                    model.configure(per, limit);
                }
            }
            Self::SlidingCounter { real, model } => {
                if real.set_limit(narrow).is_ok() {
                    model.set_limit(narrow.into());
                }
            }
            Self::FixedWindow { real, model } => {
                if real.set_limit(limit).is_ok() {
                    model.set_limit(limit);
                }
            }
            Self::Concurrency { real, model } => {
                if real.set_limit(narrow).is_ok() {
                    model.limit = narrow;
                }
            }
            Self::LeakyBucket { .. } | Self::SlidingLog { .. } => {}
        }
        self.compare(now);
    }

    fn compare(&self, now: u64) {
        let at = Nanos::new(now);
        let (real, model) = match self {
            Self::TokenBucket { real, model, .. } => (real.available(at), model.available(now)),
            Self::LeakyBucket { real, model } => (real.available(at), model.available(now)),
            Self::SlidingLog { real, limit, .. } => {
                let available = real.available(at);
                assert!(available <= *limit, "L1: {available} of {limit} at {now}");
                return;
            }
            Self::SlidingCounter { real, model } => {
                (real.available(at).into(), model.available(now))
            }
            Self::FixedWindow { real, model } => (real.available(at), model.available(now)),
            Self::Concurrency { real, model } => {
                assert_eq!(real.limit(), model.limit, "K4");
                (real.in_flight().into(), model.in_flight.into())
            }
        };
        assert_eq!(real, model, "available, or out, at {now}");
    }
}
