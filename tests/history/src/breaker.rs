//! The whole breaker as a sequential specification: the model of `tests/model`, asked one moment at a time.
//!
//! # What is one moment
//!
//! An admission, a rejection with its exact wait, the settling of a probe, a cancel, a stale outcome, an operator's change, and every
//! read of the state word (`state`, `check`, and of a snapshot its state, generation and round) each happen at one moment between their
//! call and their answer. So does the read of a count window and of a run.
//!
//! # What is several, and why
//!
//! - **A counted call**: it is shown its tick (`Show`), is counted (`Count`), and judges (`Judge`), since window and state are two words.
//!   So between the outcome that crosses the threshold and the swap that opens the breaker, others may still be admitted and counted. In a
//!   window of one word (count, consecutive) a call judges exactly what it left there. In one of slots it reads one after the
//!   other, and judges what some moment between its counting and its answer held. If it crossed at every such moment, it must open.
//! - **Who is overtaken** (`Overtaken`): the moment of a change is raised before its swap. If somebody else's swap is faster, his
//!   change counts from the later of both times: no admission is earlier by it. A request that had read the moment (`Glance`)
//!   before such a raise decides by what it read.
//! - **A reset** (and `metrics_only`) empties the window (`Clear`) before it begins the new generation, so that nothing of
//!   the old one is in the new one's window.
//! - **Settings** (`Look`): a decision may have read them a moment before.
//!
//! # What is exact only when all are quiet
//!
//! The sums of a window of slots, and the totals: they are many words. They are compared after the threads have ended. While they run, no
//! sum ever shows more failures or slow calls than calls.

pub mod specification;

use fuseboard_core::{Counts, Outcome, Rejected, Settled, State};
use fuseboard_model::breaker::{Config, Window};

use crate::breaker::specification::Specification;

/// An operation or a part of one. `id` names an operation, for its parts; a permit has the id of its admission.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the operation")]
pub enum Part {
    Acquire {
        id: usize,
        now: u64,
    },
    Check {
        id: usize,
        now: u64,
    },
    /// All of a settling that counts no call.
    Settle {
        id: usize,
        permit: usize,
        outcome: Outcome,
        weight: u32,
        now: u64,
    },
    Show {
        id: usize,
        now: u64,
    },
    Count {
        id: usize,
        permit: usize,
        outcome: Outcome,
        weight: u32,
        now: u64,
    },
    Judge {
        id: usize,
        opened: bool,
        now: u64,
    },
    /// Before the end of its own operation; after it, nothing.
    Overtaken {
        id: usize,
        now: u64,
    },
    /// Where its request comes before the next change of the word, it decides by the moment that stood here.
    Glance {
        id: usize,
    },
    Clear,
    Operate {
        id: usize,
        state: State,
        now: u64,
    },
    ForceOpenUntil {
        until: u64,
        now: u64,
    },
    Configure(Config),
    Look {
        id: usize,
    },
    State,
    /// State, generation and round.
    Word,
    /// The window of one word of a generation.
    Window {
        generation: u64,
    },
    /// Everything, when all are quiet.
    Quiet {
        now: u64,
    },
}

/// What an operation or a part of one answers.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of the operation")]
pub enum Answer {
    Admitted {
        generation: u64,
        is_probe: bool,
    },
    Rejected(Rejected),
    Settled(Settled),
    Passes,
    State(State),
    Word(State, u64, [u32; 3]),
    Window(Option<Counts>),
    Quiet(Quiet),
    Done,
    /// No moment of this part.
    Impossible,
}

/// What a breaker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Quiet {
    /// State, generation, round.
    pub word: (State, u64, [u32; 3]),
    /// The window.
    pub window: Counts,
    /// Every call ever counted.
    pub total: Counts,
    /// Requests not admitted.
    pub rejected: u64,
    /// Calls without an outcome.
    pub ignored: u64,
}

/// An operation's answer, and what its caller saw beside it.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The observer was told that this operation opened, closed or probed.
    pub changed: bool,
    /// Another thread took a step between call and answer.
    pub interrupted: bool,
    /// The window that a snapshot showed.
    pub window: Option<Counts>,
    /// The permit that was settled was a call's, not a probe's.
    pub is_call: bool,
}

const COUNTED: Answer = Answer::Settled(Settled::Recorded);

/// The moments of one operation. `id` is its own; `window` is the breaker's.
pub fn parts(
    window: Window,
    is_configured: bool,
    call: &Part,
    reply: &Reply,
) -> Vec<(Part, Answer)> {
    let answer = reply.answer.clone();
    let is_one_word = Specification::is_one_word(window);
    let mut parts = Vec::new();
    match *call {
        Part::Acquire { id, now } => {
            parts.push((call.clone(), answer));
            parts.push((Part::Look { id }, Answer::Done));
            parts.push((Part::Glance { id }, Answer::Done));
            parts.push((Part::Overtaken { id, now }, Answer::Done));
        }
        Part::Check { id, .. } => {
            parts.push((call.clone(), answer));
            parts.push((Part::Look { id }, Answer::Done));
        }
        Part::Settle {
            id,
            permit,
            outcome,
            weight,
            now,
        } => {
            let is_counted = reply.is_call && outcome != Outcome::Ignored && answer == COUNTED;
            if is_counted {
                let count = Part::Count {
                    id,
                    permit,
                    outcome,
                    weight,
                    now,
                };
                let opened = reply.changed;
                parts.push((Part::Show { id, now }, Answer::Done));
                parts.push((count, answer));
                parts.push((Part::Judge { id, opened, now }, Answer::Done));
            } else {
                parts.push((call.clone(), answer));
                if reply.is_call && outcome != Outcome::Ignored {
                    parts.push((Part::Show { id, now }, Answer::Done));
                }
            }
            parts.push((Part::Look { id }, Answer::Done));
            parts.push((Part::Overtaken { id, now }, Answer::Done));
        }
        Part::Operate { id, state, now } => {
            parts.push((call.clone(), answer));
            parts.push((Part::Overtaken { id, now }, Answer::Done));
            if matches!(state, State::Closed | State::MetricsOnly) {
                parts.push((Part::Clear, Answer::Done));
            }
        }
        _ => parts.push((call.clone(), answer)),
    }
    if let (Answer::Word(_, generation, _), Some(counts)) = (&reply.answer, reply.window)
        && is_one_word
    {
        let part = Part::Window {
            generation: *generation,
        };
        parts.push((part, Answer::Window(Some(counts))));
    }
    parts.retain(|(part, _)| match part {
        Part::Look { .. } => is_configured,
        // Without it a call is not counted.
        Part::Show { .. } => !is_one_word || reply.answer == COUNTED,
        Part::Glance { .. } | Part::Overtaken { .. } | Part::Clear => reply.interrupted,
        _ => true,
    });
    parts
}
