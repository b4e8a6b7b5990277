//! [`Specification`]: the model, asked one part at a time.

use std::collections::{BTreeMap, BTreeSet};

use fuseboard_core::{Outcome, Rejected, Settled, State};
use fuseboard_model::breaker::{Breaker, Config, Permit, Recorded, Window};
use stateright::semantics::SequentialSpec;

use crate::breaker::{Answer, Part, Quiet};

/// A counted call before it has judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Unjudged {
    recorded: Recorded,
    /// Whether some moment since it was counted was bad enough, and whether some was not.
    was_bad: bool,
    was_good: bool,
}

/// The word when a request looked, and the moment then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Glance {
    word: (State, u64, [u32; 3]),
    since: u64,
}

/// The model, with what the open operations have done so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Specification {
    model: Breaker,
    permits: BTreeMap<usize, Permit>,
    ticks: BTreeMap<usize, u64>,
    unjudged: BTreeMap<usize, Unjudged>,
    /// What open requests have looked at.
    glances: BTreeMap<usize, Glance>,
    /// Operations whose last moment is over.
    ended: BTreeSet<usize>,
    /// Settings that an open operation has read. Without `Configure` in the history, nobody looks.
    looks: Option<BTreeMap<usize, Config>>,
}

impl Specification {
    /// A closed breaker; `is_configured`: whether its history has a `Configure`.
    pub fn new(config: Config, is_configured: bool) -> Self {
        Self {
            model: Breaker::new(config),
            permits: BTreeMap::new(),
            ticks: BTreeMap::new(),
            unjudged: BTreeMap::new(),
            glances: BTreeMap::new(),
            ended: BTreeSet::new(),
            looks: is_configured.then(BTreeMap::new),
        }
    }

    /// Whether the window is one word.
    pub fn is_one_word(window: Window) -> bool {
        matches!(window, Window::Count(_) | Window::Consecutive(_))
    }

    /// Runs `part` with the settings that operation `id` has read. `None`: it has not yet.
    fn with_look<T>(&mut self, id: usize, part: impl FnOnce(&mut Breaker) -> T) -> Option<T> {
        let Some(looks) = &mut self.looks else {
            return Some(part(&mut self.model));
        };
        let look = looks.remove(&id)?;
        let current = std::mem::replace(&mut self.model.config, look);
        let result = part(&mut self.model);
        self.model.config = current;
        Some(result)
    }

    fn acquire(&mut self, id: usize, now: u64) -> Option<Result<Permit, Rejected>> {
        let word = self.word();
        let glance = self.glances.remove(&id);
        let glance = glance.filter(|glance| glance.word == word);
        self.with_look(id, |model| match glance {
            Some(glance) => model.acquire_since(glance.since, now),
            None => model.acquire(now),
        })
    }

    /// The window has changed.
    fn look_again(&mut self) {
        if Self::is_one_word(self.model.config.window) {
            return;
        }
        for unjudged in self.unjudged.values_mut() {
            let is_bad = self.model.judges_bad(unjudged.recorded);
            unjudged.was_bad |= is_bad;
            unjudged.was_good |= !is_bad;
        }
    }

    fn count(
        &mut self,
        id: usize,
        permit: usize,
        outcome: Outcome,
        weight: u32,
        now: u64,
    ) -> Answer {
        let (Some(tick), Some(&permit)) = (self.ticks.remove(&id), self.permits.get(&permit))
        else {
            return Answer::Impossible;
        };
        let recorded = self.with_look(id, |model| {
            let recorded = model.record(permit, outcome, weight, now, tick)?;
            Some((recorded, model.judges_bad(recorded)))
        });
        match recorded {
            None => Answer::Impossible,
            Some(None) => Answer::Settled(Settled::Stale),
            Some(Some((recorded, is_bad))) => {
                let unjudged = Unjudged {
                    recorded,
                    was_bad: is_bad,
                    was_good: !is_bad,
                };
                self.unjudged.insert(id, unjudged);
                self.look_again();
                Answer::Settled(Settled::Recorded)
            }
        }
    }

