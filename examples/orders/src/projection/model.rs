//! What the read side keeps: [`ReadModel`].

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// What an edition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditionState {
    /// It is being made.
    Building,
    /// It serves.
    Active,
    /// It will be deleted.
    Retired,
}

/// Which read model: each rebuild makes a new one beside the one that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Its number.
    pub edition: u64,
    /// What it is for.
    pub state: EditionState,
    /// The shape of its rows: [`super::ROW_SCHEMA`] when this program made it.
    pub schema_version: u32,
    /// The checkpoint: every event up to here is in the rows, or parked.
    pub position: u64,
    /// Counts its commits.
    pub revision: u64,
    /// When its projection was last seen at work.
    pub heartbeat_at: OffsetDateTime,
}

/// An order as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Which.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// How many events made it.
    pub version: u64,
    /// As its events left it: [`crate::order::Order`], in the shape of the read model's schema.
    pub body: Value,
    /// The position of its first event; orders are listed by it.
    pub created_position: u64,
    /// When that was stored.
    pub created_at: OffsetDateTime,
    /// The position of the last event in it.
    pub last_position: u64,
    /// When that was stored.
    pub updated_at: OffsetDateTime,
}

/// An event that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Its position.
    pub position: u64,
    /// The order it belongs to, which stays as it was before it.
    pub order_id: Uuid,
    /// Its place in that order's events.
    pub version: u64,
    /// [`crate::order::OrderEvent::kind`].
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub parked_at: OffsetDateTime,
}

/// What is written at once, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Into which read model.
    pub edition: u64,
    /// The revision that the rows were read at: when it is another one now, nothing is written.
    pub revision: u64,
    /// The checkpoint from now on; never less than it was.
    pub position: u64,
    /// Orders as they are now.
    pub rows: Vec<OrderRow>,
    /// Events put aside.
    pub parked: Vec<ParkedEvent>,
    /// Positions that are no longer put aside.
    pub unparked: Vec<u64>,
}

/// An answer of the read model, with the position that it is true at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// What was asked for.
    pub value: T,
    /// The checkpoint at that moment.
    pub position: u64,
}

/// An order that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundOrder {
    /// The order.
    pub row: OrderRow,
    /// Whether events of it are parked, so that it is older than the checkpoint says.
    pub is_held: bool,
}

/// Why the read model did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadModelError {
    /// Out of reach, or too slow.
    #[error("the read model does not answer: {0}")]
    Unavailable(String),
    /// No read model is active yet: the projection has not started.
    #[error("there is no read model yet: start the projection")]
    Missing,
    /// What is stored makes no sense.
    #[error("the read model is damaged: {0}; rebuild it")]
    Corrupt(String),
}

/// The tables of the read side. [`super::PostgresReadModel`] and [`super::SqliteReadModel`] are the same code on two databases.
#[async_trait]
pub trait ReadModel: Send + Sync + 'static {
    /// Makes the tables, or brings them up to date. Several processes may do it at once.
    async fn migrate(&self) -> Result<(), ReadModelError>;

    /// The one that serves; made when there is none.
    async fn active_or_new(&self, schema_version: u32) -> Result<Edition, ReadModelError>;

    /// The one that serves.
    async fn active(&self) -> Result<Edition, ReadModelError>;

    /// One by its number.
    async fn edition(&self, edition: u64) -> Result<Option<Edition>, ReadModelError>;

    /// The one that is being built, made when there is none. One of another schema is given up first.
    async fn building(&self, schema_version: u32) -> Result<Edition, ReadModelError>;

    /// Makes one that was being built the one that serves, unless that has passed it: false.
    async fn activate(&self, edition: u64) -> Result<bool, ReadModelError>;

    /// Deletes what no longer serves, at most so many rows. False when there is nothing left.
    async fn delete_retired(&self, max_rows: u32) -> Result<bool, ReadModelError>;

    /// Orders by id; those that are not there are left out.
    async fn rows(&self, edition: u64, ids: &[Uuid]) -> Result<Vec<OrderRow>, ReadModelError>;

    /// Writes a batch; false when somebody else has written since it was read, or the read model is retired.
    async fn commit(&self, batch: &Batch) -> Result<bool, ReadModelError>;

    /// Its projection is at work.
    async fn beat(&self, edition: u64) -> Result<(), ReadModelError>;

    /// How many events are parked in the one that serves, and the first of them.
    async fn parked(&self, limit: u32) -> Result<(u64, Vec<ParkedEvent>), ReadModelError>;

    /// The parked events of some orders of a read model.
    async fn parked_of(
        &self,
        edition: u64,
        ids: &[Uuid],
    ) -> Result<Vec<ParkedEvent>, ReadModelError>;

    /// An order of the one that serves.
    async fn find(&self, order_id: Uuid) -> Result<Found<Option<FoundOrder>>, ReadModelError>;

    /// A user's orders, the newest first, made before the position `before`.
    async fn list(
        &self,
        user_id: Uuid,
        before: u64,
        limit: u32,
    ) -> Result<Found<Vec<OrderRow>>, ReadModelError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), ReadModelError>;
}
