//! [`Decision`]: what any limiter says to a request.

use std::time::Duration;
use thiserror::Error;

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecisionSource {
    /// A limiter of this process or of this host's board.
    Local,
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
    /// How long until all of the limit is there again, at most; zero also where nobody knows.
    pub reset_after: Duration,
    /// Who decided.
    pub source: DecisionSource,
    /// Whether more may have been taken than was admitted, because the engine's answer was lost.
    pub may_have_taken: bool,
}

impl Decision {
    /// Whether the engine was away and a failure policy decided: where that denied, HTTP says 503 and not 429.
    pub fn is_fallback(&self) -> bool {
        matches!(self.source, DecisionSource::Fallback(_))
    }
}

/// Why the engine did not decide.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unavailable {
    /// There is no connection, and one is being tried for.
    #[error("not connected to the engine")]
    NotConnected,
    /// It has failed too often just now and is left alone for a moment.
    #[error("the engine is left alone after repeated failures")]
    BreakerOpen,
    /// No answer within the deadline. The request may have been counted.
    #[error("the engine did not answer in time")]
    TimedOut,
    /// The connection broke before the answer came. The request may have been counted.
    #[error("the connection to the engine broke")]
    ConnectionLost,
    /// It answered that it cannot: out of memory, read-only, loading, busy, without quorum, not permitted.
    #[error("the engine refuses: out of memory, read-only, loading, or not permitted")]
    Refusing,
    /// It answered something else than its script does: the key holds another type, or an engine that is none of ours.
    #[error(
        "the engine's answer is not understood: another program uses this key, or its scripts do not run"
    )]
    Misunderstood,
}

impl Unavailable {
    /// Whether the request may have been counted although nobody said so.
    pub fn may_have_taken(self) -> bool {
        matches!(self, Self::TimedOut | Self::ConnectionLost)
    }

    /// Whether it says something against the engine's health, beyond a connection that is missing.
    #[cfg(feature = "redis")]
    pub(crate) fn is_failure(self) -> bool {
        !matches!(
            self,
            Self::NotConnected | Self::BreakerOpen | Self::Misunderstood
        )
    }
}
