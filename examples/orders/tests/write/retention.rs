//! Answers of commands are kept for as long as it says, and then forgotten, a few at a time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orders::command::{
    CommandError, CommandKey, CommandService, DEFAULT_RETENTION, RETENTION, ResultRetention,
};
use orders::order::OrderCommand;
use orders::store::{
    Appended, CommandResult, Database, EventStore, Heads, NewEvent, StoreError, StoredEvent,
};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::{Stand, Store, context, create, on_both};

on_both!(
    answers_are_forgotten_when_they_are_old_and_not_before,
    the_answer_of_a_command_that_waits_for_a_provider_is_kept,
);

const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

/// So many answers of this age, under `name` and a number.
async fn answered(database: &Database, name: &str, count: u32, age: Duration) {
    let at = NOW - age;
    match database {
        Database::Postgres(pool) => sqlx::query(
            "INSERT INTO command_results (key, request_sha256, status, body, position, recorded_at)
             SELECT $1 || n, decode(repeat('07', 32), 'hex'), 200, 'null', 1, $3 FROM generate_series(1, $2) AS n",
        )
        .bind(name)
        .bind(count.cast_signed())
        .bind(at)
        .execute(pool)
        .await
        .map(drop),
        Database::Sqlite { writer, .. } => sqlx::query(
            "INSERT INTO command_results (key, request_sha256, status, body, position, recorded_at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
             SELECT ?1 || n, zeroblob(32), 200, 'null', 1, strftime('%Y-%m-%dT%H:%M:%fZ', ?3, 'unixepoch') FROM numbers",
        )
        .bind(name)
        .bind(count)
        .bind(at.unix_timestamp())
        .execute(writer)
        .await
        .map(drop),
    }
    .unwrap();
}

async fn answers_are_forgotten_when_they_are_old_and_not_before<S: Store>(stand: Stand<S>) {
    const HOUR: Duration = Duration::from_hours(1);
    let asked = Arc::new(Asked::of(stand.store.clone()));
    let retention = ResultRetention::new(asked.clone(), DEFAULT_RETENTION).unwrap();
    answered(&stand.database, "old", 1_201, HOUR * 25).await;
    answered(&stand.database, "edge", 1, HOUR * 24).await;
    answered(&stand.database, "young", 3, HOUR * 23).await;
    let is_there = async |key| stand.store.command_result(key).await.unwrap().is_some();
    retention.sweep(NOW).await.unwrap();
    assert_eq!(asked.forgotten(), [500, 500, 201], "in small batches");
    assert!(!is_there("old1").await && !is_there("old1201").await);
    assert!(is_there("edge1").await && is_there("young3").await);
    retention
        .sweep(NOW + Duration::from_millis(1))
        .await
        .unwrap();
    assert!(!is_there("edge1").await && is_there("young1").await);
    retention.sweep(NOW + HOUR).await.unwrap();
    assert!(is_there("young1").await);
    retention.sweep(NOW + HOUR * 2).await.unwrap();
    assert!(!is_there("young1").await);
    assert_eq!(retention.forgotten(), 1_205);
}

async fn the_answer_of_a_command_that_waits_for_a_provider_is_kept<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    let (order_id, payment_id) = (Uuid::now_v7(), Uuid::now_v7());
    let key = |name| CommandKey::new("ann", name, "POST", "/", b"").unwrap();
    let execute = async |command, name| {
        service
            .execute(order_id, &command, &context(), Some(&key(name)))
            .await
    };
    execute(create(order_id, Uuid::nil()), "create")
        .await
        .unwrap();
    let pay = OrderCommand::PayOrder { payment_id };
    execute(pay.clone(), "pay").await.unwrap();
    let retention = ResultRetention::new(stand.store.clone(), DEFAULT_RETENTION).unwrap();
    let much_later = OffsetDateTime::now_utc() + Duration::from_hours(24 * 300);
    retention.sweep(much_later).await.unwrap();
    assert_eq!(retention.forgotten(), 1, "the creation's");
    // Its client still finds out how it ends.
    let again = execute(pay, "pay").await;
    assert!(matches!(again, Err(CommandError::Answered(_))), "{again:?}");
    let paid = OrderCommand::ConfirmPayment {
        payment_id,
        region: "near".to_owned(),
    };
    service
        .execute(order_id, &paid, &context(), None)
        .await
        .unwrap();
    retention.sweep(much_later).await.unwrap();
    assert_eq!(retention.forgotten(), 2);
}

#[test]
fn a_time_out_of_range_is_refused() {
    let store = || Arc::new(Asked::failing(0));
    for keep in [RETENTION.start(), RETENTION.end()] {
        assert!(ResultRetention::new(store(), *keep).is_ok());
    }
    let just = Duration::from_nanos(1);
    for keep in [
        RETENTION.start().saturating_sub(just),
        *RETENTION.end() + just,
    ] {
        let error = ResultRetention::new(store(), keep).err().unwrap();
        assert!(error.to_string().contains("allowed: 10m to 365d"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_after_a_failure() {
    let store = Arc::new(Asked::failing(2));
    let retention = ResultRetention::new(store.clone(), DEFAULT_RETENTION).unwrap();
    let some_time = Duration::from_secs(4 * 60 + 30);
    let ran = tokio::time::timeout(some_time, retention.run()).await;
    assert!(ran.is_err(), "it has no end");
    assert_eq!(store.forgotten(), [0, 0, 0], "once a minute");
    let latest = OffsetDateTime::now_utc() - DEFAULT_RETENTION;
    assert!(store.before.lock().unwrap().iter().all(|at| *at <= latest));
}

/// What a store was asked to forget, and how much it did.
struct Asked {
    store: Option<Arc<dyn EventStore>>,
    failures: AtomicU32,
    before: Mutex<Vec<OffsetDateTime>>,
    forgotten: Mutex<Vec<u64>>,
}

impl Asked {
    fn of(store: Arc<dyn EventStore>) -> Self {
        Self {
            store: Some(store),
            ..Self::failing(0)
        }
    }

    /// An empty one that fails a few times.
    fn failing(times: u32) -> Self {
        Self {
            store: None,
            failures: AtomicU32::new(times),
            before: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }

    fn forgotten(&self) -> Vec<u64> {
        self.forgotten.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventStore for Asked {
    async fn append(
        &self,
        _: Uuid,
        _: u64,
        _: &[NewEvent],
        _: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        panic!("it only forgets");
    }

    async fn load(&self, _: Uuid, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        panic!("it only forgets");
    }

    async fn read_all(&self, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        panic!("it only forgets");
    }

    async fn unfinished(&self, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        panic!("it only forgets");
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        panic!("it only forgets");
    }

    async fn command_result(&self, _: &str) -> Result<Option<CommandResult>, StoreError> {
        panic!("it only forgets");
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.before.lock().unwrap().push(before);
        let less = |left: u32| left.checked_sub(1);
        let (order, failures) = (Ordering::Relaxed, &self.failures);
        if failures.fetch_update(order, order, less).is_ok() {
            return Err(StoreError::Unavailable("on purpose".to_owned()));
        }
        let forgotten = match &self.store {
            Some(store) => store.forget_command_results(before, limit).await?,
            None => 0,
        };
        self.forgotten.lock().unwrap().push(forgotten);
        Ok(forgotten)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        panic!("it only forgets");
    }
}
