//! [`Relay`]: publishes what the store has.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::{BusError, Checkpoint, EventBus};
use crate::observe::trace;
use crate::store::{EventStore, Heads, StoreError};

/// How a relay works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayOptions {
    /// At most so many events are published at once.
    pub batch: u32,
    /// How often it looks when nobody says that there is something.
    pub poll: Duration,
    /// The longest pause after failures in a row; the first is [`RelayOptions::poll`], and each doubles.
    pub max_pause: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            poll: Duration::from_millis(100),
            max_pause: Duration::from_secs(2),
        }
    }
}

/// What a relay has done, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelaySnapshot {
    /// Events published, those included that the bus had already.
    pub published: u64,
    /// Everything up to this position is on the bus, or was done with before the bus was empty.
    pub position: u64,
    /// Events in the store that are not on the bus, at most: positions that were never used count too.
    pub lag_events: u64,
    /// How long the oldest of those has been waiting.
    pub oldest_age: Duration,
    /// Rounds that failed.
    pub failures: u64,
    /// How often the bus had lost events that it had been given.
    pub losses: u64,
    /// How long ago it last looked with success; a relay that hangs or fails shows here.
    pub heartbeat_age: Duration,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The store's reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus's reason.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// How a round left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// There is more.
    Full,
    /// Positions have been given out that are not final yet: soon there is more.
    UnderWay,
    /// Everything is on the bus.
    Done,
}

/// Reads the events that are final from the store and publishes them, in order of position. It keeps nothing of its own: where it is,
/// the bus says. So it can be killed at any step, and two of them at once do no harm.
pub struct Relay {
    store: Arc<dyn EventStore>,
    bus: Arc<dyn EventBus>,
    checkpoints: Vec<Arc<dyn Checkpoint>>,
    hint: Arc<Notify>,
    options: RelayOptions,
    counted: Mutex<Counted>,
}

struct Counted {
    seen: RelaySnapshot,
    /// What the bus last had.
    on_the_bus: u64,
    /// When the oldest event that is not on the bus was recorded.
    oldest: Option<OffsetDateTime>,
    heartbeat: Instant,
}

impl Relay {
    /// From a store to a bus. When the bus has lost everything, it starts at the least of `checkpoints`; without any, at the first event.
    pub fn new(
        store: Arc<dyn EventStore>,
        bus: Arc<dyn EventBus>,
        checkpoints: Vec<Arc<dyn Checkpoint>>,
        options: RelayOptions,
    ) -> Self {
        Self {
            store,
            bus,
            checkpoints,
            hint: Arc::default(),
            options,
            counted: Mutex::new(Counted {
                seen: RelaySnapshot::default(),
                on_the_bus: 0,
                oldest: None,
                heartbeat: Instant::now(),
            }),
        }
    }

    /// Notified by who has appended events, so that they need not wait for the next look.
    pub fn hint(&self) -> Arc<Notify> {
        Arc::clone(&self.hint)
    }

    /// Works for ever. It may be dropped at any point.
    pub async fn run(&self) {
        let mut pause = self.options.poll;
        loop {
            match self.round().await {
                Ok(round) => {
                    pause = self.options.poll;
                    let wait = match round {
                        Round::Full => continue,
                        Round::UnderWay => self.options.poll / 10,
                        Round::Done => self.options.poll,
                    };
                    // Either way it is time to look.
                    let _ = timeout(wait, self.hint.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "the relay waits");
                    self.count(|counted| counted.seen.failures += 1);
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(self.options.max_pause);
                }
            }
        }
    }

    /// Publishes at most a batch.
    pub async fn round(&self) -> Result<Round, RelayError> {
        let on_the_bus = self.bus.last_published().await?;
        let after = match on_the_bus {
            0 => self.least_checkpoint().await?,
            position => position,
        };
        let events = self.store.read_all(after, self.options.batch).await?;
        let Heads { head, safe, .. } = self.store.heads().await?;
        let done = if safe < head {
            Round::UnderWay
        } else {
            Round::Done
        };
        self.count(|counted| {
            // Another relay may be ahead; a bus that is behind has lost something.
            if on_the_bus < counted.on_the_bus {
                counted.seen.losses += 1;
                let had = counted.on_the_bus;
                tracing::warn!(
                    had,
                    has = on_the_bus,
                    "the bus has lost events: publishing again"
                );
            }
            counted.on_the_bus = on_the_bus;
            counted.seen.position = after;
            counted.seen.lag_events = head.saturating_sub(after);
            counted.oldest = events.first().map(|event| event.recorded_at);
        });
        let Some(last) = events.last().map(|event| event.position) else {
            self.count(|counted| {
                counted.seen.lag_events = 0;
                counted.heartbeat = Instant::now();
            });
            return Ok(done);
        };
        self.bus
            .publish(after, &events)
            .instrument(trace::publishing(&events))
            .await?;
        self.count(|counted| {
            counted.seen.published += events.len() as u64;
            counted.on_the_bus = last;
            counted.seen.position = last;
            counted.seen.lag_events = head.saturating_sub(last);
            counted.oldest = None;
            counted.heartbeat = Instant::now();
        });
        let is_full = events.len() == self.options.batch as usize;
        Ok(if is_full { Round::Full } else { done })
    }

    /// What it has done.
    pub fn snapshot(&self) -> RelaySnapshot {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |since: OffsetDateTime| (OffsetDateTime::now_utc() - since).unsigned_abs();
        RelaySnapshot {
            oldest_age: counted.oldest.map(age).unwrap_or_default(),
            heartbeat_age: counted.heartbeat.elapsed(),
            ..counted.seen
        }
    }

    async fn least_checkpoint(&self) -> Result<u64, StoreError> {
        let mut least = None;
        for checkpoint in &self.checkpoints {
            let position = checkpoint.position().await?;
            least = Some(least.map_or(position, |other: u64| other.min(position)));
        }
        Ok(least.unwrap_or(0))
    }

    fn count(&self, change: impl FnOnce(&mut Counted)) {
        change(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
