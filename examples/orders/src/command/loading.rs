//! How an order is read: from its events, or from a snapshot and the events after it.

use std::sync::Arc;

use uuid::Uuid;

use super::{CommandError, Shared, count};
use crate::order::{Order, decode, evolve};
use crate::store::{Snapshot, SnapshotStore, StoreError, StoredEvent};

/// A snapshot is saved when an order has passed a multiple of so many events. An order with fewer is read without looking for one.
pub const SNAPSHOT_EVERY: u64 = 100;

/// Names the shape of [`Order`] as it is saved. Change it with the shape: what has another name is forgotten.
pub const SNAPSHOT_SCHEMA: &str = "order/1";

impl Shared {
    /// The order as it is stored.
    pub(super) async fn load(
        &self,
        order_id: Uuid,
        trust_snapshot: bool,
    ) -> Result<Option<Order>, CommandError> {
        let first = self.store.load(order_id, 0, SNAPSHOT_EVERY as u32).await?;
        if (first.len() as u64) < SNAPSHOT_EVERY {
            return replay(None, &first);
        }
        let snapshots = self.snapshots.as_ref();
        if let Some(snapshots) = snapshots.filter(|_| trust_snapshot)
            && let Some(order) = self.resume(snapshots, order_id).await?
        {
            return Ok(Some(order));
        }
        let rest = self.store.load(order_id, SNAPSHOT_EVERY, u32::MAX).await?;
        let order = replay(replay(None, &first)?, &rest)?;
        if let Some(order) = &order {
            // A long order without a snapshot, or with one that could not be used.
            self.save(order.clone());
        }
        Ok(order)
    }

    /// From a snapshot; none when there is none that can be used. One that cannot be used is forgotten.
    async fn resume(
        &self,
        snapshots: &Arc<dyn SnapshotStore>,
        order_id: Uuid,
    ) -> Result<Option<Order>, CommandError> {
        let found = match snapshots.find(order_id).await {
            Ok(None) => return Ok(None),
            Ok(Some(found)) => readable(found),
            Err(StoreError::Corrupt(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(order) = found {
            let rest = self.store.load(order_id, order.version, u32::MAX).await?;
            // Damaged events are found by the replay of all of them.
            if let Ok(Some(order)) = replay(Some(order), &rest) {
                return Ok(Some(order));
            }
        }
        tracing::warn!(%order_id, "a snapshot cannot be used and is forgotten");
        count(&self.counters.snapshots_forgotten);
        snapshots.forget(order_id).await?;
        Ok(None)
    }

    /// Saves a snapshot when the order has just passed a multiple of [`SNAPSHOT_EVERY`].
    pub(super) fn snapshot_after(&self, version_before: u64, order: &Order) {
        if order.version / SNAPSHOT_EVERY > version_before / SNAPSHOT_EVERY {
            self.save(order.clone());
        }
    }

    /// Beside the command, and only while few others are being saved: a snapshot is a shortcut, the next one will do.
    fn save(&self, order: Order) {
        let Some(snapshots) = self.snapshots.clone() else {
            return;
        };
        let Ok(permit) = Arc::clone(&self.saving).try_acquire_owned() else {
            return;
        };
        count(&self.counters.snapshots);
        tokio::spawn(async move {
            let snapshot = Snapshot {
                stream: order.order_id,
                version: order.version,
                schema: SNAPSHOT_SCHEMA.to_owned(),
                state: serde_json::to_value(&order).unwrap_or_default(),
            };
            if let Err(error) = snapshots.save(&snapshot).await {
                tracing::debug!(%error, "a snapshot was not saved");
            }
            drop(permit);
        });
    }
}

/// The order of a snapshot, when it has today's shape and is what it says it is.
fn readable(snapshot: Snapshot) -> Option<Order> {
    if snapshot.schema != SNAPSHOT_SCHEMA {
        return None;
    }
    let order: Order = serde_json::from_value(snapshot.state).ok()?;
    (order.order_id == snapshot.stream && order.version == snapshot.version).then_some(order)
}

/// The order after these events, which must follow each other without a gap.
pub(super) fn replay(
    order: Option<Order>,
    events: &[StoredEvent],
) -> Result<Option<Order>, CommandError> {
    events.iter().try_fold(order, |order, stored| {
        let version = order.as_ref().map_or(0, |order| order.version);
        if stored.version != version + 1 {
            let gap = format!(
                "event {} of order {} follows on event {version}",
                stored.version, stored.stream
            );
            return Err(StoreError::Corrupt(gap).into());
        }
        let event = decode(&stored.kind, stored.schema_version, &stored.payload)?;
        Ok(Some(evolve(order, &event)?))
    })
}
