//! What goes into a window, and what comes out of it to be judged.

use core::num::NonZeroU64;

use crate::breaker::window::slot::WEIGHT_MAX;
use crate::event::Counts;

/// One outcome, as the window takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(super) failed: bool,
    pub(super) slow: bool,
    /// How many calls it counts for; 1 to 1,000.
    pub(super) weight: u64,
}

impl Sample {
    #[inline]
    pub(crate) fn new(failed: bool, slow: bool, weight: u32) -> Self {
        Self {
            failed,
            slow,
            weight: u64::from(weight.clamp(1, WEIGHT_MAX)),
        }
    }

    /// What it adds to a window.
    pub(super) const fn counts(self) -> Counts {
        Counts {
            calls: self.weight,
            failures: if self.failed { self.weight } else { 0 },
            slow: if self.slow { self.weight } else { 0 },
        }
    }

    /// Whether the outcome can bring the breaker closer to a trip by itself.
    pub(crate) fn is_bad(self) -> bool {
        self.failed || self.slow
    }

    /// From [`bits`](Self::bits).
    pub(super) fn from_bits(bits: u64) -> Self {
        Self::new(bits & 2 != 0, bits & 1 != 0, 1)
    }

    /// The two bits of a count window's ring.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.failed) << 1 | u64::from(self.slow)
    }
}

/// What recording did, and what is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The generation is over; nothing was counted.
    Stale,
    /// Counted; it cannot have crossed a threshold.
    Counted,
    /// Counted; judge this.
    Judge(Judgement),
}

/// What a window holds after an outcome, exactly as it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) held: Weighed,
    /// Calls before this outcome, in the same units: at least those that no concurrent recorder
    /// can have added in the same slot.
    pub(crate) calls_before: u64,
    /// The tick of a time window.
    pub(crate) tick: Option<u64>,
}

/// Counts in fractions of a call: a decaying window's calls weigh less with age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weighed {
    pub(crate) counts: Counts,
    /// Units in one whole call.
    pub(crate) one: u64,
}

impl Weighed {
    pub(crate) const fn whole(counts: Counts) -> Self {
        Self { counts, one: 1 }
    }

    /// Both together; they are in the same units.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            counts: self.counts.plus(other.counts),
            one: self.one,
        }
    }

    /// In whole calls, rounded to the nearest.
    pub(crate) fn rounded(self) -> Counts {
        let one = NonZeroU64::new(self.one).unwrap_or(NonZeroU64::MIN);
        let round = |count: u64| (count + one.get() / 2) / one;
        Counts {
            calls: round(self.counts.calls),
            failures: round(self.counts.failures),
            slow: round(self.counts.slow),
        }
    }
}
