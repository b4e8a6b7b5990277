//! [`BreakerSlot`]: a breaker's slot on a board, which `CircuitBreaker` works with as with words of its own.

use super::Shared;
use super::named::{Named, rejected};
use fuseboard_core::{
    BoardBreaker, Nanos, Observer, Owner, RawPermit, Rejected, SlotId, Transition,
};

/// A named breaker on a board.
pub(crate) type BreakerSlot = Named<BoardBreaker>;

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
    /// The permit that it gives is tagged with where it was given. `now` is asked for the time, and whether it is to be precise.
    pub(crate) fn acquire(
        &self,
        now: impl FnOnce(bool) -> Nanos,
        observer: &impl Observer,
    ) -> Result<RawPermit, Rejected> {
        let (words, slot) = self.policy().map_err(rejected)?;
        let now = now(words.records_latency());
        let permit = words.acquire(now, &self.told(slot, observer))?;
        Ok(self.tagged(permit, slot))
    }

    /// A permit with where it was given, and whose place it has.
    pub(crate) fn tagged(&self, permit: RawPermit, slot: SlotId) -> RawPermit {
        let owner = if permit.is_probe() {
            let owner = self.shared().owner();
            owner.map_or(0, |owner| {
                HAS_OWNER | u32::from(owner.index()) << OWNER_SHIFT
            })
        } else {
            0
        };
        permit.tagged(ON_BOARD | owner | u32::from(slot.index()))
    }

    /// The words of a permit; `None` once their name was removed.
    #[inline]
    pub(crate) fn words_of(&self, permit: RawPermit) -> Option<&BoardBreaker> {
        let id = self.id();
        // In another slot the name is claimed anew, and the permit stale. In the same one the breaker knows by its generation.
        (u32::from(id.index()) == permit.tag() & SLOT_MASK)
            .then(|| self.policy_of(id))
            .flatten()
    }

    /// Who is told of its changes: the board's log, and `observer`.
    pub(crate) fn told<'a, O: Observer>(&'a self, slot: SlotId, observer: &'a O) -> Told<'a, O> {
        Told {
            shared: self.shared(),
            slot,
            observer,
        }
    }

    /// Whether dropping the permit gives nothing back: it is a probe of this process's parent, who gives it back.
    pub(crate) fn is_of_another(&self, permit: RawPermit) -> bool {
        let tag = permit.tag();
        let owner = Owner::new((tag >> OWNER_SHIFT) as u16 & 0x3FF);
        tag & HAS_OWNER != 0 && !self.shared().is_own(owner)
    }
}

/// Writes a change down for all processes, then tells it to an observer in this one.
pub(crate) struct Told<'a, O> {
    shared: &'a Shared,
    slot: SlotId,
    observer: &'a O,
}

impl<O: Observer> Observer for Told<'_, O> {
    fn transition(&self, transition: &Transition) {
        self.shared.tell(self.slot, transition);
        self.observer.transition(transition);
    }
}
