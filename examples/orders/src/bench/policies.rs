//! What the policies themselves take of a request: calls through them to a store that answers at once, less the same calls without them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::report::Row;
use super::{context, create};
use crate::command::CommandService;
use crate::store::{
    Appended, CommandResult, EventStore, GuardedStore, Heads, NewEvent, Snapshot, SnapshotStore,
    StoreError, StoreGuard, StoredEvent,
};

/// Calls in one round, and rounds; the fastest counts: what others take of the machine only ever adds.
const CALLS: u32 = 4_000;
const ROUNDS: u32 = 9;

/// What the policies of the store's edge take of a command, and rows that compare it to a request's time.
pub async fn measure(request: Duration) -> Result<(Duration, Vec<Row>)> {
    let bare: Arc<dyn EventStore> = Arc::new(NoStore);
    let guarded = Arc::new(GuardedStore::new(Arc::new(NoStore), StoreGuard::default())?);
    let (bare, guarded) = (CommandService::new(bare), CommandService::new(guarded));
    let policies = extra(
        async || command(&bare).await,
        async || command(&guarded).await,
    );
    let policies = policies.await?;
    let what = "both store calls of a command: timeouts, retry with budget, breaker, bulkhead";
    let whole = "their share of a request of one client, PostgreSQL";
    let rows = vec![
        Row::text("policies", what, &micros(policies)),
        share(whole, policies, request),
    ];
    Ok((policies, rows))
}

async fn command(service: &CommandService) -> Result<()> {
    let order_id = Uuid::nil();
    let (command, context) = (create(order_id), context());
    service.execute(order_id, &command, &context, None).await?;
    Ok(())
}

/// How much longer a call takes with policies.
pub async fn extra(
    bare: impl AsyncFn() -> Result<()>,
    guarded: impl AsyncFn() -> Result<()>,
) -> Result<Duration> {
    let (mut without, mut with) = (Duration::MAX, Duration::MAX);
    // In turns, so that both see the same machine.
    for _ in 0..ROUNDS {
        without = without.min(round(&bare).await?);
        with = with.min(round(&guarded).await?);
    }
    Ok(with.saturating_sub(without) / CALLS)
}

async fn round(call: &impl AsyncFn() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    for _ in 0..CALLS {
        call().await?;
    }
    Ok(begin.elapsed())
}

/// Microseconds with two places.
pub fn micros(time: Duration) -> String {
    format!("{:.2} us", time.as_secs_f64() * 1e6)
}

/// What the policies are of a whole.
pub fn share(what: &str, policies: Duration, whole: Duration) -> Row {
    let share = policies.as_secs_f64() / whole.as_secs_f64() * 100.0;
    Row::text("policies", what, &format!("{share:.2} %")).target("less than 1 %")
}

/// Answers at once, and forgets.
struct NoStore;

#[async_trait]
impl EventStore for NoStore {
    async fn append(
        &self,
        _: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        _: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        Ok(Appended {
            version: expected_version + events.len() as u64,
            position: 1,
        })
    }

    async fn load(&self, _: Uuid, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        Ok(Vec::new())
    }

    async fn read_all(&self, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        Ok(Vec::new())
    }

    async fn unfinished(&self, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        Ok(Vec::new())
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        Ok(Heads {
            head: 0,
            safe: 0,
            oldest_transaction: Duration::ZERO,
        })
    }

    async fn command_result(&self, _: &str) -> Result<Option<CommandResult>, StoreError> {
        Ok(None)
    }

    async fn forget_command_results(&self, _: OffsetDateTime, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SnapshotStore for NoStore {
    async fn save(&self, _: &Snapshot) -> Result<(), StoreError> {
        Ok(())
    }

    async fn find(&self, _: Uuid) -> Result<Option<Snapshot>, StoreError> {
        Ok(None)
    }

    async fn forget(&self, _: Uuid) -> Result<(), StoreError> {
        Ok(())
    }
}
