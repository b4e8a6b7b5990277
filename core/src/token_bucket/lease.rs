//! [`TokenLease`]: units of a bucket in the hand of one thread.

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::token_bucket::{Taken, TokenBucketRateLimiter};

/// Units that one thread took from a [`TokenBucketRateLimiter`] and spends with plain loads and stores.
///
/// The bucket counts them as admitted when the lease takes them, so all leases and direct requests together
/// never pass more than burst and rate allow, counted so. Others may be rejected while a lease holds units it does
/// not spend: at most `batch` units a lease, spent no later than `lifetime` after it last took some, and held until it is
/// used again or [`give_back`](Self::give_back) is called. Dropping a lease gives nothing back, since it does not
/// know the time: its units count as spent.
///
/// ```
/// use fuseboard_core::{Nanos, Rate, TokenBucketRateLimiter};
///
/// static API: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(1_000), 100);
///
/// let now = Nanos::from_secs(1);
/// let mut lease = API.lease(10, Nanos::from_millis(5));
/// assert!(lease.try_acquire(now).is_ok());
/// assert_eq!((lease.left(), API.available(now)), (9, 90));
/// lease.give_back(now);
/// assert_eq!(API.available(now), 99);
/// ```
#[derive(Debug)]
pub struct TokenLease<'a> {
    bucket: &'a TokenBucketRateLimiter,
    left: u64,
    /// The admission that they are of.
    taken: Taken,
    expires: Nanos,
    batch: u64,
    lifetime: Nanos,
}

impl<'a> TokenLease<'a> {
    pub(crate) const fn new(
        bucket: &'a TokenBucketRateLimiter,
        batch: u64,
        lifetime: Nanos,
    ) -> Self {
        Self {
            bucket,
            left: 0,
            taken: Taken::NONE,
            expires: Nanos::ZERO,
            batch,
            lifetime,
        }
    }

    /// Takes one unit at `now`, from the lease where it has one.
    ///
    /// # Errors
    /// As [`TokenBucketRateLimiter::try_acquire`].
    #[inline]
    pub fn try_acquire(&mut self, now: Nanos) -> Result<(), Rejected> {
        self.try_acquire_many(1, now)
    }

    /// Takes `cost` units at `now`, or none, from the lease as far as it has them.
    ///
    /// # Errors
    /// As [`TokenBucketRateLimiter::try_acquire_many`].
    #[inline]
    pub fn try_acquire_many(&mut self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        if cost <= self.left && now < self.expires {
            self.left -= cost;
            return Ok(());
        }
        self.refill(cost, now)
    }

    /// Gives the units that are left back to the bucket, less what the rate has given since they were taken: they may have
    /// flowed in again, and others may have taken them.
    pub fn give_back(&mut self, now: Nanos) {
        if self.left > 0 {
            self.bucket.give_back(self.left, &self.taken, now);
            self.left = 0;
        }
    }

    /// Units taken and not yet spent.
    pub const fn left(&self) -> u64 {
        self.left
    }

    #[cold]
    fn refill(&mut self, cost: u64, now: Nanos) -> Result<(), Rejected> {
        if now >= self.expires && !fault!("lease_keeps_expired") {
            self.give_back(now);
        }
        let quota = self.bucket.quota.load();
        if quota.span(cost) > quota.tolerance {
            return Err(Rejected {
                reason: Reason::Never,
                retry_after: None,
            });
        }
        let missing = cost.saturating_sub(self.left);
        if missing > 0 {
            let most = self.batch.max(missing);
            let taken = self.bucket.take(missing, most, Nanos::ZERO, now)?;
            // What was there before is spent now: what will be left is of this one.
            self.left = self.left.saturating_add(taken.units);
            self.taken = taken;
            self.expires = now.saturating_add(self.lifetime);
        }
        self.left = self.left.saturating_sub(cost);
        Ok(())
    }
}
