//! The read model made anew from the first event, while the old one serves; and single orders made anew.

use std::time::Duration;

use uuid::Uuid;

use super::apply::{Applied, apply};
use super::{
    Batch, Edition, EditionState, ProjectionError, ROW_SCHEMA, ReadModelError, ReadModelProjection,
    Tries,
};

/// Rows of a retired read model that are deleted at once, so that others get their turn.
const DELETED_AT_ONCE: u32 = 1_000;
/// Before looking again whether there are events, when the one that serves is ahead.
const BREATH: Duration = Duration::from_millis(20);

impl ReadModelProjection {
    /// Makes a second read model from the store, and lets it take the first one's place once it is as far: who asks sees no older
    /// answer. A rebuild that was killed goes on where it was; two at once share the work. Returns the one that serves now.
    pub async fn rebuild(&self) -> Result<Edition, ProjectionError> {
        self.model.active_or_new(ROW_SCHEMA).await?;
        let number = self.model.building(ROW_SCHEMA).await?.edition;
        tracing::info!(edition = number, "a read model is being built");
        let mut tries = Tries::default();
        loop {
            let built = self.built(number).await?;
            if built.state == EditionState::Active {
                break;
            }
            let events = self
                .store
                .read_all(built.position, self.options.batch)
                .await?;
            if !events.is_empty() {
                self.step(&built, &events, &mut tries).await?;
            } else if !self.model.activate(number).await? {
                tokio::time::sleep(BREATH).await;
            }
        }
        self.count(|counted| counted.rebuilds += 1);
        while self.model.delete_retired(DELETED_AT_ONCE).await? {}
        let active = self.built(number).await?;
        tracing::info!(edition = number, position = active.position, "it serves");
        Ok(active)
    }

    async fn built(&self, number: u64) -> Result<Edition, ProjectionError> {
        let known = self.model.edition(number).await?;
        Ok(known
            .filter(|built| built.state != EditionState::Retired)
            .ok_or_else(|| {
                let reason = format!("edition {number} was given up by another rebuild");
                ReadModelError::Unavailable(reason)
            })?)
    }

    /// Applies the parked events of an order, after a program has come that can read them. False when none are parked.
    ///
    /// The order is made anew from its own events up to the checkpoint.
    pub async fn unpark(&self, order_id: Uuid) -> Result<bool, ProjectionError> {
        loop {
            let active = self.model.active().await?;
            let parked = self.model.parked_of(active.edition, &[order_id]).await?;
            if parked.is_empty() {
                return Ok(false);
            }
            let (mut rows, mut read, mut applied) = (Vec::new(), 0, Applied::default());
            loop {
                let mut events = self.store.load(order_id, read, self.options.batch).await?;
                events.retain(|event| event.position <= active.position);
                let Some(last) = events.last() else {
                    break;
                };
                read = last.version;
                applied = apply(rows.clone(), &[], &events, None);
                rows = std::mem::take(&mut applied.rows);
                if applied.poison.is_some() {
                    break;
                }
            }
            if let Some(poison) = applied.poison {
                return Err(ProjectionError::Poison {
                    position: poison.position,
                    reason: poison.reason,
                });
            }
            let batch = Batch {
                edition: active.edition,
                revision: active.revision,
                position: active.position,
                rows,
                parked: Vec::new(),
                unparked: parked.iter().map(|event| event.position).collect(),
            };
            if self.model.commit(&batch).await? {
                return Ok(true);
            }
        }
    }
}
