//! [`Admission`]: a breaker, a concurrency limit and a rate limiter, asked as one.

mod permit;

use crate::adaptive::AdaptiveLimit;
use crate::breaker::CircuitBreaker;
use crate::breaker::permit::RawPermit;
use crate::concurrency::ConcurrencyLimit;
use crate::event::Observer;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};
use crate::rejected::Rejected;
use crate::token_bucket::TokenBucketRateLimiter;

pub use crate::admission::permit::AdmissionPermit;

/// Where the places are.
#[derive(Clone, Copy, Debug)]
enum Places<'a> {
    Fixed(&'a ConcurrencyLimit),
    Adaptive(&'a AdaptiveLimit),
}

/// Asks breaker, concurrency limit and rate limiter as one: all of them admit, or it is as if none had been asked.
///
/// # The order
///
/// 1. The breaker is looked at (`check`): while it rejects, nothing else is touched and the call is rejected for the breaker's reason.
/// 2. A place is taken, 3. tokens are taken: both can be given back without a trace.
/// 4. The breaker is asked last, since only its admission cannot be undone: it may begin a half-open round, which raises the
///    generation and tells the observer. By then nobody can reject any more but the breaker itself.
///
/// So a full or rate-limited moment never turns an open breaker half-open, never takes a probe's place, and never costs a ramping
/// breaker a credit. Calls that the breaker or the concurrency limit rejects cost no tokens.
///
/// # What cannot be avoided
///
/// - While one call holds a place or tokens that it is about to give back, another may be rejected for want of them, in particular
///   when the breaker changes between steps 1 and 4. A token bucket that was full before its own time (a stale
///   `now`) is full at `now` after the refund.
/// - Where the breaker rejects at step 1 and, asked in earnest so that it counts the rejection, admits after all, because somebody
///   changed it meanwhile, its permit is held through the steps 2 and 3. If they reject, it is cancelled: the place is free again,
///   a transition that this one admission caused stays, and the total of ignored calls is one higher.
///
/// An admitted call's tokens are spent, however it ends.
///
/// # Source
///
/// Reserve and roll back, as in a two-phase commit whose last participant decides (J. Gray, 1978). The faults that it answers:
/// a probe lost to a limiter behind the breaker is known from at least six libraries.
///
/// ```
/// use fuseboard_core::*;
///
/// static BREAKER: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// static PLACES: ConcurrencyLimit = ConcurrencyLimit::new(1);
/// static RATE: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(100), 10);
/// static ORDERS: Admission = Admission::new(&BREAKER)
///     .concurrency(&PLACES)
///     .limiter(&RATE);
///
/// let now = Nanos::from_secs(1);
/// let permit = ORDERS.try_acquire(now).expect("all three admit");
/// assert_eq!(ORDERS.try_acquire(now).unwrap_err().reason, Reason::Full);
/// assert_eq!(RATE.available(now), 9); // the rejected one took no token
/// permit.success(now);
/// assert_eq!(PLACES.in_flight(), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Admission<
    'a,
    const SLOTS: usize = 10,
    const STRIPES: usize = 1,
    const HANDLES: usize = 0,
> {
    breaker: &'a CircuitBreaker<SLOTS, STRIPES, HANDLES>,
    places: Option<Places<'a>>,
    limiter: Option<&'a TokenBucketRateLimiter>,
}

impl<'a, const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    Admission<'a, SLOTS, STRIPES, HANDLES>
{
    /// Only the breaker.
    pub const fn new(breaker: &'a CircuitBreaker<SLOTS, STRIPES, HANDLES>) -> Self {
        Self {
            breaker,
            places: None,
            limiter: None,
        }
    }

    /// And a fixed number of places; replaces an adaptive one.
    #[must_use]
    pub const fn concurrency(mut self, limit: &'a ConcurrencyLimit) -> Self {
        self.places = Some(Places::Fixed(limit));
        self
    }

    /// And an adaptive number of places, which learns from success and failure; replaces a fixed one.
    #[must_use]
    pub const fn adaptive(mut self, limit: &'a AdaptiveLimit) -> Self {
        self.places = Some(Places::Adaptive(limit));
        self
    }

    /// And a rate.
    #[must_use]
    pub const fn limiter(mut self, limiter: &'a TokenBucketRateLimiter) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Asks for one call at `now`.
    ///
    /// # Errors
    /// The first that rejects, in the order breaker, concurrency, limiter.
    #[inline]
    pub fn try_acquire(
        &self,
        now: Nanos,
    ) -> Result<AdmissionPermit<'a, SLOTS, STRIPES, HANDLES>, Rejected> {
        self.acquire(1, now, &())
            .map(|raw| AdmissionPermit::new(*self, raw))
    }

    /// As [`try_acquire`](Self::try_acquire), for a call that costs so many tokens.
    ///
    /// # Errors
    /// As `try_acquire`; [`Reason::Never`](crate::Reason::Never) when the cost is more than the limiter's burst.
    #[inline]
    pub fn try_acquire_many(
        &self,
        cost: u64,
        now: Nanos,
    ) -> Result<AdmissionPermit<'a, SLOTS, STRIPES, HANDLES>, Rejected> {
        self.acquire(cost, now, &())
            .map(|raw| AdmissionPermit::new(*self, raw))
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with the permit as the breaker's value and an observer. Settle it exactly
    /// once, here.
    ///
    /// # Errors
    /// As `try_acquire_many`.
    pub fn acquire(
        &self,
        cost: u64,
        now: Nanos,
        observer: &impl Observer,
    ) -> Result<RawPermit, Rejected> {
        let is_rejected = self.breaker.check(now).is_err();
        let early = if is_rejected || fault!("admission_breaker_first") {
            // In earnest: a rejection is counted, and a ramping breaker earns credit by it.
            Some(self.breaker.acquire(now, observer)?)
        } else {
            None
        };
        if let Err(rejected) = self.take(cost, now) {
            if let Some(permit) = early {
                let _ = self.breaker.cancel(permit, observer);
            }
            return Err(rejected);
        }
        match early {
            Some(permit) => Ok(permit),
            None => self.breaker.acquire(now, observer).inspect_err(|_| {
                if let Some(limiter) = self.limiter
                    && !fault!("admission_keeps_tokens")
                {
                    limiter.refund(cost, now);
                }
                self.give_place_back();
            }),
        }
    }

    /// Settles a permit at `now` with the outcome of its call: the place is given back, the adaptive limit and the breaker
    /// learn. What it says is the breaker's answer.
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        match self.places {
            Some(Places::Adaptive(places)) => {
                places.release_raw(permit.started(), outcome, now);
            }
            _ => self.give_place_back(),
        }
        self.breaker.settle(permit, outcome, now, observer)
    }

    /// Settles a permit whose call gave no outcome: neutral, and its places are free again.
    pub fn cancel(&self, permit: RawPermit, observer: &impl Observer) -> Settled {
        self.give_place_back();
        self.breaker.cancel(permit, observer)
    }

    /// Place and tokens, or neither.
    fn take(&self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        match self.places {
            None => {}
            Some(Places::Fixed(places)) => places.acquire_raw()?,
            Some(Places::Adaptive(places)) => places.acquire_raw()?,
        }
        match self.limiter {
            None => Ok(()),
            Some(limiter) => limiter.try_acquire_many(cost, now).inspect_err(|_| {
                if !fault!("admission_keeps_place") {
                    self.give_place_back();
                }
            }),
        }
    }

    fn give_place_back(&self) {
        if fault!("admission_permit_half_settled") {
            return;
        }
        match self.places {
            None => {}
            Some(Places::Fixed(places)) => {
                places.release_raw();
            }
            Some(Places::Adaptive(places)) => {
                places.cancel_raw();
            }
        }
    }
}