    fn judge(&mut self, id: usize, opened: bool, now: u64) -> Answer {
        let Some(unjudged) = self.unjudged.remove(&id) else {
            return Answer::Impossible;
        };
        self.ended.insert(id);
        let can_open = self.model.can_trip(unjudged.recorded);
        if opened && can_open && unjudged.was_bad {
            self.model.trip(now);
            Answer::Done
        } else if !opened && (!can_open || unjudged.was_good) {
            Answer::Done
        } else {
            Answer::Impossible
        }
    }

    fn word(&self) -> (State, u64, [u32; 3]) {
        let model = &self.model;
        (model.state(), model.generation(), model.round())
    }
}

impl SequentialSpec for Specification {
    type Op = Part;
    type Ret = Answer;

    #[expect(clippy::too_many_lines, reason = "one arm for each part")]
    fn invoke(&mut self, part: &Part) -> Answer {
        match *part {
            Part::Acquire { id, now } => {
                self.ended.insert(id);
                match self.acquire(id, now) {
                    None => Answer::Impossible,
                    Some(Err(rejected)) => Answer::Rejected(rejected),
                    Some(Ok(permit)) => {
                        self.permits.insert(id, permit);
                        Answer::Admitted {
                            generation: permit.generation(),
                            is_probe: permit.is_probe(),
                        }
                    }
                }
            }
            Part::Check { id, now } => {
                match self.with_look(id, |model| model.clone().acquire(now)) {
                    None => Answer::Impossible,
                    Some(Err(rejected)) => Answer::Rejected(rejected),
                    Some(Ok(_)) => Answer::Passes,
                }
            }
            Part::Settle {
                id,
                permit,
                outcome,
                weight,
                now,
            } => {
                let permit = self.permits[&permit];
                self.ended.insert(id);
                self.with_look(id, |model| model.settle(permit, outcome, weight, now))
                    .map_or(Answer::Impossible, Answer::Settled)
            }
            Part::Show { id, .. } if self.ended.contains(&id) => Answer::Done,
            Part::Show { id, now } => {
                let tick = self.model.show(now);
                self.ticks.insert(id, tick);
                self.look_again();
                Answer::Done
            }
            Part::Count {
                id,
                permit,
                outcome,
                weight,
                now,
            } => self.count(id, permit, outcome, weight, now),
            Part::Judge { id, opened, now } => self.judge(id, opened, now),
            Part::Overtaken { id, now } => {
                if !self.ended.contains(&id) {
                    self.model.overtaken(now);
                }
                Answer::Done
            }
            Part::Clear => {
                self.model.clear();
                self.look_again();
                Answer::Done
            }
            Part::Glance { id } => {
                if !self.ended.contains(&id) {
                    let glance = Glance {
                        word: self.word(),
                        since: self.model.since(),
                    };
                    self.glances.insert(id, glance);
                }
                Answer::Done
            }
            Part::Operate { id, state, now } => {
                self.ended.insert(id);
                self.model.operate(state, now);
                Answer::Done
            }
            Part::ForceOpenUntil { until, now } => {
                self.model.force_open_until(until, now);
                Answer::Done
            }
            Part::Configure(config) => {
                self.model.config = config;
                Answer::Done
            }
            Part::Look { id } => {
                let config = self.model.config;
                if let Some(looks) = &mut self.looks {
                    looks.insert(id, config);
                }
                Answer::Done
            }
            Part::State => Answer::State(self.model.state()),
            Part::Word => {
                let (state, generation, round) = self.word();
                Answer::Word(state, generation, round)
            }
            Part::Window { generation } => {
                let is_current = self.model.generation() == generation;
                Answer::Window(is_current.then(|| self.model.window(0)))
            }
            Part::Quiet { now } => Answer::Quiet(Quiet {
                word: self.word(),
                window: self.model.window(now),
                total: self.model.total,
                rejected: self.model.rejected,
                ignored: self.model.ignored,
            }),
        }
    }

    /// A window that is over shows what nobody promised.
    fn is_valid_step(&mut self, part: &Part, answer: &Answer) -> bool {
        let given = self.invoke(part);
        given != Answer::Impossible
            && (given == *answer
                || given == Answer::Window(None) && matches!(answer, Answer::Window(_)))
    }
}
