//! [`CallError`]: why a call under a policy has no value, in one shape for every policy.

use fuseboard_core::{Reason, Rejected};
use std::fmt;
use std::time::Duration;

/// Which policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// A circuit breaker.
    Breaker,
    /// A rate limit.
    RateLimit,
    /// A concurrency limit, with or without a queue.
    Concurrency,
    /// An adaptive concurrency limit.
    Adaptive,
    /// Load shedding by priority.
    Shedding,
    /// A queue whose entries are shed when it stands.
    CoDel,
    /// Throttling at the client.
    Throttle,
    /// Tasks or threads of its own.
    Isolation,
    /// A time limit.
    Timeout,
    /// Repeated attempts.
    Retry,
    /// Attempts side by side.
    Hedge,
    /// Endpoints that stand in for each other.
    Failover,
    /// Faults made on purpose.
    Chaos,
    /// What stands in for an answer.
    Fallback,
    /// The last good answers.
    Cache,
    /// Equal calls made once.
    Coalesce,
    /// Steps that are undone.
    Saga,
}

impl PolicyKind {
    /// The stable name: `rate_limit`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::RateLimit => "rate_limit",
            Self::Concurrency => "concurrency",
            Self::Adaptive => "adaptive",
            Self::Shedding => "shedding",
            Self::CoDel => "codel",
            Self::Throttle => "throttle",
            Self::Isolation => "isolation",
            Self::Timeout => "timeout",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::Failover => "failover",
            Self::Chaos => "chaos",
            Self::Fallback => "fallback",
            Self::Cache => "cache",
            Self::Coalesce => "coalesce",
            Self::Saga => "saga",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call returned no value: it was not made, it took too long, or it was made and failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// The call was not made: a policy rejected it.
    #[error("not called ({policy}): {}", shown(*reason, *retry_after))]
    Rejected {
        /// Which one.
        policy: PolicyKind,
        /// Why.
        reason: Reason,
        /// When another call can be admitted; `None` where nobody can know it.
        retry_after: Option<Duration>,
    },
    /// The call was cancelled because it had not ended in time. What it did until then, it did.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// The call was not made: chaos put a failure in its place, on purpose.
    #[error("failed on purpose (chaos)")]
    Injected,
    /// The call was made and returned this error.
    #[error("the operation failed: {0}")]
    OperationFailed(#[source] E),
}

impl<E> CallError<E> {
    /// A rejection by `policy`.
    pub fn rejected(policy: PolicyKind, rejected: Rejected) -> Self {
        Self::Rejected {
            policy,
            reason: rejected.reason,
            retry_after: rejected.retry_after.map(Duration::from),
        }
    }

    /// How long to wait before another call can be admitted. `None` where nobody can know it, and
    /// where the call was made.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { retry_after, .. } => *retry_after,
            Self::TimedOut { .. } | Self::Injected | Self::OperationFailed(_) => None,
        }
    }

    /// Whether the call was not made, by a policy's decision.
    pub fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected { .. })
    }

    /// Whether the call was cancelled for taking too long.
    pub fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// The operation's own error, where it has one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::OperationFailed(error) => Some(error),
            Self::Rejected { .. } | Self::TimedOut { .. } | Self::Injected => None,
        }
    }

    /// The same with another error of the operation.
    pub fn map_inner<F>(self, map: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            Self::Rejected {
                policy,
                reason,
                retry_after,
            } => CallError::Rejected {
                policy,
                reason,
                retry_after,
            },
            Self::TimedOut { limit } => CallError::TimedOut { limit },
            Self::Injected => CallError::Injected,
            Self::OperationFailed(error) => CallError::OperationFailed(map(error)),
        }
    }
}

impl<E> CallError<CallError<E>> {
    /// One error of a policy around another: the inner one's word counts.
    ///
    /// ```
    /// use fuseboard::CallError;
    ///
    /// let nested = CallError::OperationFailed(CallError::OperationFailed("no such table"));
    /// assert_eq!(nested.flatten(), CallError::OperationFailed("no such table"));
    /// ```
    pub fn flatten(self) -> CallError<E> {
        match self {
            Self::OperationFailed(inner) => inner,
            Self::Rejected {
                policy,
                reason,
                retry_after,
            } => CallError::Rejected {
                policy,
                reason,
                retry_after,
            },
            Self::TimedOut { limit } => CallError::TimedOut { limit },
            Self::Injected => CallError::Injected,
        }
    }
}

fn shown(reason: Reason, retry_after: Option<Duration>) -> Rejected {
    Rejected {
        reason,
        retry_after: retry_after.map(Into::into),
    }
}

impl<E> From<crate::CircuitBreakerError<E>> for CallError<E> {
    fn from(error: crate::CircuitBreakerError<E>) -> Self {
        use crate::CircuitBreakerError as Error;
        let policy = PolicyKind::Breaker;
        match error {
            Error::OperationFailed(error) => Self::OperationFailed(error),
            Error::CircuitOpen {
                reason,
                retry_after,
            } => Self::Rejected {
                policy,
                reason,
                retry_after,
            },
            Error::TooManyHalfOpenRequests { retry_after } => Self::Rejected {
                policy,
                reason: Reason::HalfOpenFull,
                retry_after,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fuseboard_core::Nanos;

    #[test]
    fn an_error_says_who_rejected_and_when_to_come_back() {
        let rejected = Rejected {
            reason: Reason::Limited,
            retry_after: Some(Nanos::from_millis(1_500)),
        };
        let error = CallError::<std::io::Error>::rejected(PolicyKind::RateLimit, rejected);
        assert_eq!(
            error.to_string(),
            "not called (rate_limit): the rate limit is used up; retry after 1.5s"
        );
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
        assert!(error.is_rejected() && !error.is_timed_out());
        assert!(error.into_inner().is_none());
    }

    #[test]
    fn a_breakers_error_keeps_its_meaning() {
        let error = crate::CircuitBreakerError::<&str>::TooManyHalfOpenRequests {
            retry_after: Some(Duration::from_secs(3)),
        };
        assert_eq!(
            CallError::from(error),
            CallError::Rejected {
                policy: PolicyKind::Breaker,
                reason: Reason::HalfOpenFull,
                retry_after: Some(Duration::from_secs(3)),
            }
        );
        let failed = crate::CircuitBreakerError::OperationFailed("no");
        assert_eq!(CallError::from(failed).into_inner(), Some("no"));
    }
}
