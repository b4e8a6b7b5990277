//! The last so many slots of time.
//!
//! The **tick** is the number of the current slot, the largest that any outcome was shown: the window
//! never goes back, an outcome with an older `now` counts in the newest slot.
//!
//! **Recording** loads the slot, sees that its tag is the current one, and adds. The value
//! that the addition returns tells whether the tag still held; if not, the outcome is taken back and
//! recorded again. So the one inexactness (W12): a recorder stalled between its load and its addition
//! for a whole window may be counted in the slot's next use until it takes that back: one outcome for
//! each stalled thread. Where the slot has been emptied meanwhile, it takes it back from the totals.
//!
//! `adding.rs` makes a slot ready and adds, `rotation.rs` empties what leaves the window, `overdue.rs` counts the calls in flight.

mod adding;
mod overdue;
mod rotation;
mod saved;
pub(super) mod tick;

use crate::breaker::window::owned::OwnedStripe;
use crate::breaker::window::slot::{Misplaced, Slot};
use crate::breaker::window::time::adding::Added;
use crate::breaker::window::time::tick::Tick;
use crate::breaker::window::{
    Counters, Head, Judgement, Sample, Stripe, Totals, Verdict, Weighed, decay,
};
use crate::event::Counts;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering, fence, fence_after_addition};

/// The words of a time window, borrowed from the breaker.
#[derive(Clone, Copy)]
pub(super) struct TimeWindow<'a, const SLOTS: usize> {
    pub(super) tick: &'a AtomicU64,
    pub(super) totals: &'a Totals,
    pub(super) stripes: &'a [Stripe<SLOTS>],
    pub(super) owned: &'a [OwnedStripe<SLOTS>],
    /// From foreign memory it may be zero: every tick is over then.
    pub(super) slot: Nanos,
    pub(super) slots: u64,
    /// Older slots weigh less.
    pub(super) decays: bool,
}

const ONE_SUCCESS: u64 = Slot::addition(1, 0);

/// The fast path of [`TimeWindow::record`]: a success that was not slow, where tick and slot are ready for it and there is
/// nothing to judge. `false`: nothing was counted, `record` it; what was counted in the wrong slot is for `take_back`. Where the window is not
/// one of time `slot` is zero, and no time is in it.
#[inline]
pub(super) fn record_success<'a, const SLOTS: usize>(
    tick: &AtomicU64,
    slot: Nanos,
    stripe: &'a Stripe<SLOTS>,
    generation: u32,
    now: Nanos,
    take_back: impl FnOnce(Misplaced<'a>),
) -> bool {
    let tick = Tick::load(tick);
    if !tick.is_at(now, slot) || !tick.is_mature(generation) {
        return false;
    }
    let expected = Slot::empty(generation, tick.number());
    stripe.at(tick.index()).is_some_and(|(word, _)| {
        Slot::load(word).takes(expected)
            && Slot::add(word, expected, ONE_SUCCESS)
                .map_err(take_back)
                .is_ok()
    })
}

