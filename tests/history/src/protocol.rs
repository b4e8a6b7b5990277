//! Every state that a few callers can bring the breaker's word into, by stateright: the real kernel (`policy.rs`, `word.rs`) between
//! loads, raises and swaps of the callers, each of which is a step of its own.
//!
//! The callers are alike, so states that differ only in who is who are one. The window is a run of failures of one generation. The clock
//! moves between any two steps; a caller keeps the reading with which its operation began, however old it gets.

mod steps;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fuseboard_core::kernel::{self, Decision, Fields, Rules};
use fuseboard_core::{Nanos, Outcome, State};
use stateright::{Model, Property};

/// What is explored.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Callers.
    pub callers: usize,
    /// Admissions that each asks for, with what becomes of them.
    pub operations: u8,
    /// The last time that the clock shows.
    pub end: u8,
    /// The numbers that decide.
    pub rules: Rules,
    reached: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Idle,
    /// Has loaded the word, and is to load its moment.
    Loaded {
        word: u64,
    },
    /// Is to see whether the word still stands, or it asks again.
    Rejecting {
        word: u64,
    },
    /// Is to raise the moment of `next`, where it needs one, and then swaps.
    Raising {
        word: u64,
        next: u64,
        then: Then,
    },
    Swapping {
        word: u64,
        next: u64,
        then: Then,
    },
    /// Holds a permit.
    Holding {
        permit: Permit,
    },
    /// Is to look whether its generation still stands.
    Settling {
        permit: Permit,
        outcome: End,
    },
    /// Is to count a failure of its generation.
    Counting {
        permit: Permit,
    },
    /// Has counted a failure that opens, and is to load the word.
    Tripping {
        permit: Permit,
    },
}

impl Place {
    /// The permit that the caller has not yet settled.
    fn settles(self) -> Option<Permit> {
        match self {
            Self::Holding { permit }
            | Self::Settling { permit, .. }
            | Self::Raising {
                then: Then::Settled { permit, .. },
                ..
            }
            | Self::Swapping {
                then: Then::Settled { permit, .. },
                ..
            } => Some(permit),
            _ => None,
        }
    }
}

