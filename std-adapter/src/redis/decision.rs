//! [`Decision`]: what a limiter says to a request.

use super::error::Unavailable;
use std::time::Duration;

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The engine, just now.
    Engine,
    /// A lease: what the engine admitted before.
    Lease,
    /// The memory of an earlier denial, whose time is not over.
    DenyCache,
    /// The failure policy, because the engine did not.
    Fallback(Unavailable),
}

/// Whether a request is admitted, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Decision {
    /// Whether it is.
    pub is_allowed: bool,
    /// Most that the limiter admits at once: its limit or burst.
    pub limit: u64,
    /// What is left now; `None` where nobody knows.
    pub remaining: Option<u64>,
    /// How long until the same request can be admitted: zero when it is, or could be at once; `None`: never, it costs more than the limit.
    pub retry_after: Option<Duration>,
    /// How long until all of the limit is there again.
    pub reset_after: Duration,
    /// Who decided.
    pub source: Source,
    /// Whether more may have been taken than was admitted, because the engine's answer was lost.
    pub may_have_taken: bool,
}

impl Decision {
    /// Whether the engine was away and the [`FailurePolicy`](super::FailurePolicy) decided: where that denied, HTTP says 503 and not 429.
    pub fn is_fallback(&self) -> bool {
        matches!(self.source, Source::Fallback(_))
    }
}

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

    /// What it says to one of those who asked.
    pub(super) fn decision(self, is_allowed: bool, limit: u64, remaining: u64) -> Decision {
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
            source: Source::Engine,
            may_have_taken: false,
        }
    }
}
