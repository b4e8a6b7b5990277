//! [`TokenBucketRateLimiter`]: the public face of the token bucket.

pub(crate) mod lease;
pub(crate) mod policy;
pub(crate) mod quota;
pub(crate) mod reservation;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod taking;
pub(crate) mod warm_up;

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::Rejected;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::lease::TokenLease;
use crate::token_bucket::quota::{Quota, Rate};
use crate::token_bucket::reservation::Reservation;
use crate::token_bucket::settings::QuotaWords;
use crate::token_bucket::state::TatWord;
use crate::token_bucket::taking::Taken;
use crate::token_bucket::warm_up::{WarmUp, WarmthWords};

/// A token bucket in one word: `burst` units at once, refilled at `rate`.
///
/// Between any two admitted requests the cost is at most `burst` and what the rate gives in the time between
/// them. A clock that goes back admits nothing until it has caught up.
///
/// # Accuracy
///
/// The interval between units is exact where the rate, reduced to lowest terms of units to nanoseconds, has at most 8 units
/// (1/day, 3/s, 700,000/s, 1,000,000,000/s); of any other rate it is rounded up by less than an eighth of a
/// nanosecond, so that never more is admitted. After [`configure`](Self::configure) the rounding is at
/// most a fifth of a nanosecond.
///
/// # Range
///
/// `now` up to 73 years (at least) after the clock's zero; later everything is rejected.
///
/// # Memory ordering
///
/// None: an admission publishes nothing and orders nothing (relaxed).
///
/// # Source
///
/// The generic cell rate algorithm: ITU-T I.371 (2004), virtual scheduling. Warm-up after Guava's
/// `SmoothWarmingUp`, counted in integers on the bucket's own clock.
///
/// ```
/// use fuseboard_core::{Nanos, Rate, TokenBucketRateLimiter};
///
/// static API: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(10), 2);
///
/// let now = Nanos::from_secs(1);
/// assert!(API.try_acquire(now).is_ok());
/// assert!(API.try_acquire(now).is_ok());
/// let rejected = API.try_acquire(now).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
///
/// // Or take the turn now and wait for it.
/// let reservation = API.reserve(1, Nanos::from_secs(1), now).expect("the turn comes in time");
/// assert_eq!(reservation.wait(), Nanos::from_millis(100));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct TokenBucketRateLimiter {
    tat: TatWord,
    quota: QuotaWords,
    scale: AtomicU64,
    warmth: WarmthWords,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<TokenBucketRateLimiter>() == 56);