/// What a won swap was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Then {
    Admitted,
    Settled { permit: Permit, outcome: End },
    Tripped { permit: Permit },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Permit {
    generation: u32,
    is_probe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum End {
    Success,
    Failure,
    Ignored,
}

impl End {
    fn outcome(self) -> Outcome {
        match self {
            Self::Success => Outcome::Success,
            Self::Failure => Outcome::Failure,
            Self::Ignored => Outcome::Ignored,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Caller {
    place: Place,
    now: u8,
    left: u8,
}

/// The words, the callers, and what no word says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct All {
    word: u64,
    moments: [u8; 2],
    clock: u8,
    /// The run: its generation and its failures.
    run: (u32, u8),
    callers: Vec<Caller>,
    /// Probes of the current generation whose permits were lost.
    lost: u8,
    /// Admissions of the current half-open generation, and those of them that failed or were ignored.
    admitted: u8,
    wasted: u8,
    /// When the current generation began, by the clock of who began it.
    began: u8,
    /// A step that no rule allows.
    wrong: Option<&'static str>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The clock moves on.
    Tick,
    /// A caller takes its next step.
    Step(usize),
    /// A caller's call ends so.
    Ends(usize, u8),
    /// A caller is gone, its permit with it.
    Lost(usize),
}

fn time(time: u8) -> Nanos {
    Nanos::new(u64::from(time))
}

impl Protocol {
    /// So many callers with so many operations each.
    pub fn new(callers: usize, operations: u8, end: u8, rules: Rules) -> Self {
        Self {
            callers,
            operations,
            end,
            rules,
            reached: Arc::default(),
        }
    }

    /// How often each case was reached.
    ///
    /// # Panics
    /// After a panic of another thread of the checker.
    pub fn reached(&self) -> BTreeMap<&'static str, u64> {
        self.reached.lock().expect("nobody panics here").clone()
    }

    fn reach(&self, case: &'static str) {
        *self
            .reached
            .lock()
            .expect("nobody panics here")
            .entry(case)
            .or_default() += 1;
    }

    /// Probes of the current generation that nobody has settled.
    fn unsettled(all: &All) -> u32 {
        let Fields {
            state, generation, ..
        } = kernel::fields(all.word);
        if state != State::HalfOpen {
            return 0;
        }
        let holds = |caller: &&Caller| {
            caller
                .place
                .settles()
                .is_some_and(|permit| permit.is_probe && permit.generation == generation)
        };
        all.callers.iter().filter(holds).count() as u32 + u32::from(all.lost)
    }

    /// Whether somebody who comes late enough gets a half-open breaker to open again, whoever is gone.
    fn has_a_way_out(&self, all: &All) -> bool {
        let mut word = all.word;
        let late = Nanos::from_secs(1);
        for _ in 0..=self.rules.failures {
            if kernel::fields(word).state != State::HalfOpen {
                break;
            }
            let moment = all.moments[kernel::fields(word).generation as usize % 2];
            let Decision::Probe(next) = kernel::admit(word, time(moment), late, &self.rules) else {
                return false;
            };
            let Some((settled, _)) = kernel::settle_probe(next, Outcome::Failure, &self.rules)
            else {
                return false;
            };
            word = settled;
        }
        kernel::fields(word).state != State::HalfOpen
    }
}

impl Model for Protocol {
    type State = All;
    type Action = Action;

    fn init_states(&self) -> Vec<All> {
        let caller = Caller {
            place: Place::Idle,
            now: 0,
            left: self.operations,
        };
        vec![All {
            word: kernel::initial(),
            moments: [0; 2],
            clock: 0,
            run: (0, 0),
            callers: vec![caller; self.callers],
            lost: 0,
            admitted: 0,
            wasted: 0,
            began: 0,
            wrong: None,
        }]
    }

    fn actions(&self, all: &All, actions: &mut Vec<Action>) {
        if all.clock < self.end {
            actions.push(Action::Tick);
        }
        for (who, caller) in all.callers.iter().enumerate() {
            // Who is like the one before does what that one does.
            if who > 0 && all.callers[who - 1] == *caller {
                continue;
            }
            match caller.place {
                Place::Idle if caller.left == 0 => {}
                Place::Holding { .. } => {
                    actions.extend((0..3).map(|end| Action::Ends(who, end)));
                    actions.push(Action::Lost(who));
                }
                _ => actions.push(Action::Step(who)),
            }
        }
    }

    fn next_state(&self, last: &All, action: Action) -> Option<All> {
        let mut all = last.clone();
        match action {
            Action::Tick => all.clock += 1,
            Action::Step(who) => self.step(&mut all, who),
            Action::Ends(who, end) => {
                let caller = &mut all.callers[who];
                let Place::Holding { permit } = caller.place else {
                    return None;
                };
                let outcome = [End::Success, End::Failure, End::Ignored][end as usize];
                caller.now = all.clock;
                caller.place = Place::Settling { permit, outcome };
            }
            Action::Lost(who) => {
                let Place::Holding { permit } = all.callers[who].place else {
                    return None;
                };
                let current = kernel::fields(all.word).generation;
                all.lost += u8::from(permit.is_probe && permit.generation == current);
                all.callers[who].place = Place::Idle;
            }
        }
        all.callers.sort_unstable();
        Some(all)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "B1 B2 B5 B7 B11: every step is one of the rules'",
                |_, all: &All| all.wrong.is_none(),
            ),
            Property::always(
                "B3: no more probes than requests",
                |model: &Self, all: &All| kernel::fields(all.word).round[0] <= model.rules.requests,
            ),
            Property::always(
                "B3: no more admissions than the round needs",
                |model: &Self, all: &All| {
                    let wanted = model.rules.requests.max(model.rules.successes);
                    kernel::fields(all.word).state != State::HalfOpen
                        || u32::from(all.admitted) <= wanted + u32::from(all.wasted)
                },
            ),
            Property::always("B6: in flight is who is in flight", |_, all: &All| {
                kernel::fields(all.word).round[0] == Self::unsettled(all)
            }),
            Property::always("B10: half-open has a way out", Self::has_a_way_out),
            Property::always(
                "B11: a failed round does not stand",
                |model: &Self, all: &All| kernel::fields(all.word).round[2] <= model.rules.failures,
            ),
            Property::sometimes("all have ended", |_, all: &All| {
                all.callers
                    .iter()
                    .all(|caller| caller.left == 0 && caller.place == Place::Idle)
            }),
        ]
    }
}
