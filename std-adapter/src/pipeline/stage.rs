//! [`Stage`]: one policy of a pipeline, or several that are asked as one.

use crate::chaos::Chaos;
use crate::hedge::Hedge;
use crate::pipeline::admission::Admission;
use crate::retry::Retry;
use crate::tally::Tally;
use crate::timeout::Timeout;

#[derive(Debug)]
pub(super) enum Stage {
    Timeout(Timeout),
    Retry(Retry),
    Hedge(Hedge),
    Admission(Admission),
    Chaos(Chaos),
}

impl Stage {
    /// What its policies count.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        match self {
            Self::Timeout(timeout) => vec![timeout.tally().clone()],
            Self::Retry(retry) => vec![retry.tally().clone()],
            Self::Hedge(hedge) => vec![hedge.tally().clone()],
            Self::Admission(admission) => admission.tallies(),
            Self::Chaos(chaos) => vec![chaos.tally().clone()],
        }
    }
}