impl Misplaced<'_> {
    /// Takes back what [`record_success`] has added to a slot that was reused under it.
    pub(crate) fn take_back_success(self, head: &Head) {
        self.take_back(ONE_SUCCESS, &head.totals, false);
    }
}

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    /// Takes one outcome in; `is_current` says whether the generation still stands.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn record(
        self,
        counters: Counters<'_, SLOTS>,
        generation: u32,
        now: Nanos,
        sample: Sample,
        is_current: &dyn Fn() -> bool,
    ) -> Verdict {
        loop {
            let tick = self.current(now);
            let added = match counters {
                Counters::Owned(stripe) => stripe
                    .record(tick, tick.end(self.slot), generation, sample)
                    .map_or(Added::Stale, Added::To),
                Counters::Shared(stripe) => {
                    self.record_shared(stripe, generation, tick, sample, is_current)
                }
            };
            let before = match added {
                Added::To(before) => before,
                Added::Reused => continue,
                Added::Stale => return Verdict::Stale,
            };
            if tick.is_mature(generation) && !sample.is_bad() {
                return Verdict::Counted;
            }
            // SeqCst: pairs with the fences of the other recorders: of two that record and then
            // sum, in different stripes or slots, at least one sees the other (no lost trip, B8).
            match counters {
                // SeqCst: as above; what a handle counts is a plain store.
                Counters::Owned(_) => fence(Ordering::SeqCst),
                Counters::Shared(_) => fence_after_addition(),
            }
            // The tick may have moved on since: what others recorded in a newer slot counts too.
            let newest = if fault!("judges_its_own_tick") {
                tick
            } else {
                Tick::load(self.tick)
            };
            let held = self.sum(generation, newest.number());
            let calls_before = if sample.is_bad() {
                // It is judged whatever came before.
                0
            } else {
                self.calls_before(generation, tick.number(), newest.number(), before)
            };
            return Verdict::Judge(Judgement {
                held,
                calls_before,
                tick: Some(newest.0),
            });
        }
    }

    /// Remembers that the window of `generation` reached the minimum in the tick that was judged.
    pub(super) fn set_mature(self, tick: u64, generation: u32) {
        let seen = Tick(tick);
        if seen.is_mature(generation) {
            return;
        }
        // Relaxed: a hint bound to this very tick; a lost swap costs one more judgement.
        let _ = self.tick.compare_exchange(
            seen.0,
            seen.mature(generation).0,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// The content of the window at `now`.
    pub(super) fn sum_at(self, generation: u32, now: Nanos) -> Weighed {
        let raised = Tick::load(self.tick).number();
        let at = Tick::at(now, self.slot, self.slots).number();
        // Nobody empties slots for a reader: after a gap their short tags would be ambiguous.
        if at.saturating_sub(raised) >= self.slots && !fault!("reader_ignores_the_gap") {
            return Weighed {
                counts: Counts::default(),
                one: self.one(),
            };
        }
        self.sum(generation, raised.max(at))
    }

    fn sum(self, generation: u32, newest: u64) -> Weighed {
        Weighed {
            counts: self.sum_of(generation, newest, |_| true),
            one: self.one(),
        }
    }

    /// What the slots hold whose tick `is_meant`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn sum_of(self, generation: u32, newest: u64, is_meant: impl Fn(u64) -> bool) -> Counts {
        let mut sum = Counts::default();
        for stripe in self.stripes {
            for (word, slow_word) in stripe.pairs() {
                // Acquire: pairs with the addition; slow before calls, so slow never exceeds them.
                let slow = Slot(slow_word.load(Ordering::Acquire));
                let slot = Slot(word.load(Ordering::Acquire));
                let age = slot.age(newest);
                let slots = self.slots - u64::from(fault!("window_one_slot_shorter"));
                if slot.is_of(generation) && age < slots && is_meant(newest.saturating_sub(age)) {
                    let weight = self.weight(age);
                    sum.calls += slot.calls() * weight;
                    sum.failures += slot.failures() * weight;
                    if slow.has_tag_of(slot) {
                        sum.slow += slow.calls().min(slot.calls()) * weight;
                    }
                }
            }
        }
        let weight = |tick: u64| {
            // The owner may have gone on since.
            let age = newest.saturating_sub(tick);
            (age < self.slots && is_meant(tick)).then(|| self.weight(age))
        };
        for stripe in self.owned {
            sum = sum.plus(stripe.sum(generation, weight));
        }
        sum
    }

    /// Units in one whole call.
    const fn one(self) -> u64 {
        if self.decays { decay::ONE } else { 1 }
    }

    /// Units in a call of a slot so many slots old.
    fn weight(self, age: u64) -> u64 {
        if self.decays {
            decay::weight(age, self.slots)
        } else {
            1
        }
    }

    /// Calls that surely came before an outcome in the slot of `tick`, in whose own stripe there were `before` then: those of older slots,
    /// and these. What else stands in the slot, or in a newer one, may have come after. So of two recorders at once that
    /// reach the minimum together at least one judges.
    fn calls_before(self, generation: u32, tick: u64, newest: u64, before: u64) -> u64 {
        let is_before = |one: u64| one < tick || fault!("newer_slots_came_before") && one > tick;
        let older = self.sum_of(generation, newest, is_before);
        older.calls + before * self.weight(newest.saturating_sub(tick))
    }

    /// Whether the slot of a tick is still in the window.
    fn holds(self, tick: Tick) -> bool {
        let newest = Tick::load(self.tick).number();
        newest.saturating_sub(tick.number()) < self.slots
    }

    /// The tick at `now`, or the largest seen.
    #[inline]
    fn current(self, now: Nanos) -> Tick {
        let seen = Tick::load(self.tick);
        if fault!("every_clock_its_own_slot") && self.holds(Tick::at(now, self.slot, self.slots)) {
            return Tick::at(now, self.slot, self.slots);
        }
        if now < seen.end(self.slot) {
            seen
        } else {
            self.advance(seen, now)
        }
    }

    /// What the slots hold and no total does yet, of whatever generation.
    pub(super) fn unfolded(self) -> Counts {
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
}
