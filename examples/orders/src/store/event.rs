//! Events on their way in and out, and what can go wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Where an event comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The same for all that one request led to.
    pub correlation_id: Uuid,
    /// The command or event that led to it.
    pub causation_id: Uuid,
    /// Who asked: a subject of a token, or the part of the service.
    pub actor: String,
    /// The W3C trace context of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique; version 7, so that it sorts by time.
    pub event_id: Uuid,
    /// [`crate::order::OrderEvent::kind`].
    pub kind: &'static str,
    /// [`crate::order::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// [`crate::order::encode`].
    pub payload: Value,
    /// Where it comes from.
    pub metadata: Metadata,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its place in the order of all events, from 1; there may be gaps (a rolled-back append leaves one).
    pub position: u64,
    /// The order it belongs to.
    pub stream: Uuid,
    /// Its place in that order's events, from 1, without gaps.
    pub version: u64,
    /// Unique.
    pub event_id: Uuid,
    /// [`crate::order::OrderEvent::kind`].
    pub kind: String,
    /// Which schema the payload has.
    pub schema_version: u32,
    /// [`crate::order::decode`] reads it.
    pub payload: Value,
    /// Where it comes from.
    pub metadata: Metadata,
    /// When the store took it.
    #[serde(with = "time::serde::rfc3339")]
    pub recorded_at: OffsetDateTime,
}

/// What an append led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The stream's version now.
    pub version: u64,
    /// The position of the last event.
    pub position: u64,
}

/// How far the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// The last position given out.
    pub head: u64,
    /// The last position up to which nothing new can appear.
    pub safe: u64,
    /// How long the oldest transaction that writes has been under way: it holds `safe`.
    pub oldest_transaction: Duration,
}

/// What a command was answered, kept under its `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// The key, with the subject that used it before it.
    pub key: String,
    /// Digest of the request: the same key for another request is a mistake of the client's.
    pub request_sha256: [u8; 32],
    /// The status that was answered.
    pub status: u16,
    /// And the body.
    pub body: Value,
    /// The position of the command's last event; whatever stands here when it is appended, the store sets it.
    pub position: u64,
}

impl CommandResult {
    /// As a store has it.
    pub(super) fn stored(
        key: &str,
        request_sha256: &[u8],
        status: i64,
        body: Value,
        position: i64,
    ) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("{what} of a command's answer"));
        Ok(Self {
            key: key.to_owned(),
            request_sha256: request_sha256.try_into().map_err(|_| corrupt("digest"))?,
            status: u16::try_from(status).map_err(|_| corrupt("status"))?,
            body,
            position: u64::try_from(position).map_err(|_| corrupt("position"))?,
        })
    }
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The stream has another version: load it again and decide again.
    #[error("the stream is not at version {expected}")]
    Conflict {
        /// The version it should have had.
        expected: u64,
    },
    /// The key has been used: this is what was answered.
    #[error("a command with this key has been answered")]
    Answered(Box<CommandResult>),
    /// Not asked: a policy before the store keeps this call away from it.
    #[error("the event store is not asked now")]
    Rejected {
        /// Not before this.
        retry_after: Duration,
    },
    /// Out of reach, or too slow: nothing is known about what was asked for.
    #[error("the event store does not answer: {0}")]
    Unavailable(String),
    /// What is stored makes no sense.
    #[error("the event store is damaged: {0}")]
    Corrupt(String),
}
