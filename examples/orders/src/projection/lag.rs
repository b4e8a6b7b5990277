//! [`LagMeter`]: how far the read side is behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ProjectionError, ReadModel, ReadModelError};
use crate::store::{EventStore, Heads};

/// How far the read side is behind the store, measured against the last position given out, not against what a projection has
/// seen: one that has stopped must not look as if it were up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// The last position given out.
    pub head: u64,
    /// The last position up to which nothing new can appear.
    pub safe: u64,
    /// The checkpoint.
    pub position: u64,
    /// Positions from the checkpoint to the head; 0 when there is nothing to apply.
    pub events: u64,
    /// How long the oldest event that is not applied has been waiting.
    pub time: Duration,
    /// How long ago the projection was last at work.
    pub heartbeat_age: Duration,
    /// Events that are parked.
    pub parked: u64,
}

/// Measures the lag. It asks store and read model itself, so it can stand in another process than the projection.
pub struct LagMeter {
    store: Arc<dyn EventStore>,
    model: Arc<dyn ReadModel>,
    /// The checkpoint at which it has been behind, and since when.
    behind: Mutex<Option<(u64, Instant)>>,
    latest: watch::Sender<Option<Lag>>,
}

impl LagMeter {
    /// Between a store and a read model.
    pub fn new(store: Arc<dyn EventStore>, model: Arc<dyn ReadModel>) -> Self {
        Self {
            store,
            model,
            behind: Mutex::default(),
            latest: watch::Sender::new(None),
        }
    }

    /// The last measurement; none when the last try failed, or there was none.
    pub fn latest(&self) -> Option<Lag> {
        *self.latest.borrow()
    }

    /// Measures again and again, for ever. It may be dropped at any point.
    pub async fn run(&self, every: Duration) {
        loop {
            if let Err(error) = self.measure().await {
                tracing::warn!(%error, "the lag is not known");
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Measures now.
    pub async fn measure(&self) -> Result<Lag, ProjectionError> {
        let measured = self.ask().await;
        self.latest.send_replace(measured.as_ref().ok().copied());
        measured
    }

    async fn ask(&self) -> Result<Lag, ProjectionError> {
        let active = match self.model.active().await {
            Ok(active) => Some(active),
            Err(ReadModelError::Missing) => None,
            Err(error) => return Err(error.into()),
        };
        let position = active.map_or(0, |active| active.position);
        // After the checkpoint, so that the head is never less than it was then.
        let Heads { head, safe, .. } = self.store.heads().await?;
        let next = self.store.read_all(position, 1).await?;
        let now = OffsetDateTime::now_utc();
        let age = |since: OffsetDateTime| (now - since).try_into().unwrap_or(Duration::ZERO);
        // Positions that were never used are no events to apply, once it is certain that nothing comes.
        let events = match next.first() {
            Some(_) => head.saturating_sub(position),
            None => head.saturating_sub(safe.max(position)),
        };
        let stuck = self.stuck(events, position);
        let waiting = next
            .first()
            .map_or(Duration::ZERO, |event| age(event.recorded_at));
        let parked = match active {
            Some(_) => self.model.parked(1).await?.0,
            None => 0,
        };
        Ok(Lag {
            head,
            safe,
            position,
            events,
            time: stuck.max(waiting),
            heartbeat_age: active.map_or(Duration::ZERO, |active| age(active.heartbeat_at)),
            parked,
        })
    }

    /// How long it has been behind at this checkpoint.
    fn stuck(&self, events: u64, position: u64) -> Duration {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        *behind = match *behind {
            _ if events == 0 => None,
            Some(known) if known.0 == position => Some(known),
            _ => Some((position, Instant::now())),
        };
        behind.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }
}
