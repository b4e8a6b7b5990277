//! The event store: streams of events with one global order, and snapshots of what they fold to.
//!
//! [`PostgresEventStore`] for servers, [`SqliteEventStore`] for one process and a file. Both keep the same promises, shown by the same
//! tests: a version is written once; a position that a reader has seen past never appears later; an append is whole or not at all.

mod database;
mod event;
mod failure;
mod guarded;
mod number;
mod postgres;
mod snapshot;
mod sqlite;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

pub use database::Database;
pub use event::{Appended, CommandResult, Heads, Metadata, NewEvent, StoreError, StoredEvent};
pub use guarded::{GuardedStore, StoreGuard, StoreNumbers};
pub use postgres::PostgresEventStore;
pub use snapshot::{Snapshot, SnapshotStore};
pub use sqlite::SqliteEventStore;

/// Streams of events, one for each order.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends `events`, at least one, to `stream`, which must have `expected_version` events (0: it must not exist): all of them with versions
    /// from `expected_version + 1` on, or none. `result` is stored with them, so that a repeated command finds its answer.
    ///
    /// [`StoreError::Conflict`] when the stream has another version, [`StoreError::Answered`] when `result`'s key has been used.
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError>;

    /// At most `limit` events of a stream after `after_version`, oldest first.
    async fn load(
        &self,
        stream: Uuid,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// At most `limit` events of all streams after `position`, in order of position, and none that an append still under way could
    /// come before: what this has returned is final.
    async fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// At most `limit` of the events that ask a provider for something whose end is not stored yet, each the last of its stream: those after
    /// `position`, in order of position, and final as in [`read_all`](Self::read_all). It costs what it returns, however long the store is.
    async fn unfinished(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// The last position given out, and the last that is final.
    async fn heads(&self) -> Result<Heads, StoreError>;

    /// The answer of an earlier command with this key.
    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError>;

    /// Forgets at most `limit` answers that were recorded before `before`, the oldest first, and says how many. The answer of a command that
    /// still waits for a provider stays, however old.
    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
