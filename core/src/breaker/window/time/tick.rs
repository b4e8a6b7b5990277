//! [`Tick`]: one value of the tick word.
//!
//! ```text
//! tick word  63                    12 11     6  5      4        0
//!           +------------------------+--------+------+-----------+
//!           |          tick          |  index |mature| generation|
//!           |           52           |    6   |   1  |   5 low   |
//!           +------------------------+--------+------+-----------+
//! ```
//!
//! *Mature* says that in this tick the window of that generation has reached the minimum, so a
//! success need not judge: calls only grow within a tick.

use crate::breaker::rules::SLOTS_MAX;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering};

const TICK_SHIFT: u32 = 12;
const INDEX_SHIFT: u32 = 6;
const INDEX_MASK: u64 = (1 << 6) - 1;
pub(super) const MATURE: u64 = 1 << 5;
const MATURE_GENERATION: u64 = MATURE - 1;
const _: () = assert!(SLOTS_MAX as u64 <= INDEX_MASK);
const _: () = assert!(
    u64::MAX / crate::breaker::rules::SLOT_MIN.get() < 1 << (64 - TICK_SHIFT),
    "every tick fits"
);

/// One value of the tick word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::breaker::window) struct Tick(pub(in crate::breaker::window) u64);

impl Tick {
    /// The largest tick that anybody was shown.
    #[inline]
    pub(in crate::breaker::window) fn load(word: &AtomicU64) -> Self {
        // Acquire: pairs with the raise, so the slots that it emptied are seen empty.
        Self(word.load(Ordering::Acquire))
    }

    pub(in crate::breaker::window) fn at(now: Nanos, slot: Nanos, slots: u64) -> Self {
        let number = fault!("window_stands_still", 0, now.get() / slot.get().max(1));
        Self(number << TICK_SHIFT | (number % slots.max(1)) << INDEX_SHIFT)
    }

    pub(in crate::breaker::window) fn number(self) -> u64 {
        self.0 >> TICK_SHIFT
    }

    pub(in crate::breaker::window) fn index(self) -> usize {
        (self.0 >> INDEX_SHIFT & INDEX_MASK) as usize
    }

    /// The first moment of the slot.
    pub(in crate::breaker::window) fn start(self, slot: Nanos) -> Nanos {
        Nanos::new(self.number().saturating_mul(slot.get()))
    }

    /// The first moment after the slot.
    pub(in crate::breaker::window) fn end(self, slot: Nanos) -> Nanos {
        Nanos::new((self.number() + 1).saturating_mul(slot.get()))
    }

    /// Whether `now` is in the slot. An older one is not, though it would count there: then the product, which is never later than
    /// the time that raised the tick, needs no check, and no slot of length zero holds anything.
    #[inline]
    pub(in crate::breaker::window) fn is_at(self, now: Nanos, slot: Nanos) -> bool {
        let start = self.number().wrapping_mul(slot.get());
        now.get().wrapping_sub(start) < slot.get()
    }

    /// Whether the window of `generation` has reached the minimum in this tick.
    pub(in crate::breaker::window) fn is_mature(self, generation: u32) -> bool {
        (self.0 ^ (MATURE | u64::from(generation))) & (MATURE | MATURE_GENERATION) == 0
    }

    /// The same tick, in which the window of `generation` has reached the minimum.
    pub(in crate::breaker::window) fn mature(self, generation: u32) -> Self {
        let kept = self.0 & !(MATURE | MATURE_GENERATION);
        Self(kept | MATURE | u64::from(generation) & MATURE_GENERATION)
    }
}
