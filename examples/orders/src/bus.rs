//! The way of events from the store to those who follow them. The events' table is the outbox: a relay reads what is final and
//! publishes it in order; what is published carries the event's position, so that publishing again changes nothing.

use std::time::Duration;

use async_trait::async_trait;

use crate::store::StoredEvent;

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
    /// How many times it has been handed out, this one included.
    pub attempt: u32,
}

/// How a consumer group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupLag {
    /// Handed out and not acknowledged.
    pub pending: u64,
    /// The age of the oldest of them.
    pub oldest_pending: Duration,
    /// Put aside because nobody could handle them.
    pub parked: u64,
}

/// Carries events. A Kafka one would implement the same.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Publishes events in order of position; those at or before [`EventBus::last_published`] are left out.
    async fn publish(&self, events: &[StoredEvent]) -> Result<(), BusError>;

    /// The position of the last event published; 0 when there is none.
    async fn last_published(&self) -> Result<u64, BusError>;

    /// Joins a group: each event is handed to one of its consumers.
    async fn subscribe(
        &self,
        group: &str,
        consumer: &str,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// How a group stands.
    async fn lag(&self, group: &str) -> Result<GroupLag, BusError>;
}

/// A consumer's place in a group.
#[async_trait]
pub trait Subscription: Send {
    /// At most `max` events, after at most `wait` when there are none: first those that a consumer took and did not finish.
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, BusError>;

    /// They are done with.
    async fn acknowledge(&mut self, positions: &[u64]) -> Result<(), BusError>;

    /// Puts an event aside that cannot be handled, with the reason, and acknowledges it.
    async fn park(&mut self, delivery: &Delivery, reason: &str) -> Result<(), BusError>;
}
