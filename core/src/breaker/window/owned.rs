//! The counters of one handle: only the thread that has it writes them, with plain loads and stores.
//!
//! ```text
//! generation   the one that every slot is of, or `NOBODY`
//! tag of a slot   its tick, or `NOBODY`
//! counts  63        43 42        22 21         0
//!        +------------+------------+------------+
//!        |    slow    |  failures  |    calls   |
//!        |     21     |     21     |     22     |
//!        +------------+------------+------------+
//! ```
//! Generation and tick stand in full, so that no pause of the owner makes them ambiguous, and nobody else ever empties a
//! slot. A reader takes a count only if the tag is the same before and after it, and the whole stripe only if the
//! generation is: what the owner moves meanwhile is a call in the middle of being counted.
//!
//! **Ready.** The owner also keeps, for itself alone, the tick word under which its last outcome went into a slot, where a success
//! need not be judged any more, and the end of that slot. While both stand, the next success is one load and one store.
//!
//! **Saturation.** A slot that is nearly full is halved, the three counts in one store: the ratios stay.

use crate::breaker::window::Sample;
use crate::breaker::window::slot::WEIGHT_MAX;
use crate::breaker::window::time::tick::Tick;
use crate::breaker::window::words::Totals;
use crate::event::Counts;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

const CALLS_BITS: u32 = 22;
const PART_BITS: u32 = 21;
const FAILURES_SHIFT: u32 = CALLS_BITS;
const SLOW_SHIFT: u32 = CALLS_BITS + PART_BITS;
const CALLS_MASK: u64 = (1 << CALLS_BITS) - 1;
const PART_MASK: u64 = (1 << PART_BITS) - 1;
/// A slot with so many calls is halved before the next outcome. Failures and slow calls never exceed the calls, so one
/// more outcome of the greatest weight still fits their fields.
const FULL: u64 = PART_MASK - WEIGHT_MAX as u64;
const _: () = assert!(SLOW_SHIFT + PART_BITS == 64);
// A halved slot still satisfies the largest minimum.
const _: () = assert!(FULL / 2 >= crate::breaker::rules::MINIMUM_MAX);

/// One more than any tick or generation: the tag of no slot.
const NOBODY: u64 = u64::MAX;

/// The words of one handle, on cache lines of their own.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct OwnedStripe<const SLOTS: usize> {
    /// 1 while a handle has the stripe.
    claimed: AtomicU64,
    generation: AtomicU64,
    /// The tick word under which the next success may be counted at once, or `NOBODY`.
    ready: AtomicU64,
    /// When the slot of that tick ends.
    ready_until: AtomicU64,
    rejected: AtomicU64,
    ignored: AtomicU64,
    totals: Totals,
    tags: [AtomicU64; SLOTS],
    counts: [AtomicU64; SLOTS],
}

/// One value of a slot's counts.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Held(u64);

impl Held {
    const fn new(counts: Counts) -> Self {
        Self(counts.slow << SLOW_SHIFT | counts.failures << FAILURES_SHIFT | counts.calls)
    }

    /// The three counts halved.
    const fn halved(self) -> Self {
        let counts = self.counts();
        Self::new(Counts {
            calls: counts.calls / 2,
            failures: counts.failures / 2,
            slow: counts.slow / 2,
        })
    }

    const fn counts(self) -> Counts {
        Counts {
            calls: self.0 & CALLS_MASK,
            failures: self.0 >> FAILURES_SHIFT & PART_MASK,
            slow: self.0 >> SLOW_SHIFT & PART_MASK,
        }
    }
}

