//! Adding to a slot that others share: tag, halving, and the slow calls beside it.

use crate::breaker::window::slot::Slot;
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::time::tick::Tick;
use crate::breaker::window::{Sample, Stripe};
use crate::event::Counts;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering};

/// What adding to a slot came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// Counted; the slot held so many calls before.
    To(u64),
    /// Not counted: the slot was reused meanwhile. Look again.
    Reused,
    /// Not counted: the generation is over.
    Stale,
}

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn record_shared(
        self,
        stripe: &Stripe<SLOTS>,
        generation: u32,
        tick: Tick,
        sample: Sample,
        is_current: &dyn Fn() -> bool,
    ) -> Added {
        let expected = Slot::empty(generation, tick.number());
        let Some((word, slow_word)) = stripe.at(tick.index()) else {
            return Added::Stale;
        };
        // The main count first: whoever sees the slow call sees the call (W2).
        let counts = sample.counts();
        let addition = Slot::addition(counts.calls, counts.failures);
        let added = self.add(word, Some(slow_word), expected, tick, addition, is_current);
        if counts.slow > 0 && matches!(added, Added::To(_)) {
            self.add_slow(slow_word, expected, tick, counts.slow, is_current);
        }
        added
    }

    /// Adds slow calls whose calls were added before. Where the slot is no more, they go to the totals.
    fn add_slow(
        self,
        slow_word: &AtomicU64,
        expected: Slot,
        tick: Tick,
        weight: u64,
        is_current: &dyn Fn() -> bool,
    ) {
        let addition = Slot::addition(weight, 0);
        loop {
            match self.add(slow_word, None, expected, tick, addition, is_current) {
                Added::To(_) => return,
                // Somebody else prepared the word.
                Added::Reused if self.holds(tick) => {}
                Added::Reused | Added::Stale => {
                    let leaving = Counts {
                        calls: weight,
                        ..Counts::default()
                    };
                    return self.fold(leaving, true);
                }
            }
        }
    }

    /// Adds to a slot that has the expected tag, making it so where needed. `twin`: the word of its slow
    /// calls, where `word` is not that itself.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn add(
        self,
        word: &AtomicU64,
        twin: Option<&AtomicU64>,
        expected: Slot,
        tick: Tick,
        addition: u64,
        is_current: &dyn Fn() -> bool,
    ) -> Added {
        let seen = Slot::load(word);
        if !seen.takes(expected) {
            match self.prepare(word, twin, seen, expected, tick, is_current) {
                Some(true) => {}
                Some(false) => return Added::Reused,
                None => return Added::Stale,
            }
        }
        match Slot::add(word, expected, addition) {
            Ok(held) => Added::To(held.calls()),
            Err(misplaced) => {
                misplaced.take_back(addition, self.totals, twin.is_none());
                Added::Reused
            }
        }
    }

    /// Gives the slot the expected tag, or halves it. `Some(false)`: look again.
    #[cold]
    pub(super) fn prepare(
        self,
        word: &AtomicU64,
        twin: Option<&AtomicU64>,
        seen: Slot,
        expected: Slot,
        tick: Tick,
        is_current: &dyn Fn() -> bool,
    ) -> Option<bool> {
        let (next, leaving) = if seen.has_tag_of(expected) {
            let next = if twin.is_some() {
                fault!("full_slot_starts_anew", seen.emptied(), seen.halved())
            } else {
                seen.halved_slow()
            };
            let (all, kept) = (seen.counts(), next.counts());
            let leaving = Counts {
                calls: all.calls - kept.calls,
                failures: all.failures - kept.failures,
                slow: 0,
            };
            (next, leaving)
        } else {
            if !is_current() {
                return None;
            }
            // The slot was loaded before: while the window holds the tick, its tag is not a newer one.
            if !self.holds(tick) && !fault!("prepare_without_tick") {
                return Some(false);
            }
            (expected, seen.counts())
        };
        // AcqRel: pairs with the loads of `sum`; whoever sees the new tag sees what led to it.
        if word
            .compare_exchange(seen.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return Some(false);
        }
        self.fold(leaving, twin.is_none());
        let halves = seen.has_tag_of(expected) && !fault!("halving_forgets_slow");
        if let (Some(slow_word), true) = (twin, halves) {
            self.halve_slow(slow_word, expected);
        }
        Some(true)
    }

    /// Halves the slow calls of a slot whose calls were halved, so that their share stays too.
    fn halve_slow(self, slow_word: &AtomicU64, expected: Slot) {
        loop {
            // Acquire: as in `add`.
            let seen = Slot(slow_word.load(Ordering::Acquire));
            if !seen.has_tag_of(expected) {
                return;
            }
            let next = seen.halved_slow();
            // AcqRel: as in `prepare`.
            if slow_word
                .compare_exchange(seen.0, next.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                let leaving = Counts {
                    calls: seen.calls() - next.calls(),
                    ..Counts::default()
                };
                return self.fold(leaving, true);
            }
        }
    }
}
