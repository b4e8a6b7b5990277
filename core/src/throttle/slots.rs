//! [`Slots`]: a count over the last so many slots of time. The only file that swaps them.
//!
//! ```text
//!  63            32 31             0
//! +----------------+----------------+
//! |  slot's number |     count      |
//! +----------------+----------------+
//! ```
//! Number and count are one truth: a count is never read under another slot's number, and none lands in a slot that was
//! reused. Recording is one swap.
//!
//! Orderings are Relaxed: each slot is whole by itself, and counting publishes no other memory.
//!
//! **Wrap-around.** Slots are numbered modulo 2^32 and compared by half the range: after 2^31 slots without a
//! count, an old one may pass for a new one. Counts stay at their greatest value.

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

/// Most slots: they are all read at each decision.
pub(crate) const SLOTS_MAX: usize = 64;
/// Shortest slot: the wrap-around is 248 days of idleness away.
const SLOT_MIN: u64 = 10_000_000;

/// The length of each of `slots` pieces of `window`; `None` where that is too short.
pub(crate) const fn length(window: Nanos, slots: usize) -> Option<Nanos> {
    match window.get().checked_div(slots as u64) {
        Some(slot) if slot >= SLOT_MIN => Some(Nanos::new(slot)),
        _ => None,
    }
}

#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Slots<const N: usize>([AtomicU64; N]);

impl<const N: usize> Slots<N> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self(zeroed_words!())
        }
    }

    /// Adds `count` to slot number `tick`, or to the later one that has taken its place.
    pub(crate) fn add(&self, tick: u64, count: u32) {
        self.update(tick, |number, held| {
            if held > 0 && (age(tick, number) <= 0 || fault!("slots_keep_old")) {
                Some((number, held.saturating_add(count)))
            } else {
                Some((tick as u32, count))
            }
        });
    }

    /// Raises the count of slot number `tick` to `count`; a slot that was reused is left alone.
    pub(crate) fn raise(&self, tick: u64, count: u32) {
        self.update(tick, |number, held| match age(tick, number) {
            0 => Some((number, held.max(count))),
            ..0 if held > 0 => None,
            _ => Some((tick as u32, count)),
        });
    }

    /// `change` gets the number and the count held; zero is a slot never used, whatever its number.
    fn update(&self, tick: u64, change: impl Fn(u32, u32) -> Option<(u32, u32)>) {
        if let Some(slot) = self.slot(tick) {
            if fault!("slots_store") {
                // Relaxed: a fault for the tests to catch.
                let (number, held) = split(slot.load(Ordering::Relaxed));
                if let Some((number, count)) = change(number, held) {
                    let word = u64::from(number) << 32 | u64::from(count);
                    // Relaxed: as above.
                    slot.store(word, Ordering::Relaxed);
                }
                return;
            }
            // Relaxed: see the head of the file.
            if fault!("slot_store") {
                // Relaxed: a fault for the tests to catch.
                let (number, held) = split(slot.load(Ordering::Relaxed));
                if let Some((number, count)) = change(number, held).filter(|_| fault!("slot_store"))
                {
                    // Relaxed: as above.
                    slot.store(
                        u64::from(number) << 32 | u64::from(count),
                        Ordering::Relaxed,
                    );
                }
                return;
            }
            let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                let (number, held) = split(word);
                change(number, held)
                    .map(|(number, count)| u64::from(number) << 32 | u64::from(count))
            });
        }
    }

    /// The counts of the `N` slots up to number `tick`; later ones, seen by a clock that went back, included.
    pub(crate) fn sum(&self, tick: u64) -> u64 {
        self.sum_but(tick, None)
    }

    /// As [`sum`](Self::sum), without the slot of this number.
    pub(crate) fn sum_but(&self, tick: u64, but: Option<u32>) -> u64 {
        (0..N as u64)
            .filter_map(|index| self.held(index))
            .filter(|&(number, _)| is_live::<N>(tick, number) && Some(number) != but)
            .map(|(_, count)| u64::from(count))
            .sum()
    }

    fn held(&self, tick: u64) -> Option<(u32, u32)> {
        // Relaxed: see the head of the file.
        self.slot(tick)
            .map(|slot| split(slot.load(Ordering::Relaxed)))
    }

    fn slot(&self, tick: u64) -> Option<&AtomicU64> {
        self.0.get((tick % N as u64) as usize)
    }
}

/// How many slots before `tick` the slot of this number was; negative: it is later.
pub(crate) const fn age(tick: u64, number: u32) -> i32 {
    (tick as u32).wrapping_sub(number).cast_signed()
}

/// Whether the slot of this number is one of the `N` up to `tick`, or later.
pub(crate) const fn is_live<const N: usize>(tick: u64, number: u32) -> bool {
    let age = age(tick, number);
    age < 0 || (age.unsigned_abs() as usize) < N
}

/// (number, count).
pub(crate) const fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
