//! The write side: one command in, its events in the store, the order as it is then.
//!
//! [`CommandService`] loads, decides and appends; [`CommandHandler`] also asks the providers for what was decided, and [`routes`] is both
//! over HTTP.

mod error;
mod handler;
mod idempotency;
mod loading;
mod request;
mod retention;
mod routes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fuseboard::{Backoff, Classify, Jitter, Retry, RetryBudget, RetryConfig, Verdict};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::order::{
    Order, OrderCommand, OrderStatus, Rejected, SCHEMA_VERSION, decide, encode, fold,
};
use crate::store::{
    Appended, CommandResult, EventStore, Metadata, NewEvent, SnapshotStore, StoreError,
};

pub use error::CommandError;
pub use handler::{Answer, CommandHandler};
pub use idempotency::CommandKey;
pub use loading::{SNAPSHOT_EVERY, SNAPSHOT_SCHEMA};
pub use retention::{
    DEFAULT_RETENTION, RETENTION, ResultRetention, RetentionOutOfRange, retention,
};
pub use routes::{MAX_BODY, routes};

/// Where a command comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandContext {
    /// The same for all that one request leads to.
    pub correlation_id: Uuid,
    /// The request, or the event that led to the command.
    pub causation_id: Uuid,
    /// Who asks.
    pub actor: String,
    /// The W3C trace context.
    pub traceparent: Option<String>,
}

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The order now.
    pub order: Order,
    /// The position of its last event, to wait for on the read side; none when nothing new happened.
    pub position: Option<u64>,
    /// The last event, as the cause of what follows from it.
    pub event_id: Option<Uuid>,
}

/// What a service has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommandNumbers {
    /// Commands that led to events.
    pub executed: u64,
    /// Commands that were not possible.
    pub rejected: u64,
    /// Commands that had been answered before, by their key.
    pub replayed: u64,
    /// Attempts that came too late, another command being first.
    pub conflicts: u64,
    /// Snapshots that were saved.
    pub snapshots: u64,
    /// Snapshots that could not be used, and were forgotten.
    pub snapshots_forgotten: u64,
}

#[derive(Debug, Default)]
struct Counters {
    executed: AtomicU64,
    rejected: AtomicU64,
    replayed: AtomicU64,
    conflicts: AtomicU64,
    snapshots: AtomicU64,
    snapshots_forgotten: AtomicU64,
}

/// Relaxed: each is a number on its own.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Executes commands. A clone is another handle.
#[derive(Clone)]
pub struct CommandService {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn EventStore>,
    snapshots: Option<Arc<dyn SnapshotStore>>,
    conflicts: Retry,
    /// Snapshots are saved beside the commands, so many at once.
    saving: Arc<Semaphore>,
    counters: Counters,
}

/// Snapshots saved at once; what comes meanwhile is left out.
const SAVING: u32 = 4;

/// Attempts at one command, when others are always first.
const ATTEMPTS: u32 = 6;

impl CommandService {
    /// On a store, without snapshots.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self::build(store, None)
    }

    /// On a store, with a snapshot every [`SNAPSHOT_EVERY`] events.
    pub fn with_snapshots(store: Arc<dyn EventStore>, snapshots: Arc<dyn SnapshotStore>) -> Self {
        Self::build(store, Some(snapshots))
    }

    fn build(store: Arc<dyn EventStore>, snapshots: Option<Arc<dyn SnapshotStore>>) -> Self {
        let config = RetryConfig {
            max_attempts: ATTEMPTS,
            backoff: Backoff {
                initial: Duration::from_millis(5),
                max: Duration::from_millis(100),
                factor: 2.0,
                jitter: Jitter::Full,
            },
            // So that many who want one order do not multiply the load.
            budget: Some(RetryBudget::default()),
            ..RetryConfig::default()
        };
        Self {
            shared: Arc::new(Shared {
                store,
                snapshots,
                conflicts: Retry::new(config).expect("these settings are in range"),
                saving: Arc::new(Semaphore::new(SAVING as usize)),
                counters: Counters::default(),
            }),
        }
    }

    /// The order as it is stored.
    pub async fn load(&self, order_id: Uuid) -> Result<Option<Order>, CommandError> {
        self.shared.load(order_id, true).await
    }

    /// Decides and appends; again when another command was first, a few times. Under a `key` it is done once: the second time the error is
    /// [`CommandError::Answered`].
    pub async fn execute(
        &self,
        order_id: Uuid,
        command: &OrderCommand,
        context: &CommandContext,
        key: Option<&CommandKey>,
    ) -> Result<Executed, CommandError> {
        self.execute_for(None, order_id, command, context, key)
            .await
    }

    /// As [`execute`](Self::execute), when the order is of this user.
    pub async fn execute_for(
        &self,
        owner: Option<Uuid>,
        order_id: Uuid,
        command: &OrderCommand,
        context: &CommandContext,
        key: Option<&CommandKey>,
    ) -> Result<Executed, CommandError> {
        let shared = &*self.shared;
        if let Some(answered) = shared.answered(key).await? {
            return Err(answered);
        }
        let mut attempts = 0;
        let outcome = shared
            .conflicts
            .call_with(&OnConflict, || {
                attempts += 1;
                // A snapshot that is ahead of its stream would conflict for ever.
                shared.attempt(attempts == 1, owner, order_id, command, context, key)
            })
            .await;
        match outcome {
            Ok(executed) => {
                count(&shared.counters.executed);
                Ok(executed)
            }
            Err(CommandError::Store(StoreError::Answered(result))) => {
                Err(shared.replayed(key, *result))
            }
            // What made it impossible may have been the same command.
            Err(rejected @ (CommandError::Rejected(_) | CommandError::Store(_))) => {
                if let CommandError::Rejected(_) = rejected {
                    count(&shared.counters.rejected);
                    if let Some(answered) = shared.answered(key).await? {
                        return Err(answered);
                    }
                }
                Err(rejected)
            }
            Err(error) => Err(error),
        }
    }

    /// What it has done.
    pub fn snapshot(&self) -> CommandNumbers {
        // Relaxed: each is a number on its own.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        CommandNumbers {
            executed: read(&counters.executed),
            rejected: read(&counters.rejected),
            replayed: read(&counters.replayed),
            conflicts: read(&counters.conflicts),
            snapshots: read(&counters.snapshots),
            snapshots_forgotten: read(&counters.snapshots_forgotten),
        }
    }

    /// Waits until the snapshots that are being saved are saved, before the store is closed.
    pub async fn settle(&self) {
        // The semaphore is never closed; all of it is had when nobody saves.
        let _all = self.shared.saving.acquire_many(SAVING).await;
    }
}

