//! Slots that leave the window: emptied, and only then is the tick raised.
//!
//! So a tag of ten bits is never ambiguous, however long the breaker was idle. Each emptying is checked
//! against the tick word *after* the slot was loaded: whoever has raised it has emptied everything, and
//! what is there now is new.

use crate::breaker::window::slot::Slot;
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::time::tick::{MATURE, Tick};
use crate::event::Counts;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::Ordering;

impl<const SLOTS: usize> TimeWindow<'_, SLOTS> {
    /// Empties every slot that has left the window at `now`, then raises the tick.
    #[cold]
    pub(super) fn advance(self, mut seen: Tick, now: Nanos) -> Tick {
        let target = Tick::at(now, self.slot, self.slots);
        'again: while seen.number() < target.number() {
            for stripe in self.stripes {
                for (word, slow_word) in stripe.pairs() {
                    for (word, slow) in [(word, false), (slow_word, true)] {
                        // Acquire: keeps the load of the tick behind this one.
                        let slot = Slot(word.load(Ordering::Acquire));
                        let tick = Tick::load(self.tick);
                        if tick.number() != seen.number() {
                            seen = tick;
                            continue 'again;
                        }
                        // Every tag is of the last ticks up to `seen`, so it is unambiguous.
                        let stays = target.number() - seen.number() < self.slots
                            && slot.age(target.number()) < self.slots;
                        if slot.is_empty() || stays || fault!("rotation_empties_nothing") {
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
            // AcqRel: publishes the emptied slots to `Tick::load`. A maximum: the tick never goes back.
            self.tick.fetch_max(target.0, Ordering::AcqRel);
            seen = Tick::load(self.tick);
        }
        seen
    }

    /// Empties the window before a generation that counts begins, unless `is_current` says that somebody
    /// else has changed the state.
    pub(in crate::breaker::window) fn clear(self, is_current: &dyn Fn() -> bool) {
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
        self.forget_maturity();
    }

    /// The minimum may not be reached any more: successes are judged until it is.
    pub(in crate::breaker::window) fn forget_maturity(self) {
        // Relaxed: a hint; the generation beside it makes a late `set_mature` harmless.
        self.tick.fetch_and(!MATURE, Ordering::Relaxed);
    }

    /// Adds what leaves the window to the totals.
    pub(super) fn fold(self, leaving: Counts, slow: bool) {
        if fault!("totals_forget_what_leaves") {
            return;
        }
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
}
