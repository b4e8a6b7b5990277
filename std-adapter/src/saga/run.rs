//! [`Progress`], and the way through a saga.

use crate::saga::{Saga, SagaError};
use crate::tally::did;
use std::fmt;
use std::str::FromStr;

/// How far a saga has come. Its text (`making 2`, `undoing 1`) can be kept and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This step (from 0) is about to be made, those before it are.
    Making(usize),
    /// This step is about to be undone, those before it stand.
    Undoing(usize),
    /// All steps are made.
    Done,
    /// All steps are undone.
    Undone,
}

impl Progress {
    /// Nothing was done yet.
    pub const START: Self = Self::Making(0);

    /// The way back from here, for a saga that was given up; from `Done` there is none.
    #[must_use]
    pub fn undo(self) -> Self {
        match self {
            Self::Making(step) => Self::Undoing(step),
            other => other,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Making(step) => write!(f, "making {step}"),
            Self::Undoing(step) => write!(f, "undoing {step}"),
            Self::Done => f.write_str("done"),
            Self::Undone => f.write_str("undone"),
        }
    }
}

/// A text that is no [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("progress is {0:?}; allowed: `making N`, `undoing N`, `done`, `undone`, as it was shown")]
pub struct ProgressError(String);

impl FromStr for Progress {
    type Err = ProgressError;

    fn from_str(text: &str) -> Result<Self, ProgressError> {
        let step = |number: &str| number.parse().map_err(|_| ProgressError(text.to_owned()));
        match text.split_once(' ') {
            Some(("making", number)) => Ok(Self::Making(step(number)?)),
            Some(("undoing", number)) => Ok(Self::Undoing(step(number)?)),
            None if text == "done" => Ok(Self::Done),
            None if text == "undone" => Ok(Self::Undone),
            _ => Err(ProgressError(text.to_owned())),
        }
    }
}

impl<C: Clone, E> Saga<C, E> {
    /// Makes the steps from `progress` on, or undoes them from there back. `record` is told before each step and each undo, and at the
    /// end: what it was told last is where to take the saga up again.
    ///
    /// # Errors
    /// A step failed: see [`SagaError`] for what stands.
    pub async fn run(
        &self,
        context: C,
        progress: Progress,
        mut record: impl FnMut(Progress),
    ) -> Result<(), SagaError<E>> {
        let (first, mut failed) = match progress {
            Progress::Done => return Ok(()),
            Progress::Undone => return Err(SagaError::UndoneLater),
            Progress::Making(step) | Progress::Undoing(step) if step >= self.steps.len().max(1) => {
                let steps = self.steps.len();
                return Err(SagaError::NoSuchStep { progress, steps });
            }
            Progress::Making(step) => (step, None),
            Progress::Undoing(step) => (step, Some((step, None))),
        };
        if failed.is_none() {
            for (number, step) in self.steps.iter().enumerate().skip(first) {
                record(Progress::Making(number));
                if let Err(error) = (step.make)(context.clone()).await {
                    failed = Some((number, Some((step.name, error))));
                    break;
                }
            }
        }
        let Some((from, cause)) = failed else {
            record(Progress::Done);
            self.tally.count(did::Saga::Done);
            return Ok(());
        };
        for (number, step) in self.steps.iter().enumerate().take(from + 1).rev() {
            let progress = Progress::Undoing(number);
            record(progress);
            if let Err(error) = (step.undo)(context.clone()).await {
                self.tally.count(did::Saga::UndoFailed);
                return Err(SagaError::UndoFailed {
                    step: step.name,
                    error,
                    progress,
                });
            }
        }
        record(Progress::Undone);
        self.tally.count(did::Saga::Undone);
        Err(match cause {
            Some((step, error)) => SagaError::Undone { step, error },
            None => SagaError::UndoneLater,
        })
    }
}