impl Shared {
    async fn attempt(
        &self,
        trust_snapshot: bool,
        owner: Option<Uuid>,
        order_id: Uuid,
        command: &OrderCommand,
        context: &CommandContext,
        key: Option<&CommandKey>,
    ) -> Result<Executed, CommandError> {
        let before = self.load(order_id, trust_snapshot).await?;
        if let (Some(order), Some(owner)) = (&before, owner)
            && order.user_id != owner
        {
            return Err(CommandError::NotOwner);
        }
        let events = decide(before.as_ref(), command)?;
        let expected = before.as_ref().map_or(0, |order| order.version);
        let Some(order) = fold(before, &events)? else {
            return Err(Rejected::NotFound.into());
        };
        let new: Vec<NewEvent> = events
            .iter()
            .map(|event| NewEvent {
                event_id: Uuid::now_v7(),
                kind: event.kind(),
                schema_version: SCHEMA_VERSION,
                payload: encode(event),
                metadata: Metadata {
                    correlation_id: context.correlation_id,
                    causation_id: context.causation_id,
                    actor: context.actor.clone(),
                    traceparent: context.traceparent.clone(),
                },
            })
            .collect();
        let Some(last) = new.last() else {
            return Ok(Executed {
                order,
                position: None,
                event_id: None,
            });
        };
        let result = key.map(|key| CommandResult {
            key: key.key.clone(),
            request_sha256: key.request_sha256,
            status: status(&order),
            body: serde_json::to_value(&order).unwrap_or_default(),
            position: 0,
        });
        let appended = self.store.append(order_id, expected, &new, result.as_ref());
        let Appended { position, .. } = appended.await.inspect_err(|error| {
            if matches!(error, StoreError::Conflict { .. }) {
                count(&self.counters.conflicts);
            }
        })?;
        self.snapshot_after(expected, &order);
        Ok(Executed {
            event_id: Some(last.event_id),
            order,
            position: Some(position),
        })
    }

    async fn answered(
        &self,
        key: Option<&CommandKey>,
    ) -> Result<Option<CommandError>, CommandError> {
        let Some(key) = key else { return Ok(None) };
        let found = self.store.command_result(&key.key).await?;
        Ok(found.map(|result| self.replayed(Some(key), result)))
    }

    fn replayed(&self, key: Option<&CommandKey>, result: CommandResult) -> CommandError {
        if key.is_some_and(|key| key.request_sha256 == result.request_sha256) {
            count(&self.counters.replayed);
            CommandError::Answered(Box::new(result))
        } else {
            CommandError::KeyReused
        }
    }
}

/// What is answered when an order has come to this.
fn status(order: &Order) -> u16 {
    match order.status {
        OrderStatus::PaymentRequested
        | OrderStatus::ShipmentRequested
        | OrderStatus::RefundRequested => 202,
        OrderStatus::Pending if order.version == 1 => 201,
        _ => 200,
    }
}

/// Only a conflict is repeated: nothing was done, and the next attempt sees why.
struct OnConflict;

impl Classify<Executed, CommandError> for OnConflict {
    fn classify(&self, result: Result<&Executed, &CommandError>) -> Verdict {
        match result {
            Err(CommandError::Store(StoreError::Conflict { .. })) => Verdict::FAILURE,
            _ => Verdict::SUCCESS,
        }
    }
}
