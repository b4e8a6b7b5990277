//! [`CircuitBreakerError`]: why a guarded call has no value.

use fuseboard_core::{Reason, Rejected};
use std::time::Duration;

/// Why a guarded call returned no value: it was not made, or it was made and failed.
///
/// ```
/// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError};
///
/// let breaker = CircuitBreaker::new("users", CircuitBreakerConfig::default());
/// breaker.force_open();
/// let user = match breaker.call_blocking(|| Ok::<_, std::io::Error>("from upstream")) {
///     Ok(user) => user,
///     Err(CircuitBreakerError::CircuitOpen { .. }) => "from the cache",
///     Err(_) => "nobody",
/// };
/// assert_eq!(user, "from the cache");
/// ```
///
/// Where only *when to come back* matters, [`retry_after`](Self::retry_after) answers for every
/// variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CircuitBreakerError<E> {
    /// The call was not made: the breaker is open, forced open, or ramping up after an opening.
    #[error("{}", rejected(*reason, *retry_after))]
    CircuitOpen {
        /// [`Reason::Open`], [`Reason::ForcedOpen`] or [`Reason::Ramping`].
        reason: Reason,
        /// When another call can be admitted; `None` until an operator acts.
        retry_after: Option<Duration>,
    },
    /// The call was not made: the breaker is half-open and all its probe places are taken.
    #[error("{}", rejected(Reason::HalfOpenFull, *retry_after))]
    TooManyHalfOpenRequests {
        /// When another call can be admitted, if no probe ends before.
        retry_after: Option<Duration>,
    },
    /// The call was made and returned this error.
    #[error("the operation failed: {0}")]
    OperationFailed(#[source] E),
}

impl<E> CircuitBreakerError<E> {
    /// How long to wait before another call can be admitted. `None` where nobody can know it, and
    /// where the call was made.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. }
            | Self::TooManyHalfOpenRequests { retry_after } => *retry_after,
            Self::OperationFailed(_) => None,
        }
    }

    /// Whether the call was not made.
    pub fn is_rejected(&self) -> bool {
        !matches!(self, Self::OperationFailed(_))
    }

    /// The operation's own error, where the call was made.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::OperationFailed(error) => Some(error),
            Self::CircuitOpen { .. } | Self::TooManyHalfOpenRequests { .. } => None,
        }
    }
}

impl<E> From<Rejected> for CircuitBreakerError<E> {
    fn from(rejected: Rejected) -> Self {
        let retry_after = rejected.retry_after.map(Duration::from);
        match rejected.reason {
            Reason::HalfOpenFull => Self::TooManyHalfOpenRequests { retry_after },
            reason => Self::CircuitOpen {
                reason,
                retry_after,
            },
        }
    }
}

fn rejected(reason: Reason, retry_after: Option<Duration>) -> Rejected {
    Rejected {
        reason,
        retry_after: retry_after.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fuseboard_core::Nanos;

    #[test]
    fn a_rejection_keeps_its_reason_and_its_time() {
        for reason in [
            Reason::Open,
            Reason::HalfOpenFull,
            Reason::ForcedOpen,
            Reason::Ramping,
        ] {
            let given = Rejected {
                reason,
                retry_after: Some(Nanos::from_millis(1_500)),
            };
            let error = CircuitBreakerError::<std::io::Error>::from(given);
            assert!(error.is_rejected());
            assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
            assert_eq!(error.to_string(), given.to_string());
            assert!(error.into_inner().is_none());
        }
    }

    #[test]
    fn a_failed_operation_shows_its_own_error_as_the_source() {
        use std::error::Error;
        let error = CircuitBreakerError::OperationFailed(std::io::Error::other("disk on fire"));
        assert_eq!(error.to_string(), "the operation failed: disk on fire");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("disk on fire")
        );
        assert!(!error.is_rejected());
    }
}
