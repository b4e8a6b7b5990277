//! The read side's tables, made from the events.
//!
//! [`ReadModelProjection`] applies each event once, whatever it is handed: checkpoint, rows and parked events are one transaction, which
//! another one of the same moment makes fail. What comes twice is behind the checkpoint; what comes too early shows a hole, which is
//! filled from the store. A rebuild makes a second read model beside the one that serves, and takes its place when it has caught up.

mod apply;
mod error;
mod lag;
mod model;
mod rebuild;
mod tables;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use crate::bus::{Checkpoint, Delivery, EventBus};
use crate::observe::trace::handling;
use crate::store::{EventStore, StoreError, StoredEvent};

use apply::{Poison, apply};
pub use error::ProjectionError;
pub use lag::{Lag, LagMeter};
pub use model::{
    Batch, Edition, EditionState, Found, FoundOrder, OrderRow, ParkedEvent, ReadModel,
    ReadModelError,
};
pub use tables::{PostgresReadModel, ReadModelOptions, SqliteReadModel, open_read_model};

/// The shape of the rows that this program writes. Rows of another one are served as they are until a rebuild, which begins by
/// itself, has replaced them.
pub const ROW_SCHEMA: u32 = 1;

/// How a projection works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionOptions {
    /// Its group on the bus.
    pub group: String,
    /// Its name in the group; each process another one.
    pub consumer: String,
    /// At most so many events in one transaction.
    pub batch: u32,
    /// How often it says that it is at work, and asks the store whether it has missed something.
    pub heartbeat: Duration,
    /// After so many tries an event that cannot be applied is parked.
    pub max_attempts: u32,
    /// Between two of these tries, and after a failure.
    pub pause: Duration,
}

impl Default for ProjectionOptions {
    fn default() -> Self {
        Self {
            group: "read-model".to_owned(),
            consumer: Uuid::now_v7().to_string(),
            batch: 256,
            heartbeat: Duration::from_secs(1),
            max_attempts: 3,
            pause: Duration::from_millis(100),
        }
    }
}

/// What a projection has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectionSnapshot {
    /// The checkpoint.
    pub position: u64,
    /// Events that changed a row.
    pub applied: u64,
    /// Events that were known already.
    pub duplicates: u64,
    /// Events put aside by this process.
    pub parked: u64,
    /// Times that a hole in what the bus handed out was filled from the store.
    pub filled: u64,
    /// Transactions that another one made fail, and that were made again.
    pub conflicts: u64,
    /// Failures of bus, store and read model, after which it went on.
    pub failures: u64,
    /// Rebuilds that took over.
    pub rebuilds: u64,
}

/// Follows the events and keeps the read model.
pub struct ReadModelProjection {
    store: Arc<dyn EventStore>,
    model: Arc<dyn ReadModel>,
    options: ProjectionOptions,
    counted: Mutex<ProjectionSnapshot>,
    progress: watch::Sender<u64>,
}

/// How often the same event could not be applied.
#[derive(Default)]
struct Tries {
    position: u64,
    count: u32,
}

/// What came of an attempt to write a batch.
enum Advanced {
    /// Written up to here.
    To(u64),
    /// Somebody else was faster.
    Conflict,
    /// Written up to the event that cannot be applied.
    Stopped(Poison),
}

impl ReadModelProjection {
    /// From a store, which fills what the bus leaves out, to a read model.
    pub fn new(
        store: Arc<dyn EventStore>,
        model: Arc<dyn ReadModel>,
        options: ProjectionOptions,
    ) -> Self {
        Self {
            store,
            model,
            options,
            counted: Mutex::default(),
            progress: watch::Sender::new(0),
        }
    }

