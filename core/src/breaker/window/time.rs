//! The last so many slots of time.
//!
//! The **tick** is the number of the current slot, the largest that any outcome was shown: the window
//! never goes back, an outcome with an older `now` counts in the newest slot.
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
//!
//! **Recording** loads the slot, sees that its tag is the current one, and adds. The value
//! that the addition returns tells whether the tag still held; if not, the outcome is taken back and
//! recorded again. So the one inexactness (W12): a recorder stalled between its load and its addition
//! for a whole window may be counted in the slot's next use until it takes that back: one outcome for
//! each stalled thread.
//!
//! **Rotation.** Before a tick is raised, every slot that leaves the window is emptied, so a tag of ten
//! bits is never ambiguous, however long the breaker was idle. Each emptying is checked against
//! the tick word *after* the slot was loaded: whoever has raised it has emptied everything, and what
//! is there now is new.

use crate::breaker::rules::SLOTS_MAX;
use crate::breaker::window::slot::Slot;
use crate::breaker::window::{Judgement, Sample, Stripe, Totals, Verdict, Weighed, decay};
use crate::event::Counts;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, fence};

const TICK_SHIFT: u32 = 12;
const INDEX_SHIFT: u32 = 6;
const INDEX_MASK: u64 = (1 << 6) - 1;
const MATURE: u64 = 1 << 5;
const MATURE_GENERATION: u64 = MATURE - 1;
const _: () = assert!(SLOTS_MAX as u64 <= INDEX_MASK);
const _: () = assert!(
    u64::MAX / crate::breaker::rules::SLOT_MIN.get() < 1 << (64 - TICK_SHIFT),
    "every tick fits"
);

/// One value of the tick word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tick(u64);

impl Tick {
    fn at(now: Nanos, slot: Nanos, slots: u64) -> Self {
        let number = now.get() / slot.get().max(1);
        Self(number << TICK_SHIFT | (number % slots) << INDEX_SHIFT)
    }

    fn number(self) -> u64 {
        self.0 >> TICK_SHIFT
    }

    fn index(self) -> usize {
        (self.0 >> INDEX_SHIFT & INDEX_MASK) as usize
    }

    /// The first moment after the slot.
    fn end(self, slot: Nanos) -> Nanos {
        Nanos::new((self.number() + 1).saturating_mul(slot.get()))
    }

    fn mature(self, generation: u32) -> Self {
        let kept = self.0 & !(MATURE | MATURE_GENERATION);
        Self(kept | MATURE | u64::from(generation) & MATURE_GENERATION)
    }
}

/// What adding to a slot came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Added {
    /// Counted; the slot held this before.
    To(Slot),
    /// Not counted: the slot was reused meanwhile. Look again.
    Reused,
    /// Not counted: the generation is over.
    Stale,
}

