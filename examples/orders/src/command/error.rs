//! [`CommandError`], and what clients are told of it.

use std::time::Duration;

use http::StatusCode;

use crate::order::{Corrupt, Rejected, UnknownEvent};
use crate::problem::Problem;
use crate::store::{CommandResult, StoreError};

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not possible.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The order is another user's.
    #[error("the order is not yours")]
    NotOwner,
    /// It was executed before, under the same key.
    #[error("this command has been answered")]
    Answered(Box<CommandResult>),
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request: use a new one for each request")]
    KeyReused,
    /// The store's reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Unknown(#[from] UnknownEvent),
    /// The stored events make no order.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// When to come back to a store that does not answer.
const LATER: Duration = Duration::from_secs(1);

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let problem = |status, kind| Self::new(status, kind, error.to_string());
        match &error {
            CommandError::Rejected(Rejected::NotFound) => {
                problem(StatusCode::NOT_FOUND, "not-found")
            }
            CommandError::Rejected(Rejected::Exists) => problem(StatusCode::CONFLICT, "exists"),
            CommandError::Rejected(Rejected::Invalid { .. }) => {
                problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid")
            }
            CommandError::Rejected(Rejected::WrongStatus { .. }) => {
                problem(StatusCode::CONFLICT, "wrong-status")
            }
            CommandError::NotOwner => problem(StatusCode::FORBIDDEN, "not-yours"),
            CommandError::KeyReused => problem(StatusCode::UNPROCESSABLE_ENTITY, "key-reused"),
            CommandError::Store(StoreError::Conflict { .. }) => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                "others changed this order at the same time: look at it again",
            ),
            // Its events and its answer are one: there is no such thing as an answer nobody may see.
            CommandError::Answered(_) | CommandError::Store(StoreError::Answered(_)) => {
                problem(StatusCode::CONFLICT, "conflict")
            }
            CommandError::Store(StoreError::Rejected { retry_after }) => {
                unavailable().retry_after(*retry_after)
            }
            CommandError::Store(StoreError::Unavailable(reason)) => {
                tracing::warn!(reason, "the event store does not answer");
                unavailable().retry_after(LATER)
            }
            CommandError::Store(StoreError::Corrupt(_))
            | CommandError::Unknown(_)
            | CommandError::Corrupt(_) => {
                tracing::error!(%error, "an order cannot be read");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "unreadable",
                    "this order cannot be read; its operators have been told",
                )
            }
        }
    }
}

fn unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "store-unavailable",
        "orders cannot be changed at the moment: send it again, with the same Idempotency-Key",
    )
}
