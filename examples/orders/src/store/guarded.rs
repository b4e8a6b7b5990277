//! [`GuardedStore`]: a store behind the policies of this service's edge to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fuseboard::{
    Backoff, CallError, CircuitBreaker, CircuitBreakerConfig, Classify, ConcurrencyQueue,
    ConfigError, Jitter, Pipeline, PipelineError, PolicyKind, RetryBudget, RetryConfig, Verdict,
};
use time::OffsetDateTime;
use tracing::Instrument;
use uuid::Uuid;

use super::event::{Appended, CommandResult, Heads, NewEvent, StoreError, StoredEvent};
use super::{EventStore, Snapshot, SnapshotStore};
use crate::observe::{AppendDuration, trace};

/// How a store is guarded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoreGuard {
    /// How long one statement may take. A read has twice that, with its retries.
    pub timeout: Duration,
    /// Calls at once; as many more wait in line, for at most `timeout`.
    pub concurrency: u32,
    /// How long a store that fails is left alone.
    pub open_timeout: Duration,
}

impl Default for StoreGuard {
    /// 2 s, 64 calls, 1 s.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            concurrency: 64,
            open_timeout: Duration::from_secs(1),
        }
    }
}

/// What a guarded store has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreNumbers {
    /// Appends that were stored.
    pub appends: u64,
    /// Events in them.
    pub events: u64,
    /// Appends that came too late: another one was first.
    pub conflicts: u64,
    /// Calls that nothing is known about.
    pub unavailable: u64,
    /// Calls that a policy kept away from the store.
    pub rejected: u64,
}

#[derive(Debug, Default)]
struct Counters {
    appends: AtomicU64,
    events: AtomicU64,
    conflicts: AtomicU64,
    unavailable: AtomicU64,
    rejected: AtomicU64,
}

/// A store behind a time limit, a circuit breaker and a limit of concurrent calls with a short line. Reads are repeated within a budget, appends
/// never: whether one was done cannot be known here.
pub struct GuardedStore {
    events: Arc<dyn EventStore>,
    snapshots: Arc<dyn SnapshotStore>,
    reads: Pipeline<ByStoreError>,
    writes: Pipeline<ByStoreError>,
    breaker: CircuitBreaker,
    places: ConcurrencyQueue,
    counters: Counters,
    durations: AppendDuration,
}

/// A conflict is an answer like any other.
#[derive(Debug, Clone, Copy)]
struct ByStoreError;

impl<T> Classify<T, StoreError> for ByStoreError {
    fn classify(&self, result: Result<&T, &StoreError>) -> Verdict {
        match result {
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::Answered(_)) => Verdict::SUCCESS,
            Err(StoreError::Unavailable(_)) => Verdict::FAILURE,
            Err(StoreError::Corrupt(_) | StoreError::Rejected { .. }) => Verdict::IGNORED,
        }
    }
}

impl GuardedStore {
    /// A store behind a guard.
    ///
    /// # Errors
    /// A setting of the guard is out of its range.
    pub fn new<S: EventStore + SnapshotStore>(
        store: Arc<S>,
        guard: StoreGuard,
    ) -> Result<Self, PipelineError> {
        let config = CircuitBreakerConfig {
            // A store that is away answers late: with the usual 20 it would be many seconds until it is left alone.
            minimum_requests: 10,
            open_timeout: guard.open_timeout,
            open_backoff: 2.0,
            open_timeout_max: guard.open_timeout * 8,
            open_jitter: 0.2,
            record_latency: true,
            ..CircuitBreakerConfig::default()
        };
        let breaker =
            CircuitBreaker::try_new("event-store", config).map_err(setting(PolicyKind::Breaker))?;
        let places = ConcurrencyQueue::new(guard.concurrency)
            .map_err(setting(PolicyKind::Concurrency))?
            .max_waiting(guard.concurrency as usize)
            .max_wait(guard.timeout);
        let retry = RetryConfig {
            backoff: Backoff {
                initial: Duration::from_millis(20),
                max: Duration::from_millis(200),
                factor: 2.0,
                jitter: Jitter::Full,
            },
            budget: Some(RetryBudget::default()),
            ..RetryConfig::default()
        };
        let reads = Pipeline::builder()
            .classify(ByStoreError)
            .timeout(guard.timeout * 2)
            .retry(retry)
            .breaker(breaker.clone())
            .concurrency(places.clone())
            .timeout(guard.timeout)
            .build()?;
        let writes = Pipeline::builder()
            .classify(ByStoreError)
            .breaker(breaker.clone())
            .concurrency(places.clone())
            .timeout(guard.timeout)
            .build()?;
        Ok(Self {
            events: Arc::clone(&store) as Arc<dyn EventStore>,
            snapshots: store,
            reads,
            writes,
            breaker,
            places,
            counters: Counters::default(),
            durations: AppendDuration::register(),
        })
    }

