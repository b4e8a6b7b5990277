//! A time window as words that outlive the process.

use crate::breaker::window::Stripe;
use crate::breaker::window::slot::Slot;
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::time::tick::Tick;
use crate::event::Counts;
use crate::nanos::Nanos;
use crate::sync::Ordering;

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    /// For each slot, newest first: calls, failures, slow.
    pub(in crate::breaker::window) fn save(
        self,
        generation: u32,
        now: Nanos,
        mut push: impl FnMut(u64),
    ) {
        for age in 0..self.slots {
            let mut sum = Counts::default();
            let raised = Tick::load(self.tick).number();
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
            for stripe in self.owned {
                let is_it =
                    |tick: u64| (readable && at.checked_sub(tick) == Some(age)).then_some(1);
                sum = sum.plus(stripe.sum(generation, is_it));
            }
            push(sum.calls);
            push(sum.failures);
            push(sum.slow);
        }
    }

    /// Fills an empty window that nobody else has yet, with what `save` gave, older by `away`.
    pub(in crate::breaker::window) fn restore(
        self,
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