/// Adds to a word that only the caller writes.
#[inline]
fn raise(word: &AtomicU64, by: u64) {
    // Relaxed: a counter for display, and the caller its only writer.
    word.store(
        word.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}

impl<const SLOTS: usize> OwnedStripe<SLOTS> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                claimed: AtomicU64::new(0),
                generation: AtomicU64::new(NOBODY),
                ready: AtomicU64::new(NOBODY),
                ready_until: AtomicU64::new(0),
                rejected: AtomicU64::new(0),
                ignored: AtomicU64::new(0),
                totals: Totals::new(),
                tags: zeroed_words!(),
                counts: zeroed_words!(),
            }
        }
    }

    /// Takes the stripe for a handle. `false`: another has it.
    pub(crate) fn claim(&self) -> bool {
        if fault!("handle_claim_twice") {
            return true;
        }
        // Acquire: pairs with `release`: the new owner goes on where the last one stopped.
        self.claimed
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives the stripe back; its counts stay.
    pub(crate) fn release(&self) {
        // Release: pairs with `claim`.
        self.claimed.store(0, Ordering::Release);
    }

    #[inline]
    pub(crate) fn count_rejected(&self) {
        raise(&self.rejected, 1);
    }

    pub(crate) fn count_ignored(&self) {
        raise(&self.ignored, 1);
    }

    /// Rejected and ignored.
    pub(crate) fn uncounted(&self) -> (u64, u64) {
        // Relaxed: counters for display.
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        (load(&self.rejected), load(&self.ignored))
    }

    /// Counts where no slot does: a window that keeps its calls elsewhere.
    pub(super) fn count_total(&self, counts: Counts) {
        self.totals.raise(counts);
    }

    /// Counts a success where the slot is ready for it and there is nothing to judge. `false`: nothing was counted.
    #[inline]
    pub(super) fn record_at_once(&self, tick: Tick, generation: u32, now: Nanos) -> bool {
        // Relaxed: the owner's own writes.
        let is_ready = self.ready.load(Ordering::Relaxed) == tick.0
            && self.generation.load(Ordering::Relaxed) == u64::from(generation)
            && now.get() < self.ready_until.load(Ordering::Relaxed);
        let Some(held) = self.counts.get(tick.index()) else {
            return false;
        };
        // Relaxed: as above.
        let before = held.load(Ordering::Relaxed);
        let takes = is_ready && before & CALLS_MASK < FULL;
        if takes {
            // Release: pairs with the Acquire in `counts_of`.
            held.store(before + 1, Ordering::Release);
        }
        takes
    }

    /// Counts one outcome in the slot of a tick, which ends at `end`; gives the calls it held before. The caller has seen that
    /// the generation stands, and no thread but the owner calls this. `None`: there is no such slot.
    pub(super) fn record(
        &self,
        tick: Tick,
        end: Nanos,
        generation: u32,
        sample: Sample,
    ) -> Option<u64> {
        let (tag, held) = (self.tags.get(tick.index())?, self.counts.get(tick.index())?);
        let ready = if tick.is_mature(generation) {
            tick.0
        } else {
            NOBODY
        };
        // Relaxed: only the owner reads them.
        self.ready.store(ready, Ordering::Relaxed);
        self.ready_until.store(end.get(), Ordering::Relaxed);
        // Relaxed: the owner's own writes.
        if self.generation.load(Ordering::Relaxed) != u64::from(generation) {
            self.renew(generation);
        }
        if tag.load(Ordering::Relaxed) != tick.number() {
            self.reuse(tag, held, tick.number());
        }
        let mut before = Held(held.load(Ordering::Relaxed));
        if before.counts().calls >= FULL {
            let (all, kept) = (before, before.halved());
            // No borrow: no count of a half exceeds that of the whole.
            self.totals.raise(Held(all.0 - kept.0).counts());
            before = kept;
        }
        // Release: pairs with the Acquire in `counts_of`.
        held.store(before.0 + Held::new(sample.counts()).0, Ordering::Release);
        Some(before.counts().calls)
    }

    /// Empties every slot for another generation.
    #[cold]
    fn renew(&self, generation: u32) {
        // Relaxed: the stores below are Release, so whoever sees one of them sees this one too.
        self.generation.store(NOBODY, Ordering::Relaxed);
        for (tag, held) in self.tags.iter().zip(&self.counts) {
            self.reuse(tag, held, NOBODY);
        }
        // Release: pairs with the Acquire in `sum`: whoever sees the generation sees its slots empty.
        self.generation
            .store(u64::from(generation), Ordering::Release);
    }

    /// Gives a slot another tag; what it held goes to the totals.
    #[cold]
    fn reuse(&self, tag: &AtomicU64, held: &AtomicU64, tick: u64) {
        // Relaxed: the owner's own write.
        self.totals
            .raise(Held(held.load(Ordering::Relaxed)).counts());
        if fault!("handle_tag_first") {
            // Release: a fault for the tests to catch.
            tag.store(tick, Ordering::Release);
        }
        // Relaxed: the next store is Release. A reader that still finds the old tag counts nothing of a slot that leaves.
        held.store(0, Ordering::Relaxed);
        // Release: pairs with the Acquire in `counts_of`: whoever sees the tag sees the count empty.
        tag.store(tick, Ordering::Release);
    }

    /// What the slots of `generation` hold whose ticks `weight` takes; each counts so many times.
    pub(super) fn sum(&self, generation: u32, weight: impl Fn(u64) -> Option<u64>) -> Counts {
        let mut sum = Counts::default();
        // Acquire: pairs with `renew`, and keeps the slots behind this load.
        if self.generation.load(Ordering::Acquire) != u64::from(generation) {
            return sum;
        }
        for (tag, held) in self.tags.iter().zip(&self.counts) {
            let Some((tick, counts)) = counts_of(tag, held) else {
                continue;
            };
            if let Some(weight) = weight(tick) {
                sum.calls += counts.calls * weight;
                sum.failures += counts.failures * weight;
                sum.slow += counts.slow * weight;
            }
        }
        // Relaxed: whoever saw a slot of the next generation sees by the Acquire in `counts_of` that this one is over.
        if self.generation.load(Ordering::Relaxed) != u64::from(generation) {
            return Counts::default();
        }
        sum
    }

    /// What the stripe ever counted.
    pub(super) fn totals(&self) -> Counts {
        let mut sum = self.totals.load();
        for held in &self.counts {
            // Relaxed: totals for display.
            let counts = Held(held.load(Ordering::Relaxed)).counts();
            sum = sum.plus(counts);
        }
        sum
    }
}

/// Tick and counts of a slot that somebody else may be writing. `None`: it is nobody's, or changes hands.
fn counts_of(tag: &AtomicU64, held: &AtomicU64) -> Option<(u64, Counts)> {
    // Acquire: pairs with the last store of `reuse`, and keeps the next load behind this one.
    let tick = tag.load(Ordering::Acquire);
    // Acquire: pairs with the stores of counts: what is of a later tick comes with the news that the tag is gone.
    let counts = Held(held.load(Ordering::Acquire)).counts();
    // Relaxed: ordered by the load before it.
    (tick != NOBODY && tag.load(Ordering::Relaxed) == tick).then_some((tick, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W4, R6: each field keeps its greatest value and leaves its neighbours alone.
    #[test]
    fn r6_fields_of_a_handle_do_not_touch() {
        for (calls, failures, slow) in [(CALLS_MASK, 0, 0), (0, PART_MASK, 0), (0, 0, PART_MASK)] {
            let counts = Counts {
                calls,
                failures,
                slow,
            };
            assert_eq!(Held::new(counts).counts(), counts);
        }
    }
}
