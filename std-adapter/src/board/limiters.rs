//! [`BoardTokenBucket`] and [`BoardConcurrencyLimit`]: limits that all processes share.

use super::Shared;
use super::breaker::no_slot;
use super::named::Named;
use crate::clock::MonotonicClock;
use crate::limiter::decide;
use fuseboard_core::{Owner, Places, Reason, Rejected, SlotId, TokenBucketRateLimiter};
use std::sync::Arc;

/// A token bucket on a [`Board`](super::Board): one rate for all processes together.
#[derive(Debug)]
pub struct BoardTokenBucket(pub(super) Named<TokenBucketRateLimiter>);

impl BoardTokenBucket {
    /// Its name on the board.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When to come back. [`Reason::Full`]: the name was removed, and no slot is free for it any more.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        self.try_acquire_many(1)
    }

    /// Takes `cost` tokens, all or none.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire), or never where `cost` is more than the burst.
    pub fn try_acquire_many(&self, cost: u64) -> Result<(), Rejected> {
        let (words, _) = self.0.policy().map_err(no_slot)?;
        decide(&MonotonicClock, |now| words.try_acquire_many(cost, now))
    }
}

type Words = Places<128>;

/// A concurrency limit on a [`Board`](super::Board): so many calls at once in all processes together.
#[derive(Debug)]
pub struct BoardConcurrencyLimit(pub(super) Named<Words>);

impl BoardConcurrencyLimit {
    /// Its name on the board.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Takes one place, held as long as the permit, or this process.
    ///
    /// # Errors
    /// [`Reason::Full`]: all places are taken, by processes that live; or 128 others are attached.
    pub fn try_acquire(&self) -> Result<BoardConcurrencyPermit, Rejected> {
        let shared = self.0.shared();
        let owner = shared.owner().map_err(no_slot)?;
        let (places, id) = self.0.policy().map_err(no_slot)?;
        match places.acquire(owner) {
            // Perhaps some of them are held by the dead.
            Err(full) if full.reason == Reason::Full && shared.sweep() => places.acquire(owner)?,
            taken => taken?,
        }
        Ok(BoardConcurrencyPermit {
            shared: Arc::clone(shared),
            id,
            owner,
        })
    }

    /// Calls in flight, of all processes. 0 when the name was removed and cannot be claimed again.
    pub fn in_flight(&self) -> u16 {
        self.0.policy().map_or(0, |(places, _)| places.in_flight())
    }
}

/// One place of a [`BoardConcurrencyLimit`]; dropping it gives the place back, and so does the end of its process.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place"]
pub struct BoardConcurrencyPermit {
    shared: Arc<Shared>,
    id: SlotId,
    owner: Owner,
}

impl Drop for BoardConcurrencyPermit {
    fn drop(&mut self) {
        // In a forked child it is a copy of the parent's, who gives it back.
        if self.shared.is_own(self.owner)
            && let Some(places) = Named::<Words>::policy_of(&self.shared, self.id)
        {
            places.release(self.owner);
        }
    }
}
