//! [`BucketSlot`] and [`LimitSlot`]: the slots of limits on a board, which the limiters work with as with words of their own.

use super::named::{Named, rejected};
use fuseboard_core::{
    ConfigError, Owner, Places, Reason, Rejected, SlotId, TokenBucketRateLimiter,
};

/// A named token bucket on a board.
pub(crate) type BucketSlot = Named<TokenBucketRateLimiter>;

/// A named concurrency limit on a board.
pub(crate) type LimitSlot = Named<Places<128>>;

/// One place that was taken, and by whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    slot: SlotId,
    owner: Owner,
}

impl BucketSlot {
    pub(crate) fn words(&self) -> Result<&TokenBucketRateLimiter, Rejected> {
        self.policy().map(|(words, _)| words).map_err(rejected)
    }
}

impl LimitSlot {
    pub(crate) fn acquire(&self) -> Result<Place, Rejected> {
        let shared = self.shared();
        let owner = shared.owner().map_err(rejected)?;
        let (places, slot) = self.policy().map_err(rejected)?;
        match places.acquire(owner) {
            // Perhaps some of them are held by the dead.
            Err(full) if full.reason == Reason::Full && shared.sweep() => places.acquire(owner)?,
            taken => taken?,
        }
        Ok(Place { slot, owner })
    }

    pub(crate) fn release(&self, place: Place) {
        // In a forked child it is a copy of the parent's, who gives it back.
        if self.shared().is_own(place.owner)
            && let Some(places) = self.policy_of(place.slot)
        {
            places.release(place.owner);
        }
    }

    /// Gives one of this process's places back, whichever; `false` when it has none.
    pub(crate) fn release_one(&self) -> bool {
        let shared = self.shared();
        shared.owner().is_ok_and(|owner| {
            self.policy_of(self.id())
                .is_some_and(|places| places.release(owner))
        })
    }

    /// Calls in flight and the limit; zeroes where the name has no slot any more.
    pub(crate) fn numbers(&self) -> (u32, u32) {
        self.policy().map_or((0, 0), |(places, _)| {
            (places.in_flight().into(), places.limit().into())
        })
    }

    pub(crate) fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        let limit = checked(limit)?;
        let (places, _) = self.policy().map_err(|_| super::nowhere())?;
        places.set_limit(limit)
    }
}

/// A limit as a board's words hold it; zero is refused there.
pub(super) fn checked(limit: u32) -> Result<u16, ConfigError> {
    u16::try_from(limit).map_err(|_| {
        ConfigError::integer(
            "limit",
            limit.into(),
            "1 to 65535 calls in flight on a board",
        )
    })
}
