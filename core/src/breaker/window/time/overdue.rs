//! Calls in flight, counted in the slot in which they started; they are overdue when the whole slot is.
//!
//! The counts lie in the twin words of the first stripe: whoever settles a call need not know which thread began it.
//! They leave the window with their slot, so a permit that was lost weighs for one window and not for ever.

use crate::breaker::window::slot::Slot;
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::time::tick::Tick;
use crate::breaker::window::{Stripe, Weighed};
use crate::event::Counts;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::Ordering;

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    /// Counts a call of `generation` that begins; gives the moment of its beginning, `now` or the start of a later slot that others
    /// have reached. `None`: the generation is over, or the slot has as many as it can count.
    pub(in crate::breaker::window) fn enter(
        self,
        generation: u32,
        now: Nanos,
        is_current: &dyn Fn() -> bool,
    ) -> Option<Nanos> {
        loop {
            let tick = self.current(now);
            let expected = Slot::empty(generation, tick.number());
            let (_, twin) = self.stripes.first()?.at(tick.index())?;
            let seen = Slot::load(twin);
            if !seen.has_tag_of(expected) {
                self.prepare(twin, None, seen, expected, tick, is_current)?;
                continue;
            }
            if fault!("overdue_store") {
                // Relaxed: a fault for the tests to catch.
                twin.store(seen.entered()?.0, Ordering::Relaxed);
                return Some(now.max(tick.start(self.slot)));
            }
            // AcqRel: pairs with the loads of `overdue`. A swap, not an addition: it cannot land in a reused slot.
            if twin
                .compare_exchange(
                    seen.0,
                    seen.entered()?.0,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
            {
                return Some(now.max(tick.start(self.slot)));
            }
        }
    }

    /// Takes a call that began at `started` out of flight; its slot may have left the window.
    pub(in crate::breaker::window) fn leave(self, generation: u32, started: Nanos) {
        let tick = Tick::at(started, self.slot, self.slots);
        let expected = Slot::empty(generation, tick.number());
        let stripe = self.stripes.first();
        let Some((_, twin)) = stripe.and_then(|stripe| stripe.at(tick.index())) else {
            return;
        };
        loop {
            let seen = Slot::load(twin);
            // The slot was loaded before: while the window holds the tick, its tag is not a newer one.
            let is_its_slot = seen.has_tag_of(expected) && self.holds(tick);
            if !is_its_slot && !fault!("overdue_leaves_any_slot") {
                return;
            }
            let Some(left) = seen.left() else {
                return;
            };
            // AcqRel: as in `enter`; whoever sees the outcome recorded after this sees the call gone.
            if twin
                .compare_exchange(seen.0, left.0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }

    /// Calls of `generation` that at `now` have been in flight for longer than `limit`, as slow calls.
    pub(in crate::breaker::window) fn overdue(
        self,
        generation: u32,
        now: Nanos,
        limit: Nanos,
    ) -> Weighed {
        let raised = Tick::load(self.tick).number();
        let newest = Tick::at(now, self.slot, self.slots).number().max(raised);
        // Slots before this one ended at least `limit` ago.
        let first_in_time = now.saturating_sub(limit).get() / self.slot.get().max(1);
        let mut calls = 0;
        // As in `sum_at`: after a gap the short tags would be ambiguous.
        let readable = newest - raised < self.slots;
        let stripe = self.stripes.first().filter(|_| readable);
        for (_, twin) in stripe.into_iter().flat_map(Stripe::pairs) {
            // Acquire: pairs with the swaps of `enter` and `leave`.
            let seen = Slot(twin.load(Ordering::Acquire));
            let age = seen.age(newest);
            if seen.is_of(generation)
                && age < self.slots
                && newest.saturating_sub(age) < first_in_time
            {
                calls += seen.in_flight() * self.weight(age);
            }
        }
        Weighed {
            counts: Counts {
                calls,
                failures: 0,
                slow: calls,
            },
            one: self.one(),
        }
    }
}