/// The words of a time window, borrowed from the breaker.
#[derive(Clone, Copy)]
pub(super) struct TimeWindow<'a, const SLOTS: usize> {
    pub(super) tick: &'a AtomicU64,
    pub(super) totals: &'a Totals,
    pub(super) stripes: &'a [Stripe<SLOTS>],
    pub(super) slot: Nanos,
    pub(super) slots: u64,
    /// Older slots weigh less.
    pub(super) decays: bool,
}

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    /// Takes one outcome in; `is_current` says whether the generation still stands.
    #[inline]
    pub(super) fn record(
        &self,
        stripe: &Stripe<SLOTS>,
        generation: u32,
        now: Nanos,
        sample: Sample,
        is_current: impl Fn() -> bool,
    ) -> Verdict {
        let failures = if sample.failed { sample.weight } else { 0 };
        loop {
            let tick = self.current(now);
            let expected = Slot::empty(generation, tick.number());
            let Some((word, slow_word)) = stripe.at(tick.index()) else {
                return Verdict::Stale;
            };
            // The main count first: whoever sees the slow call sees the call (W2).
            let addition = Slot::addition(sample.weight, failures);
            let before =
                match self.add(word, Some(slow_word), expected, tick, addition, &is_current) {
                    Added::To(before) => before,
                    Added::Reused => continue,
                    Added::Stale => return Verdict::Stale,
                };
            if sample.slow {
                self.add_slow(slow_word, expected, tick, sample.weight, &is_current);
            }
            let mature = tick == tick.mature(generation);
            if mature && !sample.failed && !sample.slow {
                return Verdict::Counted;
            }
            // SeqCst: pairs with the fences of the other recorders: of two that record and then
            // sum, on different stripes, at least one sees the other (no lost trip, B8).
            fence(Ordering::SeqCst);
            let held = self.sum(generation, tick.number());
            // What stands in this very slot may have come after this outcome, but for what the
            // addition found in the caller's own stripe.
            let current = self.sum_of_slot(expected, tick.index());
            let calls_before =
                held.counts.calls.saturating_sub(current * held.one) + before.calls() * held.one;
            return Verdict::Judge(Judgement {
                held,
                calls_before,
                tick: Some(tick.0),
            });
        }
    }

    /// Remembers that the window of `generation` reached the minimum in the tick that was judged.
    pub(super) fn set_mature(&self, tick: u64, generation: u32) {
        let seen = Tick(tick);
        // Relaxed: a hint bound to this very tick; a lost swap costs one more judgement.
        let _ = self.tick.compare_exchange(
            seen.0,
            seen.mature(generation).0,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// The content of the window at `now`.
    pub(super) fn sum_at(&self, generation: u32, now: Nanos) -> Weighed {
        // Acquire: pairs with the raise, so emptied slots are seen empty.
        let raised = Tick(self.tick.load(Ordering::Acquire)).number();
        let at = Tick::at(now, self.slot, self.slots).number();
        // Nobody empties slots for a reader: after a gap their short tags would be ambiguous.
        if at.saturating_sub(raised) >= self.slots {
            return Weighed::whole(Counts::default());
        }
        self.sum(generation, raised.max(at))
    }

    fn sum(&self, generation: u32, newest: u64) -> Weighed {
        let mut sum = Counts::default();
        for stripe in self.stripes {
            for (word, slow_word) in stripe.pairs() {
                // Acquire: pairs with the addition; slow before calls, so slow never exceeds them.
                let slow = Slot(slow_word.load(Ordering::Acquire));
                let slot = Slot(word.load(Ordering::Acquire));
                let age = slot.age(newest);
                if slot.is_of(generation) && age < self.slots {
                    let weight = if self.decays {
                        decay::weight(age, self.slots)
                    } else {
                        1
                    };
                    sum.calls += slot.calls() * weight;
                    sum.failures += slot.failures() * weight;
                    if slow.has_tag_of(slot) {
                        sum.slow += slow.calls().min(slot.calls()) * weight;
                    }
                }
            }
        }
        Weighed {
            counts: sum,
            one: if self.decays { decay::ONE } else { 1 },
        }
    }

    /// Calls in the slot of one tick, of all stripes.
    fn sum_of_slot(&self, expected: Slot, index: usize) -> u64 {
        let words = self.stripes.iter().filter_map(|stripe| stripe.at(index));
        // Acquire: pairs with the addition.
        let slots = words.map(|(word, _)| Slot(word.load(Ordering::Acquire)));
        slots
            .filter(|slot| slot.has_tag_of(expected))
            .map(Slot::calls)
            .sum()
    }

    /// Adds slow calls whose calls were added before. Where the slot is no more, they go to the totals.
    fn add_slow(
        &self,
        slow_word: &AtomicU64,
        expected: Slot,
        tick: Tick,
        weight: u64,
        is_current: impl Fn() -> bool,
    ) {
        let addition = Slot::addition(weight, 0);
        loop {
            match self.add(slow_word, None, expected, tick, addition, &is_current) {
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

    /// Whether the slot of a tick is still in the window.
    fn holds(&self, tick: Tick) -> bool {
        // Acquire: as in `current`.
        let newest = Tick(self.tick.load(Ordering::Acquire)).number();
        newest.saturating_sub(tick.number()) < self.slots
    }

    /// Adds to a slot that has the expected tag, making it so where needed. `twin`: the word of its slow
    /// calls, where `word` is not that itself.
    #[inline]
    fn add(
        &self,
        word: &AtomicU64,
        twin: Option<&AtomicU64>,
        expected: Slot,
        tick: Tick,
        addition: u64,
        is_current: impl Fn() -> bool,
    ) -> Added {
        // Acquire: pairs with the Release of whoever gave the slot another tag: `is_current` must not
        // see an older state than he did, or it would take a new generation's slot for an old one.
        let seen = Slot(word.load(if cfg!(fuseboard_fault = "slot_load_relaxed") {
            Ordering::Relaxed
        } else {
            Ordering::Acquire
        }));
        if !seen.has_tag_of(expected) || seen.is_half_full() {
            match self.prepare(word, twin, seen, expected, tick, is_current) {
                Some(true) => {}
                Some(false) => return Added::Reused,
                None => return Added::Stale,
            }
        }
        // Release: pairs with the Acquire loads of `sum`.
        let old = Slot(word.fetch_add(addition, Ordering::Release));
        if old.has_tag_of(expected) || cfg!(fuseboard_fault = "record_without_recheck") {
            return Added::To(old);
        }
        // Relaxed: takes back what nobody should have seen.
        word.fetch_sub(addition, Ordering::Relaxed);
        Added::Reused
    }

    /// Gives the slot the expected tag, or halves it. `Some(false)`: look again.
    #[cold]
    fn prepare(
        &self,
        word: &AtomicU64,
        twin: Option<&AtomicU64>,
        seen: Slot,
        expected: Slot,
        tick: Tick,
        is_current: impl Fn() -> bool,
    ) -> Option<bool> {
        let (next, leaving) = if seen.has_tag_of(expected) {
            let next = seen.halved();
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
            if !self.holds(tick) {
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
        if let (Some(slow_word), true) = (twin, seen.has_tag_of(expected)) {
            self.halve_slow(slow_word, expected);
        }
        Some(true)
    }

    /// Halves the slow calls of a slot whose calls were halved, so that their share stays too.
    fn halve_slow(&self, slow_word: &AtomicU64, expected: Slot) {
        loop {
            // Acquire: as in `add`.
            let seen = Slot(slow_word.load(Ordering::Acquire));
            if !seen.has_tag_of(expected) {
                return;
            }
            let next = seen.halved();
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

    /// The tick at `now`, or the largest seen.
    #[inline]
    fn current(&self, now: Nanos) -> Tick {
        // Acquire: pairs with the raise, so the slots that it emptied are seen empty.
        let seen = Tick(self.tick.load(Ordering::Acquire));
        if now < seen.end(self.slot) {
            seen
        } else {
            self.advance(seen, now)
        }
    }

    /// Empties every slot that has left the window at `now`, then raises the tick.
    #[cold]
    fn advance(&self, mut seen: Tick, now: Nanos) -> Tick {
        let target = Tick::at(now, self.slot, self.slots);
        'again: while seen.number() < target.number() {
            for stripe in self.stripes {
                for (word, slow_word) in stripe.pairs() {
                    for (word, slow) in [(word, false), (slow_word, true)] {
                        // Acquire: keeps the load of the tick behind this one.
                        let slot = Slot(word.load(Ordering::Acquire));
                        // Acquire: as in `current`.
                        let tick = Tick(self.tick.load(Ordering::Acquire));
                        if tick.number() != seen.number() {
                            seen = tick;
                            continue 'again;
                        }
                        // Every tag is of the last ticks up to `seen`, so it is unambiguous.
                        let stays = target.number() - seen.number() < self.slots
                            && slot.age(target.number()) < self.slots;
                        if slot.is_empty() || stays {
                            continue;
                        }
                        // AcqRel: pairs with the loads of `sum`.
                        if word
                            .compare_exchange(
                                slot.0,
                                slot.emptied().0,
                                Ordering::AcqRel,
                                Ordering::Relaxed,
                            )
                            .is_ok()
                        {
                            self.fold(slot.counts(), slow);
                        } else {
                            // Somebody counted late: empty that as well.
                            continue 'again;
                        }
                    }
                }
            }
            // AcqRel: publishes the emptied slots to `current`. A maximum: the tick never goes back.
            self.tick.fetch_max(target.0, Ordering::AcqRel);
            // Acquire: as in `current`.
            seen = Tick(self.tick.load(Ordering::Acquire));
        }
        seen
    }

    /// Empties the window before a generation that counts begins, unless `is_current` says that somebody
    /// else has changed the state.
    pub(super) fn clear(&self, is_current: impl Fn() -> bool) {
        for stripe in self.stripes {
            for (word, slow_word) in stripe.pairs() {
                for (word, slow) in [(word, false), (slow_word, true)] {
                    loop {
                        // Acquire: keeps the check of the state behind this load.
                        let slot = Slot(word.load(Ordering::Acquire));
                        if slot.is_empty() {
                            break;
                        }
                        if !is_current() {
                            return;
                        }
                        // AcqRel: as in `advance`.
                        if word
                            .compare_exchange(
                                slot.0,
                                slot.emptied().0,
                                Ordering::AcqRel,
                                Ordering::Relaxed,
                            )
                            .is_ok()
                        {
                            self.fold(slot.counts(), slow);
                            break;
                        }
                    }
                }
            }
        }
        // Relaxed: a hint; the generation beside it makes a late `set_mature` harmless.
        self.tick.fetch_and(!MATURE, Ordering::Relaxed);
    }

    /// Adds what leaves the window to the totals.
    fn fold(&self, leaving: Counts, slow: bool) {
        if slow {
            self.totals.add(Counts {
                calls: 0,
                failures: 0,
                slow: leaving.calls,
            });
        } else {
            self.totals.add(leaving);
        }
    }

    /// What the slots hold and no total does yet, of whatever generation.
    pub(super) fn unfolded(&self) -> Counts {
        let mut sum = Counts::default();
        for stripe in self.stripes {
            for (word, slow_word) in stripe.pairs() {
                // Relaxed: totals for display.
                let slot = Slot(word.load(Ordering::Relaxed));
                sum.calls += slot.calls();
                sum.failures += slot.failures();
                sum.slow += Slot(slow_word.load(Ordering::Relaxed)).calls();
            }
        }
        sum
    }

    /// For each slot, newest first: calls, failures, slow.
    pub(super) fn save(&self, generation: u32, now: Nanos, mut push: impl FnMut(u64)) {
        for age in 0..self.slots {
            let mut sum = Counts::default();
            // Acquire: as in `sum_at`.
            let raised = Tick(self.tick.load(Ordering::Acquire)).number();
            let at = Tick::at(now, self.slot, self.slots).number().max(raised);
            // As in `sum_at`: after a gap the short tags would be ambiguous.
            let readable = at - raised < self.slots;
            for (word, slow_word) in self.stripes.iter().flat_map(Stripe::pairs) {
                // Acquire: as in `sum`.
                let slow = Slot(slow_word.load(Ordering::Acquire));
                let slot = Slot(word.load(Ordering::Acquire));
                if readable && slot.is_of(generation) && slot.age(at) == age {
                    sum.calls += slot.calls();
                    sum.failures += slot.failures();
                    if slow.has_tag_of(slot) {
                        sum.slow += slow.calls().min(slot.calls());
                    }
                }
            }
            push(sum.calls);
            push(sum.failures);
            push(sum.slow);
        }
    }

    /// Fills an empty window that nobody else has yet, with what `save` gave, older by `away`.
    pub(super) fn restore(
        &self,
        generation: u32,
        words: &[u64],
        now: Nanos,
        away: Nanos,
    ) -> Option<Counts> {
        let newest = Tick::at(now, self.slot, self.slots);
        let aged = away.get() / self.slot.get().max(1);
        let stripe = self.stripes.first()?;
        let mut held = Counts::default();
        let (slots, rest) = words.as_chunks::<3>();
        if slots.len() as u64 != self.slots || !rest.is_empty() {
            return None;
        }
        for (age, &[calls, failures, slow]) in (aged..).zip(slots) {
            let Some(number) = newest.number().checked_sub(age) else {
                break;
            };
            if age >= self.slots {
                break;
            }
            let (word, slow_word) = stripe.at((number % self.slots) as usize)?;
            let counts = Slot::counts_within(calls, failures);
            let slow = slow.min(counts.calls);
            let tag = Slot::empty(generation, number).0;
            // Relaxed: not shared yet.
            word.store(
                tag | Slot::addition(counts.calls, counts.failures),
                Ordering::Relaxed,
            );
            slow_word.store(tag | Slot::addition(slow, 0), Ordering::Relaxed);
            held.calls += counts.calls;
            held.failures += counts.failures;
            held.slow += slow;
        }
        self.tick.store(newest.0, Ordering::Relaxed);
        Some(held)
    }
}
