//! What can go wrong: [`SetUpError`] once, [`Unavailable`] with any request.

use crate::limiter::Unavailable;
use ::redis::{ErrorKind, RedisError, ServerErrorKind};
use fuseboard_core::ConfigError;
use std::time::Duration;
use thiserror::Error;

/// Why a limiter or its engine cannot be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetUpError {
    /// The address, which may hold a password and is not repeated, is none.
    #[error(
        "the engine's address is not understood ({reason}); allowed: redis://[[user]:password@]host[:port][/database]"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{field} is {given}; allowed: {allowed}")]
    Setting {
        /// The setting's name.
        field: &'static str,
        /// What it was.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
}

impl SetUpError {
    pub(super) fn address(error: &RedisError) -> Self {
        let reason = error
            .detail()
            .map_or_else(|| error.category().to_owned(), str::to_owned);
        Self::Address { reason }
    }

    /// A share so small that no limit of its own comes out of it.
    pub(super) fn local(error: &ConfigError) -> Self {
        Self::Setting {
            field: "on_failure.local_share",
            given: error.to_string(),
            allowed: "a share of the limit that is a limit",
        }
    }

    /// `given` when it is within `range`.
    pub(super) fn integer(
        field: &'static str,
        given: u64,
        range: std::ops::RangeInclusive<u64>,
        allowed: &'static str,
    ) -> Result<u64, Self> {
        if range.contains(&given) {
            return Ok(given);
        }
        let given = given.to_string();
        Err(Self::Setting {
            field,
            given,
            allowed,
        })
    }

    /// The microseconds of `given`, when it is within `range`.
    pub(super) fn span(
        field: &'static str,
        given: Duration,
        range: std::ops::RangeInclusive<Duration>,
        allowed: &'static str,
    ) -> Result<u64, Self> {
        if range.contains(&given) {
            // The longest range ends far below 2^64 microseconds.
            return Ok(u64::try_from(given.as_micros()).unwrap_or(u64::MAX));
        }
        let given = format!("{given:?}");
        Err(Self::Setting {
            field,
            given,
            allowed,
        })
    }
}

impl From<&RedisError> for Unavailable {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::TimedOut,
            ErrorKind::Io if error.is_connection_refusal() => Self::NotConnected,
            ErrorKind::Io => Self::ConnectionLost,
            ErrorKind::ClusterConnectionNotFound => Self::NotConnected,
            ErrorKind::AuthenticationFailed
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::NoPerm,
            ) => Self::Refusing,
            _ => match error.code() {
                Some("OOM" | "BUSY" | "NOAUTH" | "MISCONF" | "NOREPLICAS" | "UNBLOCKED") => {
                    Self::Refusing
                }
                _ => Self::Misunderstood,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_errors_name_the_field_the_value_and_the_range() {
        let error = SetUpError::integer("limit", 0, 1..=10_000, "1 to 10,000").unwrap_err();
        assert_eq!(error.to_string(), "limit is 0; allowed: 1 to 10,000");
        let hour = Duration::from_secs(3600);
        let error = SetUpError::span(
            "window",
            Duration::ZERO,
            Duration::from_millis(1)..=hour,
            "1 ms to an hour",
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "window is 0ns; allowed: 1 ms to an hour"
        );
    }
}
