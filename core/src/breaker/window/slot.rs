//! One slot of a time window, in one word.
//!
//! ```text
//!  63        54 53        44 43              22 21               0
//! +------------+------------+------------------+------------------+
//! | generation |    tick    |     failures     |       calls      |
//! |   10 low   |   10 low   |        22        |        22        |
//! +------------+------------+------------------+------------------+
//! ```
//! The twin word of the slow calls has the same tag. It keeps its count in place of the calls, and in place of the failures
//! the calls in flight that started in the slot, where they are watched.
//!
//! **Saturation.** A slot whose calls or failures reach half of their field is halved, both counts
//! together and right after them the slow calls of its twin: the ratios stay, the half that leaves goes
//! to the totals. The other half of the field takes what is added meanwhile: 2^21, or 2,000 stalled
//! threads with the greatest weight.

use crate::breaker::window::Totals;
use crate::event::Counts;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering};

const COUNT_BITS: u32 = 22;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const TAG_SHIFT: u32 = 2 * COUNT_BITS;
const PART_BITS: u32 = 10;
const PART_MASK: u64 = (1 << PART_BITS) - 1;
const HALF: u64 = 1 << (COUNT_BITS - 1);
/// Most calls in flight that a slot counts; more are not watched. Below the half, so that they never look like a full count.
const IN_FLIGHT_MAX: u64 = HALF - 1;
/// The greatest weight of one outcome.
pub(super) const WEIGHT_MAX: u32 = 1_000;
// A halved slot still satisfies the largest minimum, so halving never makes a window too small to judge.
const _: () = assert!(HALF / 2 >= crate::breaker::rules::MINIMUM_MAX);

/// An addition to a slot that was not the recorder's own any more.
#[derive(Clone, Copy, Debug)]
#[must_use = "it is counted until it is taken back"]
pub(crate) struct Misplaced<'a> {
    word: &'a AtomicU64,
    /// What the slot held before.
    held: Slot,
}

impl Misplaced<'_> {
    /// Takes it back from the slot, or where that has been emptied since, from the totals, which have got it then or will have it. A mere
    /// subtraction would be one from zero, which borrows from the tag. `is_twin`: of slow calls.
    #[cold]
    #[inline(never)]
    pub(super) fn take_back(self, addition: u64, totals: &Totals, is_twin: bool) {
        let Self { word, held } = self;
        if fault!("taken_back_blindly") {
            // Relaxed: a fault for the tests to catch.
            word.fetch_sub(addition, Ordering::Relaxed);
            return;
        }
        let added = Slot(addition);
        // Relaxed: what nobody should have seen; the swap below looks again.
        let mut seen = Slot(word.load(Ordering::Relaxed));
        while seen.has_tag_of(held)
            && seen.calls() >= added.calls()
            && seen.failures() >= added.failures()
        {
            // Relaxed: takes back what nobody should have seen.
            match word.compare_exchange(
                seen.0,
                seen.0 - addition,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => seen = Slot(now),
            }
        }
        let (calls, failures) = (added.calls(), added.failures());
        totals.add(Counts {
            calls: if is_twin { 0 } else { calls.wrapping_neg() },
            failures: failures.wrapping_neg(),
            slow: if is_twin { calls.wrapping_neg() } else { 0 },
        });
    }
}

/// One value of a slot word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u64);

impl Slot {
    /// The slot as a recorder sees it before it adds.
    #[inline]
    pub(super) fn load(word: &AtomicU64) -> Self {
        // Acquire: pairs with the Release of whoever gave the slot another tag: a recorder's check of the
        // state must not see an older one than he did, or it would take a new generation's slot for
        // an old one.
        Self(word.load(fault!(
            "slot_load_relaxed",
            Ordering::Relaxed,
            Ordering::Acquire
        )))
    }

    /// Whether a recorder may add to the slot as it is: it has the tag of an empty one, and neither count
    /// is half full. One test of the bits.
    #[inline]
    pub(super) const fn takes(self, expected: Self) -> bool {
        const HALF_FULL: u64 = Slot::addition(HALF, HALF);
        const TAG: u64 = !0 << TAG_SHIFT;
        (self.0 ^ expected.0) & (TAG | HALF_FULL) == 0
    }

