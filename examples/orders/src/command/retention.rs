//! [`ResultRetention`]: answers are kept for as long as clients may ask again, and then forgotten.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

use crate::store::{EventStore, StoreError};

/// How long answers may be kept: not less than the longest command takes many times over, and not more than anybody would ask again.
pub const RETENTION: RangeInclusive<Duration> =
    Duration::from_mins(10)..=Duration::from_hours(365 * 24);

/// How long they are kept where nothing else is said.
pub const DEFAULT_RETENTION: Duration = Duration::from_hours(24);

/// How often old ones are looked for.
const EVERY: Duration = Duration::from_mins(1);

/// Answers forgotten by one statement: it holds a lock on them, and a reader's horizon.
const BATCH: u32 = 500;

/// Between two batches others have their turn.
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps what commands were answered for some time, and forgets it then, a little at a time. Several processes may do it at once. A command that
/// still waits for a provider keeps its answer.
pub struct ResultRetention {
    store: Arc<dyn EventStore>,
    keep: Duration,
    forgotten: AtomicU64,
}

/// Not in [`RETENTION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("answers of commands are to be kept for {0:?}; allowed: 10m to 365d")]
pub struct RetentionOutOfRange(Duration);

/// How long answers are kept, checked.
///
/// # Errors
/// It is not in [`RETENTION`].
pub fn retention(keep: Duration) -> Result<Duration, RetentionOutOfRange> {
    if RETENTION.contains(&keep) {
        Ok(keep)
    } else {
        Err(RetentionOutOfRange(keep))
    }
}

impl ResultRetention {
    /// Of the answers in this store.
    ///
    /// # Errors
    /// `keep` is not in [`RETENTION`].
    pub fn new(store: Arc<dyn EventStore>, keep: Duration) -> Result<Self, RetentionOutOfRange> {
        Ok(Self {
            store,
            keep: retention(keep)?,
            forgotten: AtomicU64::new(0),
        })
    }

    /// Forgets for ever what has become too old. It may be dropped at any point.
    pub async fn run(&self) {
        loop {
            if let Err(error) = self.sweep(OffsetDateTime::now_utc()).await {
                tracing::warn!(%error, "old answers of commands are kept for now");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Forgets what is too old at `now`, in small batches.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let before = now - self.keep;
        loop {
            let forgotten = self.store.forget_command_results(before, BATCH).await?;
            // Relaxed, here and below: a number on its own.
            self.forgotten.fetch_add(forgotten, Ordering::Relaxed);
            if forgotten < u64::from(BATCH) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Answers forgotten so far.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }
}