    /// Its breaker, for telemetry and the dashboard.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// Its limit of concurrent calls.
    pub fn places(&self) -> &ConcurrencyQueue {
        &self.places
    }

    /// What it has done.
    pub fn snapshot(&self) -> StoreNumbers {
        // Relaxed: each is a number on its own.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreNumbers {
            appends: read(&self.counters.appends),
            events: read(&self.counters.events),
            conflicts: read(&self.counters.conflicts),
            unavailable: read(&self.counters.unavailable),
            rejected: read(&self.counters.rejected),
        }
    }

    async fn read<T: Send, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        operation: impl Fn() -> F + Sync,
    ) -> Result<T, StoreError> {
        let answer = self.reads.call(operation).await;
        answer.map_err(|error| self.failed(error))
    }

    async fn write<T: Send, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        operation: impl Fn() -> F + Sync,
    ) -> Result<T, StoreError> {
        let answer = self.writes.call(operation).await;
        answer.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: CallError<StoreError>) -> StoreError {
        let error = match error {
            CallError::OperationFailed(error) => error,
            CallError::Rejected { retry_after, .. } => StoreError::Rejected {
                retry_after: retry_after.unwrap_or(Duration::from_secs(1)),
            },
            CallError::TimedOut { limit } => {
                StoreError::Unavailable(format!("no answer within {limit:?}"))
            }
            CallError::Injected => StoreError::Unavailable("failed on purpose".to_owned()),
        };
        let counter = match &error {
            StoreError::Conflict { .. } => &self.counters.conflicts,
            StoreError::Rejected { .. } => &self.counters.rejected,
            StoreError::Unavailable(_) => &self.counters.unavailable,
            StoreError::Answered(_) | StoreError::Corrupt(_) => return error,
        };
        // Relaxed, here and below: a number on its own.
        counter.fetch_add(1, Ordering::Relaxed);
        error
    }
}

#[async_trait]
impl EventStore for GuardedStore {
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        let begun = Instant::now();
        let appended = self
            .write(|| self.events.append(stream, expected_version, events, result))
            .instrument(trace::appending(stream, events.len()))
            .await;
        self.durations
            .record(begun.elapsed(), appended.as_ref().err());
        let appended = appended?;
        self.counters.appends.fetch_add(1, Ordering::Relaxed);
        self.counters
            .events
            .fetch_add(events.len() as u64, Ordering::Relaxed);
        Ok(appended)
    }

    async fn load(
        &self,
        stream: Uuid,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|| self.events.load(stream, after_version, limit))
            .await
    }

    async fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|| self.events.read_all(after_position, limit))
            .await
    }

    async fn unfinished(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|| self.events.unfinished(after_position, limit))
            .await
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        self.read(|| self.events.heads()).await
    }

    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError> {
        self.read(|| self.events.command_result(key)).await
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.write(|| self.events.forget_command_results(before, limit))
            .await
    }

    /// Past the guard: it is asked whether the store answers, not whether we would ask it.
    async fn ping(&self) -> Result<(), StoreError> {
        self.events.ping().await
    }
}

#[async_trait]
impl SnapshotStore for GuardedStore {
    async fn save(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write(|| self.snapshots.save(snapshot)).await
    }

    async fn find(&self, stream: Uuid) -> Result<Option<Snapshot>, StoreError> {
        self.read(|| self.snapshots.find(stream)).await
    }

    async fn forget(&self, stream: Uuid) -> Result<(), StoreError> {
        self.write(|| self.snapshots.forget(stream)).await
    }
}

fn setting(policy: PolicyKind) -> impl FnOnce(ConfigError) -> PipelineError {
    move |error| PipelineError::Setting { policy, error }
}
