//! [`Script`]: what an actor does, as steps that are one operation each, and [`Hand`]: what it holds and was told.

use fuseboard_core::{RawPermit, Reason, Rejected, Settled};

/// What an operation said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Admitted; whether as a probe.
    Admitted(bool),
    /// Not now.
    Rejected(Reason),
    /// What became of an outcome.
    Settled(Settled),
    /// A number, for whatever says one.
    Number(u64),
}

impl From<Settled> for Answer {
    fn from(settled: Settled) -> Self {
        Self::Settled(settled)
    }
}

impl From<u64> for Answer {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        Self::Number(yes.into())
    }
}

impl From<Result<(), Rejected>> for Answer {
    fn from(decision: Result<(), Rejected>) -> Self {
        match decision {
            Ok(()) => Self::Admitted(false),
            Err(rejected) => Self::Rejected(rejected.reason),
        }
    }
}

/// The most steps of a script.
pub const STEPS: usize = 4;

/// An actor's own memory. Plain values: a step may run inside a signal handler, where nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub struct Hand {
    /// A permit to settle.
    pub permit: Option<RawPermit>,
    /// Calls and failures that were counted, for whoever compares the sums only.
    pub counted: [u64; 2],
    answers: [Option<Answer>; STEPS],
    told: usize,
}

impl Hand {
    /// Holds nothing, was told nothing.
    pub const NONE: Self = Self {
        permit: None,
        counted: [0; 2],
        answers: [None; STEPS],
        told: 0,
    };

    /// Keeps what an operation said.
    pub fn tell(&mut self, answer: impl Into<Answer>) {
        if let Some(place) = self.answers.get_mut(self.told) {
            *place = Some(answer.into());
        }
        self.told += 1;
    }

    /// Keeps the permit of an admission, or why there is none.
    pub fn take(&mut self, decision: Result<RawPermit, Rejected>) {
        match decision {
            Ok(permit) => {
                self.permit = Some(permit);
                self.tell(Answer::Admitted(permit.is_probe()));
            }
            Err(rejected) => self.tell(Answer::Rejected(rejected.reason)),
        }
    }

    /// What was said, in order.
    pub fn answers(&self) -> [Option<Answer>; STEPS] {
        self.answers
    }
}

/// One operation of an actor.
pub type Operation<S> = fn(&S, &mut Hand);

/// What an actor does.
pub struct Script<S: 'static> {
    /// In the words of the documentation.
    pub name: &'static str,
    /// Its operations, in order.
    pub steps: &'static [Operation<S>],
}

/// What is tried: every script interrupted by every script.
pub struct Subject<S: 'static> {
    /// Its name and state.
    pub name: &'static str,
    /// A new one, in the state in which the scripts begin, with what each actor holds then.
    pub make: fn() -> (S, [Hand; crate::stepper::DEPTH]),
    /// What there is to see of it when all have ended, asked one by one.
    pub observe: fn(&S, &[Hand]) -> Vec<u64>,
    /// What the actors do.
    pub scripts: &'static [Script<S>],
}
