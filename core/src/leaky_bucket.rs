//! [`LeakyBucket`]: the public face of the pacer.

use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::token_bucket::policy;
use crate::token_bucket::quota::{Quota, Rate};
use crate::token_bucket::reservation::Reservation;
use crate::token_bucket::settings::QuotaWords;
use crate::token_bucket::state::TatWord;

/// Paces: each unit gets a turn, one interval of `rate` after the one before; at most `queue` wait for theirs.
///
/// The limiter only tells how long to wait; the caller sleeps. One word, and the same proof as the
/// [`TokenBucketRateLimiter`](crate::TokenBucketRateLimiter): in any time there are as many turns as the rate gives, and one.
///
/// # Accuracy, range and memory ordering
///
/// As the token bucket's. A turn is rounded up to a nanosecond; the roundings do not add up.
///
/// # Source
///
/// The leaky bucket as a queue (J. Turner, "New directions in communications", 1986), as the virtual scheduling
/// algorithm of ITU-T I.371 (2004).
///
/// ```
/// use fuseboard_core::{LeakyBucket, Nanos, Rate};
///
/// static MAIL: LeakyBucket = LeakyBucket::new(Rate::per_second(10), 1);
///
/// let now = Nanos::from_secs(1);
/// assert_eq!(MAIL.reserve(now).expect("free").wait(), Nanos::ZERO);
/// assert_eq!(MAIL.reserve(now).expect("one may wait").wait(), Nanos::from_millis(100));
/// let rejected = MAIL.reserve(now).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct LeakyBucket {
    /// When the next turn is free.
    tat: TatWord,
    quota: QuotaWords,
    scale: AtomicU64,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<LeakyBucket>() == 32);

impl LeakyBucket {
    const_unless_loom! {
        /// A pacer with nobody waiting.
        ///
        /// # Panics
        /// On a bad rate or queue; in a `static` that is a compile error.
        pub const fn new(rate: Rate, queue: u64) -> Self {
            match Self::try_new(rate, queue) {
                Ok(pacer) => pacer,
                Err(_) => panic!("bad leaky bucket; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A pacer with nobody waiting.
        ///
        /// # Errors
        /// `rate`: no unit, no time, or more than one unit each nanosecond. `queue`: as many as the rate serves in
        /// 18 years. A queue of 0 is allowed: then nobody waits.
        pub const fn try_new(rate: Rate, queue: u64) -> Result<Self, ConfigError> {
            let scale = Quota::scale(rate);
            match checked(rate, queue, scale) {
                Ok(quota) => Ok(Self {
                    tat: TatWord::new(),
                    quota: QuotaWords::new(quota),
                    scale: AtomicU64::new(scale),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// Takes the next turn; [`Reservation::wait`] says when it comes.
    ///
    /// # Errors
    /// [`Reason::Limited`] when `queue` units wait already, with the exact time to come back.
    pub fn reserve(&self, now: Nanos) -> Result<Reservation, Rejected> {
        self.reserve_many(1, Nanos::MAX, now)
    }

    /// Takes the next `cost` turns in a row; the wait is until the first. The last of them counts for the queue.
    ///
    /// # Errors
    /// [`Reason::Limited`] when more than `queue` units would wait, or the first longer than `max_wait`, with the
    /// exact time to come back; [`Reason::Never`] when `cost` is more than `queue` and one.
    pub fn reserve_many(
        &self,
        cost: u64,
        max_wait: Nanos,
        now: Nanos,
    ) -> Result<Reservation, Rejected> {
        let quota = self.quota.load();
        let span = quota.span(cost);
        if span > quota.tolerance {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        let scale = self.scale();
        let limited = |wait: Option<u64>| Rejected {
            reason: Reason::Limited,
            retry_after: wait
                .and_then(|wait| policy::retry_after(now, wait, scale, quota.tolerance)),
        };
        let at = now.get().checked_mul(scale).ok_or_else(|| limited(None))?;
        let max_wait = max_wait.get().saturating_mul(scale);
        let (tat, next) = self
            .tat
            .swap(|tat| {
                let longer = fault!("queue_one_longer", quota.interval, 0);
                let queued = policy::admit(tat, at, span, quota.tolerance, longer);
                match (queued, tat.saturating_sub(at).checked_sub(max_wait)) {
                    (queued, None | Some(0)) => queued,
                    (Err(None), _) => Err(None),
                    (Ok(_), Some(over)) => Err(Some(over)),
                    (Err(Some(wait)), Some(over)) => Err(Some(wait.max(over))),
                }
            })
            .map_err(limited)?;
        let base = tat.max(at);
        let wait = policy::nanos(fault!("turns_at_once", 0, base - at), scale);
        Ok(Reservation::new(wait, base, next))
    }

    /// Takes one turn at `now`, if it is free at once.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the exact time to come back.
    pub fn try_acquire(&self, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(1, now)
    }

    /// Takes `cost` turns in a row, if the first is free at once.
    ///
    /// # Errors
    /// As [`reserve_many`](Self::reserve_many).
    pub fn try_acquire_many(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        if cost == 0 {
            return Ok(());
        }
        self.reserve_many(cost, Nanos::ZERO, now).map(|_| ())
    }

    /// Gives a reservation back at `now`, once. Those behind it keep their turns, so that much less is free again.
    pub fn cancel(&self, reservation: Reservation, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        self.tat
            .update(|tat| policy::refund(tat, now, reservation.given_back(tat, now)));
    }

    /// Gives `cost` turns at the end of the queue back at `now`. Give back only what was taken; in the middle
    /// of the queue, with [`cancel`](Self::cancel).
    pub fn refund(&self, cost: u64, now: Nanos) {
        let now = now.get().saturating_mul(self.scale());
        let span = self.quota.load().span(cost);
        self.tat.update(|tat| policy::refund(tat, now, span));
    }

    /// Units that would get a turn at `now`, at once or after a wait.
    pub fn available(&self, now: Nanos) -> u64 {
        let Some(at) = now.get().checked_mul(self.scale()) else {
            return 0;
        };
        let quota = self.quota.load();
        policy::room(self.tat.load(), at, quota.tolerance) / quota.interval
    }

    /// Changes rate and queue; turns that were given stay. Of two changes at once, one stays.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); nothing is changed then.
    pub fn configure(&self, rate: Rate, queue: u64) -> Result<(), ConfigError> {
        self.quota.store(checked(rate, queue, self.scale())?);
        Ok(())
    }

    /// Forgets who waits: the next turn is free.
    pub fn reset(&self) {
        self.tat.reset();
    }

    fn scale(&self) -> u64 {
        // Relaxed: written once, before the limiter is shared. A word of shared memory may be anything.
        self.scale.load(Ordering::Relaxed).clamp(1, 8)
    }
}

/// The quota of a bucket whose burst is the queue and the one whose turn it is.
const fn checked(rate: Rate, queue: u64, scale: u64) -> Result<Quota, ConfigError> {
    let interval = match Quota::interval(rate, scale) {
        Ok(interval) => interval,
        Err(error) => return Err(error),
    };
    let tolerance = match queue.checked_add(1) {
        Some(turns) => Quota::tolerance(interval, turns, scale),
        None => None,
    };
    match tolerance {
        Some(tolerance) => Ok(Quota {
            interval: interval as u64,
            burst: queue.saturating_add(1),
            tolerance,
        }),
        None => Err(ConfigError::integer(
            "queue",
            queue,
            "as many as the rate serves in 18 years; choose a shorter queue or a higher rate",
        )),
    }
}
