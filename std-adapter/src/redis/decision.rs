//! [`Answer`]: what a script says, and how it becomes a [`Decision`].

use crate::limiter::{Decision, DecisionSource};
use std::time::Duration;

/// What a script answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Requests admitted.
    pub(super) admitted: u64,
    /// Units left.
    pub(super) remaining: u64,
    /// Until one request more is admitted; `None`: never.
    pub(super) retry_after: Option<Duration>,
    pub(super) reset_after: Duration,
}

impl Answer {
    pub(super) fn from_reply([admitted, remaining, retry, reset]: [i64; 4]) -> Self {
        let micros = |value: i64| Duration::from_micros(u64::try_from(value).unwrap_or(0));
        Self {
            admitted: u64::try_from(admitted).unwrap_or(0),
            remaining: u64::try_from(remaining).unwrap_or(0),
            retry_after: (retry >= 0).then(|| micros(retry)),
            reset_after: micros(reset),
        }
    }

    /// Where nothing is taken and `remaining` units are left.
    pub(super) fn left(remaining: u64) -> Self {
        Self {
            admitted: 0,
            remaining,
            retry_after: Some(Duration::ZERO),
            reset_after: Duration::ZERO,
        }
    }

    /// What it says to one of those who asked.
    pub(super) fn decision(
        self,
        is_allowed: bool,
        limit: u64,
        remaining: u64,
        source: DecisionSource,
    ) -> Decision {
        let retry_after = if is_allowed {
            Some(Duration::ZERO)
        } else {
            self.retry_after
        };
        Decision {
            is_allowed,
            limit,
            remaining: Some(remaining),
            retry_after,
            reset_after: self.reset_after,
            source,
            may_have_taken: false,
        }
    }
}
