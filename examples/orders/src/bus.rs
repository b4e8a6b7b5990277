//! The way of events from the store to those who follow them. The events' table is the outbox: a [`Relay`] reads what is final and
//! publishes it in order; what is published carries the event's position, so that publishing again changes nothing.
//!
//! Three rules let consumers be sure that they miss nothing, whatever the bus loses: events are handed out at least once; each says which
//! position came before it ([`Delivery::previous`]), so that a hole is seen; and the store, which has everything, can always be asked.

mod in_process;
mod redis;
mod relay;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::store::{StoreError, StoredEvent};

pub use in_process::InProcessBus;
pub use redis::{RedisBus, RedisBusOptions};
pub use relay::{Relay, RelayError, RelayOptions, RelaySnapshot, Round};

/// Why the bus did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Out of reach, or too slow.
    #[error("the bus does not answer: {0}")]
    Unavailable(String),
    /// What it holds cannot be read.
    #[error("the bus holds what is no event: {0}")]
    Corrupt(String),
}

/// One event as a consumer gets it: at least once, so it must recognise what it has had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event.
    pub event: StoredEvent,
    /// There is no event between this position and the event's: who has had everything up to here misses nothing.
    pub previous: u64,
    /// How many times it has been handed out, this one included.
    pub attempt: u32,
}

/// How a consumer group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupLag {
    /// Handed out and not acknowledged.
    pub pending: u64,
    /// How long ago the oldest of them was handed out.
    pub oldest_pending: Duration,
    /// Put aside because nobody could handle them.
    pub parked: u64,
}

/// An event that was put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// The event.
    pub event: StoredEvent,
    /// The position before it.
    pub previous: u64,
    /// Why.
    pub reason: String,
    /// How many times it had been handed out.
    pub attempts: u32,
    /// When it was put aside.
    #[serde(with = "time::serde::rfc3339")]
    pub parked_at: OffsetDateTime,
}

/// When a bus takes an event back from its consumer, and when it gives it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusOptions {
    /// An event that was handed out so long ago and not acknowledged is handed to whoever asks next. Longer than handling a batch takes.
    pub reclaim_after: Duration,
    /// An event that was handed out so many times and never acknowledged is parked: it may be what kills its consumers.
    pub max_attempts: u32,
    /// At most so many events are kept, handled or not: a group that is further behind finds a hole.
    pub retained: usize,
}

impl Default for BusOptions {
    fn default() -> Self {
        Self {
            reclaim_after: Duration::from_secs(30),
            max_attempts: 5,
            retained: 100_000,
        }
    }
}

/// Carries events. A Kafka one would implement the same.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Publishes the store's events after the position `after`, in order and without leaving one out. Those at or before
    /// [`EventBus::last_published`] are on the bus already and change nothing.
    async fn publish(&self, after: u64, events: &[StoredEvent]) -> Result<(), BusError>;

    /// The position of the last event published; 0 when there is none, also when the bus has lost what it had.
    async fn last_published(&self) -> Result<u64, BusError>;

    /// Joins a group, from the oldest event on the bus when the group is new: each event is handed to one of its consumers.
    async fn subscribe(
        &self,
        group: &str,
        consumer: &str,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// How a group stands.
    async fn lag(&self, group: &str) -> Result<GroupLag, BusError>;

    /// What a group has put aside, by position.
    async fn parked(&self, group: &str) -> Result<Vec<Parked>, BusError>;

    /// Hands an event out again that was put aside, with its attempts counted anew. False when there is none at that position.
    async fn unpark(&self, group: &str, position: u64) -> Result<bool, BusError>;
}

/// A consumer's place in a group. Dropped at any point, what it has not acknowledged is handed out again.
#[async_trait]
pub trait Subscription: Send {
    /// At most `max` events, after at most `wait` when there are none: first those that a consumer took and did not finish.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError>;

    /// They are done with.
    async fn acknowledge(&mut self, positions: &[u64]) -> Result<(), BusError>;

    /// Puts an event aside that cannot be handled, with the reason, and acknowledges it.
    async fn park(&mut self, delivery: &Delivery, reason: &str) -> Result<(), BusError>;
}

/// A consumer that remembers, in a place of its own, how far it is. When the bus has lost what it had, the events after the least
/// of these positions are published again.
#[async_trait]
pub trait Checkpoint: Send + Sync + 'static {
    /// Everything up to here is done with.
    async fn position(&self) -> Result<u64, StoreError>;
}

/// What a bus says of an event that it gives up by itself.
fn never_finished(attempts: u32) -> String {
    format!("handed out {attempts} times and never finished: its consumers died or hung")
}