    /// The checkpoint, each time it moves.
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// What it has done.
    pub fn snapshot(&self) -> ProjectionSnapshot {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the bus for ever, and the store while there is no bus. It may be dropped at any point.
    pub async fn run(&self, bus: &dyn EventBus) {
        loop {
            let Err(error) = self.follow(bus).await;
            tracing::warn!(%error, "the projection goes on after a pause");
            self.count(|counted| counted.failures += 1);
            if matches!(error, ProjectionError::Bus(_))
                && let Err(error) = self.catch_up().await
            {
                tracing::warn!(%error, "nor does the store lead on");
            }
            tokio::time::sleep(self.options.pause).await;
        }
    }

    async fn follow(&self, bus: &dyn EventBus) -> Result<Infallible, ProjectionError> {
        let ProjectionOptions {
            group,
            consumer,
            batch,
            heartbeat,
            ..
        } = &self.options;
        if self.model.active_or_new(ROW_SCHEMA).await?.schema_version < ROW_SCHEMA {
            self.rebuild().await?;
        }
        // What the store has need not wait for the bus.
        self.catch_up().await?;
        let mut subscription = bus.subscribe(group, consumer).await?;
        loop {
            let deliveries = subscription.next(*batch as usize, *heartbeat).await?;
            if deliveries.is_empty() {
                self.catch_up().await?;
                let active = self.model.active().await?;
                self.model.beat(active.edition).await?;
                continue;
            }
            let mut pause = self.options.pause;
            // Kept until it is done: given back to the bus, each try would count as one more of its attempts, and an outage of the
            // database would end with healthy events parked.
            while let Err(error) = self.take(&deliveries).await {
                tracing::warn!(%error, "the projection tries again after a pause");
                self.count(|counted| counted.failures += 1);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(self.options.heartbeat);
            }
            let positions: Vec<u64> = deliveries.iter().map(|one| one.event.position).collect();
            subscription.acknowledge(&positions).await?;
        }
    }

    /// Applies what the store has after the checkpoint. Needs no bus.
    pub async fn catch_up(&self) -> Result<(), ProjectionError> {
        let mut tries = Tries::default();
        loop {
            let active = self.active().await?;
            let events = self
                .store
                .read_all(active.position, self.options.batch)
                .await?;
            if events.is_empty() {
                self.moved(active.position);
                return Ok(());
            }
            self.step(&active, &events, &mut tries).await?;
        }
    }

    /// Applies what was handed out, in any order and any number of times, and what is missing in between.
    pub async fn take(&self, deliveries: &[Delivery]) -> Result<(), ProjectionError> {
        let mut sorted: Vec<&Delivery> = deliveries.iter().collect();
        sorted.sort_by_key(|delivery| delivery.event.position);
        sorted.dedup_by_key(|delivery| delivery.event.position);
        let mut tries = Tries::default();
        let mut known = None;
        loop {
            let active = self.active().await?;
            let after = sorted.partition_point(|one| one.event.position <= active.position);
            // Only what was behind the checkpoint at the start came again; the rest is counted where it is applied.
            if known.replace(after).is_none() {
                self.count(|counted| counted.duplicates += after as u64);
            }
            let fresh = &sorted[after..];
            let Some(first) = fresh.first() else {
                self.moved(active.position);
                return Ok(());
            };
            let mut reached = active.position;
            let unbroken: Vec<StoredEvent> = fresh
                .iter()
                .take_while(|one| {
                    let follows = one.previous <= reached;
                    reached = one.event.position;
                    follows
                })
                .map(|one| one.event.clone())
                .collect();
            if !unbroken.is_empty() {
                self.step(&active, &unbroken, &mut tries).await?;
                continue;
            }
            let missing = self
                .store
                .read_all(active.position, self.options.batch)
                .await?;
            if missing.is_empty() {
                return Err(ProjectionError::Unknown {
                    delivered: first.event.position,
                    position: active.position,
                });
            }
            self.count(|counted| counted.filled += 1);
            self.step(&active, &missing, &mut tries).await?;
        }
    }

    /// The one that serves, if this program can write to it.
    async fn active(&self) -> Result<Edition, ProjectionError> {
        let active = self.model.active_or_new(ROW_SCHEMA).await?;
        if active.schema_version == ROW_SCHEMA {
            return Ok(active);
        }
        let found = active.schema_version;
        Err(ProjectionError::Schema { found })
    }

    /// One batch; pauses before an event that cannot be applied is tried again, and puts it aside after `max_attempts`.
    async fn step(
        &self,
        edition: &Edition,
        events: &[StoredEvent],
        tries: &mut Tries,
    ) -> Result<(), ProjectionError> {
        let is_given_up = tries.count >= self.options.max_attempts;
        let given_up = is_given_up.then_some(tries.position);
        match self.advance(edition, events, given_up).await? {
            Advanced::To(position) if edition.state == EditionState::Active => {
                self.moved(position);
            }
            Advanced::To(_) => {}
            Advanced::Conflict => self.count(|counted| counted.conflicts += 1),
            Advanced::Stopped(Poison { position, reason }) => {
                if tries.position != position {
                    *tries = Tries { position, count: 0 };
                }
                tries.count += 1;
                let count = tries.count;
                tracing::warn!(position, reason, count, "an event cannot be applied");
                tokio::time::sleep(self.options.pause).await;
            }
        }
        Ok(())
    }

    /// Writes what the events make of the rows of one edition, as it was when its checkpoint was read.
    async fn advance(
        &self,
        edition: &Edition,
        events: &[StoredEvent],
        given_up: Option<u64>,
    ) -> Result<Advanced, ProjectionError> {
        let ids: BTreeSet<Uuid> = events.iter().map(|event| event.stream).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let rows = self.model.rows(edition.edition, &ids).await?;
        let held = self.model.parked_of(edition.edition, &ids).await?;
        let applied = apply(rows, &held, events, given_up);
        if applied.position > 0 {
            let parked = applied.parked.len() as u64;
            for event in &applied.parked {
                tracing::error!(position = event.position, reason = event.reason, "parked");
            }
            let batch = Batch {
                edition: edition.edition,
                revision: edition.revision,
                position: applied.position,
                rows: applied.rows,
                parked: applied.parked,
                unparked: Vec::new(),
            };
            if !self.model.commit(&batch).await? {
                return Ok(Advanced::Conflict);
            }
            let reached = |event: &&StoredEvent| event.position <= applied.position;
            // A rebuild handles what was handled before.
            if edition.state == EditionState::Active {
                for event in events.iter().take_while(reached) {
                    handling("process orders.events", event)
                        .in_scope(|| tracing::debug!(position = event.position, "projected"));
                }
            }
            self.count(|counted| {
                counted.applied += applied.events;
                counted.duplicates += applied.duplicates;
                counted.parked += parked;
            });
        }
        Ok(applied
            .poison
            .map_or(Advanced::To(applied.position), Advanced::Stopped))
    }

    fn moved(&self, position: u64) {
        self.count(|counted| counted.position = position);
        self.progress.send_if_modified(|known| {
            let is_new = position > *known;
            *known = position.max(*known);
            is_new
        });
    }

    fn count(&self, change: impl FnOnce(&mut ProjectionSnapshot)) {
        change(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl Checkpoint for ReadModelProjection {
    async fn position(&self) -> Result<u64, StoreError> {
        match self.model.active().await {
            Ok(active) => Ok(active.position),
            Err(ReadModelError::Missing) => Ok(0),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }
}
