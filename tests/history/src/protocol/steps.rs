//! What a caller does next: the steps of `state.rs`, each by itself.

use fuseboard_core::kernel::{self, Decision, Fields};
use fuseboard_core::{Reason, State};

use crate::protocol::{All, Caller, End, Permit, Place, Protocol, Then, time};

impl Protocol {
    /// One step of a caller: at most one of the words is loaded, raised or swapped.
    pub(super) fn step(&self, all: &mut All, who: usize) {
        let Caller { place, now, left } = all.callers[who];
        let next = match place {
            Place::Idle => {
                all.callers[who].now = all.clock;
                all.callers[who].left = left - 1;
                Place::Loaded { word: all.word }
            }
            Place::Loaded { word } => self.decide(all, word, now),
            Place::Rejecting { word } if word == all.word => Place::Idle,
            Place::Rejecting { .. } => Place::Loaded { word: all.word },
            Place::Raising { word, next, then } => {
                let parity = kernel::fields(next).generation as usize % 2;
                all.moments[parity] = all.moments[parity].max(now);
                Place::Swapping { word, next, then }
            }
            Place::Swapping { word, next, then } => self.swap(all, word, next, then, now),
            Place::Holding { .. } => place,
            Place::Settling { permit, outcome } => self.settle(all, permit, outcome),
            Place::Counting { permit } => {
                // The window's one addition, tagged with the generation.
                if all.run.0 != permit.generation {
                    all.run = (permit.generation, 0);
                }
                all.run.1 += 1;
                if kernel::judges_bad(u64::from(all.run.1), &self.rules) {
                    Place::Tripping { permit }
                } else {
                    Place::Idle
                }
            }
            Place::Tripping { permit } => {
                let fields = kernel::fields(all.word);
                if fields.state == State::Closed && fields.generation == permit.generation {
                    Place::Raising {
                        word: all.word,
                        next: kernel::opened(all.word),
                        then: Then::Tripped { permit },
                    }
                } else {
                    Place::Idle
                }
            }
        };
        all.callers[who].place = next;
    }

    fn decide(&self, all: &All, word: u64, now: u8) -> Place {
        let Fields {
            state, generation, ..
        } = kernel::fields(word);
        let moment = all.moments[generation as usize % 2];
        match kernel::admit(word, time(moment), time(now), &self.rules) {
            Decision::Pass => Place::Holding {
                permit: Permit {
                    generation,
                    is_probe: false,
                },
            },
            Decision::Reject(rejected) => {
                if rejected.reason == Reason::HalfOpenFull {
                    self.reach("cap hit");
                }
                Place::Rejecting { word }
            }
            Decision::Probe(next) => {
                if state == State::HalfOpen && kernel::fields(next).generation != generation {
                    self.reach("takeover tried");
                }
                Place::Raising {
                    word,
                    next,
                    then: Then::Admitted,
                }
            }
        }
    }

    fn settle(&self, all: &All, permit: Permit, outcome: End) -> Place {
        let word = all.word;
        let fields = kernel::fields(word);
        if fields.generation != permit.generation {
            self.reach("stale outcome dropped");
            return Place::Idle;
        }
        let then = Then::Settled { permit, outcome };
        match (permit.is_probe, outcome) {
            (true, _) => match kernel::settle_probe(word, outcome.outcome(), &self.rules) {
                None => Place::Idle,
                Some((next, true)) => Place::Raising { word, next, then },
                Some((next, false)) => Place::Swapping { word, next, then },
            },
            (false, End::Failure) => Place::Counting { permit },
            (false, _) => Place::Idle,
        }
    }

    fn swap(&self, all: &mut All, word: u64, next: u64, then: Then, now: u8) -> Place {
        if all.word != word {
            self.reach("swap retried");
            return match then {
                Then::Admitted => Place::Loaded { word: all.word },
                Then::Settled { permit, outcome } => Place::Settling { permit, outcome },
                Then::Tripped { permit } => Place::Tripping { permit },
            };
        }
        let (before, after) = (kernel::fields(word), kernel::fields(next));
        let opens_early =
            before.state == State::Open && now < all.began + self.rules.open_timeout.get() as u8;
        if let Then::Settled { permit, outcome } = then {
            if permit.generation != before.generation {
                all.wrong = Some("B5: an outcome of another generation");
            }
            all.wasted += u8::from(outcome != End::Success);
        }
        all.word = next;
        if after.generation == before.generation {
            if after.state != before.state {
                all.wrong = Some("B2: another state in the same generation");
            }
        } else {
            let is_known = matches!(
                (before.state, after.state),
                (State::Closed | State::HalfOpen, State::Open)
                    | (State::Open, State::HalfOpen)
                    | (State::HalfOpen, State::Closed | State::HalfOpen)
            );
            if !is_known {
                all.wrong = Some("B1: no such transition");
            }
            if after.generation != before.generation + 1 {
                all.wrong = Some("B2: a generation was left out");
            }
            if opens_early {
                all.wrong = Some("B7: a probe before the deadline");
            }
            if after.state == State::Closed && before.round[2] > self.rules.failures {
                all.wrong = Some("B11: closed although it had failed");
            }
            self.reach(after.state.as_str());
            if before.state == after.state {
                self.reach("takeover happened");
            }
            (all.lost, all.admitted, all.wasted, all.began) = (0, 0, 0, now);
        }
        match then {
            Then::Admitted => {
                all.admitted += 1;
                Place::Holding {
                    permit: Permit {
                        generation: after.generation,
                        is_probe: true,
                    },
                }
            }
            _ => Place::Idle,
        }
    }
}