    /// Adds to a slot that had the expected tag when it was loaded; gives what it held before.
    ///
    /// # Errors
    /// What it held where it was reused meanwhile: to be taken back.
    #[inline]
    pub(super) fn add(
        word: &AtomicU64,
        expected: Self,
        addition: u64,
    ) -> Result<Self, Misplaced<'_>> {
        if fault!("record_in_two_steps") {
            // Relaxed: a fault for the tests to catch.
            let old = Self(word.load(Ordering::Relaxed));
            // Asked again: it gives way to another thread.
            if fault!("record_in_two_steps") {
                // Relaxed: as above.
                word.store(old.0.wrapping_add(addition), Ordering::Relaxed);
            }
            return Ok(old);
        }
        // Release: pairs with the Acquire loads of `sum`.
        let held = Self(word.fetch_add(addition, Ordering::Release));
        if held.has_tag_of(expected) || fault!("record_without_recheck") {
            return Ok(held);
        }
        Err(Misplaced { word, held })
    }

    /// The tag of `tick` in `generation`, with nothing counted.
    pub(super) const fn empty(generation: u32, tick: u64) -> Self {
        let generation = generation as u64 & PART_MASK;
        Self((generation << PART_BITS | tick & PART_MASK) << TAG_SHIFT)
    }

    /// What to add to the word for so many calls and failures.
    pub(super) const fn addition(calls: u64, failures: u64) -> u64 {
        failures << COUNT_BITS | calls
    }

    /// Counts from outside, made to fit: the ratio stays.
    pub(super) fn counts_within(mut calls: u64, mut failures: u64) -> Counts {
        failures = failures.min(calls);
        while calls >= HALF {
            calls /= 2;
            failures /= 2;
        }
        Counts {
            calls,
            failures,
            slow: 0,
        }
    }

    pub(super) const fn has_tag_of(self, other: Self) -> bool {
        (self.0 ^ other.0) >> TAG_SHIFT == 0
    }

    pub(super) const fn is_of(self, generation: u32) -> bool {
        (self.0 >> (TAG_SHIFT + PART_BITS)) == generation as u64 & PART_MASK
    }

    /// How many slots before `newest` the slot's tick lies, modulo 2^10.
    pub(super) const fn age(self, newest: u64) -> u64 {
        newest.wrapping_sub(self.0 >> TAG_SHIFT) & PART_MASK
    }

    pub(super) const fn calls(self) -> u64 {
        self.0 & COUNT_MASK
    }

    pub(super) const fn failures(self) -> u64 {
        self.0 >> COUNT_BITS & COUNT_MASK
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 & ((1 << TAG_SHIFT) - 1) == 0
    }

    /// The same tag, nothing counted.
    pub(super) const fn emptied(self) -> Self {
        Self(self.0 >> TAG_SHIFT << TAG_SHIFT)
    }

    /// One more call in flight, in a twin. `None`: its field is full.
    pub(super) const fn entered(self) -> Option<Self> {
        if self.failures() < IN_FLIGHT_MAX {
            Some(Self(self.0 + Self::addition(0, 1)))
        } else {
            None
        }
    }

    /// One call in flight less, in a twin. `None`: there is none.
    pub(super) const fn left(self) -> Option<Self> {
        if self.failures() > 0 {
            Some(Self(self.0 - Self::addition(0, 1)))
        } else {
            None
        }
    }

    /// Calls in flight, of a twin.
    pub(super) const fn in_flight(self) -> u64 {
        self.failures()
    }

    /// A twin with its slow calls halved.
    pub(super) const fn halved_slow(self) -> Self {
        Self(self.0 - (self.calls() - self.calls() / 2))
    }

    /// Both counts halved.
    pub(super) const fn halved(self) -> Self {
        Self(self.emptied().0 | Self::addition(self.calls() / 2, self.failures() / 2))
    }

    pub(super) const fn counts(self) -> Counts {
        Counts {
            calls: self.calls(),
            failures: self.failures(),
            slow: 0,
        }
    }
}
