//! [`BreakerSlot`]: a breaker's slot on a board, which `CircuitBreaker` works with as with words of its own.

use super::named::{Named, rejected};
use fuseboard_core::{Nanos, Observer, Owner, RawPermit, Rejected};

/// A breaker's words on a board.
pub(super) type Words = fuseboard_core::CircuitBreaker<10, 1>;

/// A named breaker on a board.
pub(crate) type BreakerSlot = Named<Words>;

/// Of a permit's tag: which slot gave it.
const SLOT_MASK: u32 = 0xFFFF;
/// And, of a probe, whose place it is.
const OWNER_SHIFT: u32 = 16;
const HAS_OWNER: u32 = 1 << 28;
/// Always: so that no permit of a board has the words of one without.
const ON_BOARD: u32 = 1 << 27;

// The owners of a board have ten bits.
const _: () = assert!(super::attachment::OWNERS <= 1 << 10);

impl BreakerSlot {
    /// The permit that it gives is tagged with where it was given.
    pub(crate) fn acquire(
        &self,
        now: Nanos,
        observer: &impl Observer,
    ) -> Result<RawPermit, Rejected> {
        let (words, slot) = self.policy().map_err(rejected)?;
        let permit = words.acquire(now, observer)?;
        let owner = if permit.is_probe() {
            let owner = self.shared().owner();
            owner.map_or(0, |owner| {
                HAS_OWNER | u32::from(owner.index()) << OWNER_SHIFT
            })
        } else {
            0
        };
        Ok(permit.tagged(ON_BOARD | owner | u32::from(slot.index())))
    }

    /// The words of a permit; `None` once their name was removed.
    #[inline]
    pub(crate) fn words_of(&self, permit: RawPermit) -> Option<&Words> {
        let id = self.id();
        // In another slot the name is claimed anew, and the permit stale. In the same one the breaker knows by its generation.
        (u32::from(id.index()) == permit.tag() & SLOT_MASK)
            .then(|| self.policy_of(id))
            .flatten()
    }

    /// Whether dropping the permit gives nothing back: it is a probe of this process's parent, who gives it back.
    pub(crate) fn is_of_another(&self, permit: RawPermit) -> bool {
        let tag = permit.tag();
        let owner = Owner::new((tag >> OWNER_SHIFT) as u16 & 0x3FF);
        tag & HAS_OWNER != 0 && !self.shared().is_own(owner)
    }
}
