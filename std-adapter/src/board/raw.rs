//! [`RawBreaker`], [`RawTokenBucket`], [`RawConcurrencyLimit`]: slots for hosts of languages without destructors, which bring the time themselves.

use super::named::{Named, rejected};
use super::{Board, BoardError, BreakerSlot, BucketSlot, LimitSlot, limits};
use fuseboard_core::{
    BoardBreaker, CircuitBreakerConfig, ClaimError, ConfigError, Nanos, Observer, Outcome, Rate,
    RawPermit, Rejected, Settled, TokenBucketConfig, TokenBucketRateLimiter, Transition,
    WhenDifferent,
};

/// A breaker on a board: permits are plain values that nothing gives back by itself, and time is an argument. It is in nanoseconds of the
/// system's monotonic clock, which all processes share.
#[derive(Debug)]
pub struct RawBreaker(BreakerSlot);

impl RawBreaker {
    /// The words, for what asks for no permit.
    ///
    /// # Errors
    /// The name was removed from its board, which has no slot for it any more.
    pub fn words(&self) -> Result<&BoardBreaker, Rejected> {
        self.0.policy().map(|(words, _)| words).map_err(rejected)
    }

    /// Writes a change down in the board's log that was made by the [`words`](Self::words) themselves: for the observer given to them. The other
    /// methods here do so by themselves.
    pub fn tell(&self, transition: &Transition) {
        self.0.told(self.0.id(), &()).transition(transition);
    }

    /// Asks for one call. The permit is [tagged](RawPermit::tagged): settle it here only.
    ///
    /// # Errors
    /// Why not, and when to come back.
    pub fn acquire(&self, now: Nanos, observer: &impl Observer) -> Result<RawPermit, Rejected> {
        self.0.acquire(|_| now, observer)
    }

    /// Settles a permit; a failure counts as `weight` failed calls.
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.words_of(permit).map_or(Settled::Stale, |words| {
            let told = self.0.told(self.0.id(), observer);
            words.settle_weighted(permit.untagged(), outcome, weight, now, &told)
        })
    }

    /// Gives a permit back without an outcome; in a forked child nothing happens to those of its parent.
    pub fn cancel(&self, permit: RawPermit, observer: &impl Observer) -> Settled {
        if self.0.is_of_another(permit) {
            return Settled::Stale;
        }
        self.words_of(permit).map_or(Settled::Stale, |words| {
            words.cancel(permit.untagged(), &self.0.told(self.0.id(), observer))
        })
    }

    /// A permit that the [`words`](Self::words) gave, tagged as those of [`acquire`](Self::acquire) are.
    pub fn tagged(&self, permit: RawPermit) -> RawPermit {
        self.0.tagged(permit, self.0.id())
    }

    /// A tagged permit as the [`words`](Self::words) gave it; `None` when they would take it for one of theirs and it is not: the name was
    /// removed since. Where `is_given_back`, also for a probe of a forked child's parent, who gives it back.
    pub fn untagged(&self, permit: RawPermit, is_given_back: bool) -> Option<RawPermit> {
        if is_given_back && self.0.is_of_another(permit) {
            return None;
        }
        self.words_of(permit).map(|_| permit.untagged())
    }

    fn words_of(&self, permit: RawPermit) -> Option<&BoardBreaker> {
        self.0.words_of(permit)
    }
}

/// A token bucket on a board, with the time as an argument: nanoseconds of the system's monotonic clock.
#[derive(Debug)]
pub struct RawTokenBucket(BucketSlot);

impl RawTokenBucket {
    /// The words.
    ///
    /// # Errors
    /// The name was removed from its board, which has no slot for it any more.
    pub fn words(&self) -> Result<&TokenBucketRateLimiter, Rejected> {
        self.0.words()
    }
}

/// A concurrency limit on a board, whose places are given back by hand.
#[derive(Debug)]
pub struct RawConcurrencyLimit(LimitSlot);

impl RawConcurrencyLimit {
    /// Takes a place for this process.
    ///
    /// # Errors
    /// All are taken; or the name was removed from its board, which has no slot for it any more.
    pub fn acquire(&self) -> Result<(), Rejected> {
        self.0.acquire().map(|_| ())
    }

    /// Gives a place of this process back; `false` when it has none. What a forked child's parent took is not the child's.
    pub fn release(&self) -> bool {
        self.0.release_one()
    }

    /// Calls in flight among all processes, and the limit; zeroes where the name has no slot any more.
    pub fn numbers(&self) -> (u32, u32) {
        self.0.numbers()
    }

    /// Changes the limit for all processes.
    ///
    /// # Errors
    /// `limit` where it is out of its range; nothing has changed then.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.0.set_limit(limit)
    }
}

/// For hosts of other languages.
impl Board {
    /// As [`breaker_with`](Self::breaker_with), for a host that settles by hand and brings the time.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn raw_breaker(
        &self,
        name: &str,
        config: CircuitBreakerConfig,
        when_different: WhenDifferent,
    ) -> Result<RawBreaker, BoardError> {
        Named::claim(self, name, config, when_different).map(RawBreaker)
    }

    /// As [`token_bucket_with`](Self::token_bucket_with), for a host that brings the time.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn raw_token_bucket(
        &self,
        name: &str,
        rate: Rate,
        burst: u64,
        when_different: WhenDifferent,
    ) -> Result<RawTokenBucket, BoardError> {
        let config = TokenBucketConfig { rate, burst };
        Named::claim(self, name, config, when_different).map(RawTokenBucket)
    }

    /// As [`concurrency_limit_with`](Self::concurrency_limit_with), for a host that gives places back by hand.
    ///
    /// # Errors
    /// As `breaker`.
    pub fn raw_concurrency_limit(
        &self,
        name: &str,
        limit: u32,
        when_different: WhenDifferent,
    ) -> Result<RawConcurrencyLimit, BoardError> {
        let limit = limits::checked(limit).map_err(ClaimError::Config)?;
        Named::claim(self, name, limit, when_different).map(RawConcurrencyLimit)
    }
}
