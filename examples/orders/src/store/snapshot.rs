//! Snapshots: what a stream folds to at a version, so that a long one need not be read from its start.

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::event::StoreError;

/// A state at a version. Only ever a shortcut: losing all of them changes nothing but time.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Of which stream.
    pub stream: Uuid,
    /// After so many events.
    pub version: u64,
    /// The shape of the state: another one is ignored.
    pub schema: String,
    /// The state.
    pub state: Value,
}

/// Where snapshots are kept.
#[async_trait]
pub trait SnapshotStore: Send + Sync + 'static {
    /// Keeps a snapshot, unless there is one of this stream that is as new.
    async fn save(&self, snapshot: &Snapshot) -> Result<(), StoreError>;

    /// The snapshot of a stream.
    async fn find(&self, stream: Uuid) -> Result<Option<Snapshot>, StoreError>;

    /// Forgets a stream's snapshot.
    async fn forget(&self, stream: Uuid) -> Result<(), StoreError>;
}