impl TokenBucketRateLimiter {
    const_unless_loom! {
        /// A full bucket.
        ///
        /// # Panics
        /// On a bad quota; in a `static` that is a compile error.
        pub const fn new(rate: Rate, burst: u64) -> Self {
            match Self::try_new(rate, burst) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad token bucket quota; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A full bucket.
        ///
        /// # Errors
        /// `rate`: no unit, no time, or more than one unit each nanosecond. `burst`: zero, or more units than
        /// the rate gives in 18 years.
        pub const fn try_new(rate: Rate, burst: u64) -> Result<Self, ConfigError> {
            let scale = Quota::scale(rate);
            match Quota::new(rate, burst, scale) {
                Ok(quota) => Ok(Self {
                    tat: TatWord::new(),
                    quota: QuotaWords::new(quota),
                    scale: AtomicU64::new(scale),
                    warmth: WarmthWords::always_warm(),
                }),
                Err(error) => Err(error),
            }
        }
    }

    const_unless_loom! {
        /// A full bucket that starts cold.
        ///
        /// # Panics
        /// On a bad quota or warm-up; in a `static` that is a compile error.
        pub const fn with_warm_up(rate: Rate, burst: u64, warm_up: WarmUp) -> Self {
            match Self::try_with_warm_up(rate, burst, warm_up) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad token bucket; `try_with_warm_up` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A full bucket that starts cold.
        ///
        /// # Errors
        /// As [`try_new`](Self::try_new). `warm_up`: no time, or more than 18 years. `cold_factor`: not 1
        /// to 1,000.
        pub const fn try_with_warm_up(
            rate: Rate,
            burst: u64,
            warm_up: WarmUp,
        ) -> Result<Self, ConfigError> {
            let mut limiter = match Self::try_new(rate, burst) {
                Ok(limiter) => limiter,
                Err(error) => return Err(error),
            };
            limiter.warmth = match WarmthWords::new(warm_up, Quota::scale(rate)) {
                Ok(warmth) => warmth,
                Err(error) => return Err(error),
            };
            Ok(limiter)
        }
    }

    /// Takes one unit at `now`.
    ///
    /// # Errors
    /// [`Reason::Limited`](crate::Reason::Limited) with the exact time to come back.
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(1, now)
    }

    /// Takes `cost` units at `now`, or none. A cost of 0 is always admitted.
    ///
    /// # Errors
    /// [`Reason::Limited`](crate::Reason::Limited) with the exact time to come back; [`Reason::Never`](crate::Reason::Never) when `cost` is more than
    /// the burst.
    #[inline]
    pub fn try_acquire_many(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        if cost == 0 {
            return Ok(());
        }
        self.take_all(cost, now)
    }

    /// Takes as many units as there are at `now`, `max` at most; gives how many.
    pub fn try_acquire_up_to(&self, max: u64, now: Nanos) -> u64 {
        if max == 0 {
            return 0;
        }
        self.take(1, max, Nanos::ZERO, now)
            .map_or(0, |taken| taken.units)
    }

    /// Takes `cost` units at `now`, or those that flow in within `max_wait`: they are the caller's, and nobody
    /// who comes later gets them first.
    ///
    /// # Errors
    /// [`Reason::Limited`](crate::Reason::Limited) when the wait would be longer, with the exact time after which it no longer is;
    /// [`Reason::Never`](crate::Reason::Never) when `cost` is more than the burst.
    pub fn reserve(&self, cost: u64, max_wait: Nanos, now: Nanos) -> Result<Reservation, Rejected> {
        let Taken {
            base, next, limit, ..
        } = self.take(cost, cost, max_wait, now)?;
        let scale = self.scale();
        let at = now.get().saturating_mul(scale);
        let wait = policy::nanos(policy::wait(base, next, at, limit), scale);
        Ok(Reservation::new(wait, base, next))
    }

    /// Gives a reservation back at `now`, once. What was reserved behind it keeps its turn, so that much less is free
    /// again; so is what has flowed in since.
    pub fn cancel(&self, reservation: Reservation, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        self.tat
            .update(|tat| policy::refund(tat, now, reservation.given_back(tat, now)));
    }

    /// Gives `cost` units back at `now`, up to a full bucket. Give back only what was taken, and soon: what flows in
    /// meanwhile comes on top. While reservations wait, theirs with [`cancel`](Self::cancel).
    ///
    /// `now` is at least as late as that of the latest admission: at an earlier one, units come back that had
    /// flowed in again between the two.
    pub fn refund(&self, cost: u64, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        let span = self.quota.load().span(cost);
        self.tat.update(|tat| policy::refund(tat, now, span));
    }

    /// Gives back what is left of an admission.
    pub(crate) fn give_back(&self, units: u64, taken: &Taken, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        let paid = u128::from(taken.next.saturating_sub(taken.base));
        // Units of the price that was paid; never more than all of it.
        let paid = paid * u128::from(units.min(taken.units)) / u128::from(taken.units.max(1));
        // From the moment of the admission, not from the tat: what others owed then they may have given back.
        let unused = policy::unused(paid as u64, taken.own_tat(), now);
        self.tat.update(|tat| policy::refund(tat, now, unused));
    }

    /// Empties the bucket at `now`: the next unit flows in one interval later. What is reserved stays so.
    pub fn drain(&self, now: Nanos) {
        let tolerance = self.quota.load().tolerance;
        let empty = now
            .get()
            .checked_mul(self.scale())
            .and_then(|now| now.checked_add(tolerance));
        // At the end of the clock nothing is admitted anyway.
        if let Some(empty) = empty {
            let empty = fault!("drained_halfway", empty / 2, empty);
            self.tat.update(|tat| tat.max(empty));
        }
    }

    /// Whole units that would be admitted at `now`; of a limiter that is not warm, at least so many.
    pub fn available(&self, now: Nanos) -> u64 {
        let Some(at) = now.get().checked_mul(self.scale()) else {
            return 0;
        };
        let quota = self.quota.load();
        let tat = self.tat.load();
        match self.units(tat, at, quota) {
            // Cold, a full bucket may be worth less than a unit; it admits one all the same.
            0 if tat <= at && quota.interval <= policy::room(tat, at, quota.tolerance) => 1,
            units => units,
        }
    }

    /// A lease for one thread: it takes up to `batch` units at once and spends them without touching shared memory.
    /// Units that it has not spent `lifetime` after it took them go back, less what the rate has given meanwhile.
    pub fn lease(&self, batch: u64, lifetime: Nanos) -> TokenLease<'_> {
        TokenLease::new(self, batch, lifetime)
    }

    /// Changes rate and burst and keeps what was taken: at most the old burst and the new one are
    /// admitted together. Of two changes at once, one stays.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); nothing is changed then.
    pub fn configure(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
        self.quota.store(Quota::new(rate, burst, self.scale())?);
        Ok(())
    }

    /// The rate that it runs with, as the time of a few units: 10/s is 8 units in 800 ms.
    pub fn rate(&self) -> Rate {
        let units = fault!("rate_read_as_one", 1, self.scale());
        Rate::new(units, Nanos::new(self.quota.load().interval))
    }

    /// Units at once.
    pub fn burst(&self) -> u64 {
        self.quota.load().burst
    }

    /// Fills the bucket; a limiter with a warm-up is cold again.
    pub fn reset(&self) {
        self.warmth.reset();
        self.tat.reset();
    }

    /// A full bucket, while nobody else reads it.
    pub(crate) fn renew(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
        let scale = Quota::scale(rate);
        let quota = Quota::new(rate, burst, scale)?;
        // Relaxed: whoever shares the limiter publishes it.
        self.scale.store(scale, Ordering::Relaxed);
        self.quota.store(quota);
        self.warmth.renew();
        self.tat.reset();
        Ok(())
    }

    /// Whether it runs with this rate and burst.
    pub(crate) fn runs_with(&self, rate: Rate, burst: u64) -> Result<bool, ConfigError> {
        Ok(self.quota.load() == Quota::new(rate, burst, self.scale())?)
    }

    #[inline]
    fn scale(&self) -> u64 {
        // Relaxed: written once, before the limiter is shared.
        self.scale.load(Ordering::Relaxed).clamp(1, 8)
    }
}
