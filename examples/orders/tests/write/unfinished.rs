//! What waits for a provider is found without reading what does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use orders::command::CommandService;
use orders::fulfilment::{Fulfilment, FulfilmentOptions};
use orders::money::Money;
use orders::order::{OrderCommand, OrderStatus};
use orders::payment::{Charged, PaymentError, Payments};
use orders::shipping::{Shipping, ShippingError};
use orders::store::{
    Appended, CommandResult, Database, EventStore, Heads, NewEvent, StoreError, StoredEvent,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Stand, Store, context, create, on_both, settled};

on_both!(
    an_order_is_unfinished_while_its_last_event_asks_for_something,
    a_store_that_was_filled_before_knows_it_too,
    a_restart_reads_what_is_unfinished_and_nothing_else,
);

async fn execute(service: &CommandService, order_id: Uuid, command: &OrderCommand) -> OrderStatus {
    let context = context();
    let executed = service.execute(order_id, command, &context, None);
    executed.await.unwrap().order.status
}

/// What happens to an order that is paid at the second attempt, refused by the carrier and given back.
fn life(order_id: Uuid) -> Vec<OrderCommand> {
    let [first, second, shipment_id, refund_id] = [(); 4].map(|()| Uuid::now_v7());
    vec![
        create(order_id, Uuid::nil()),
        OrderCommand::PayOrder { payment_id: first },
        OrderCommand::FailPayment {
            payment_id: first,
            reason: "no money".to_owned(),
        },
        OrderCommand::PayOrder { payment_id: second },
        OrderCommand::ConfirmPayment {
            payment_id: second,
            region: "near".to_owned(),
        },
        OrderCommand::ShipOrder { shipment_id },
        // Two events: the last of them asks.
        OrderCommand::FailShipment {
            shipment_id,
            reason: "too heavy".to_owned(),
            refund_id,
        },
        OrderCommand::ConfirmRefund { refund_id },
    ]
}

async fn an_order_is_unfinished_while_its_last_event_asks_for_something<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let service = CommandService::new(store.clone());
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut seen = 0;
    for (command, later) in life(one).iter().zip(life(other)) {
        let status = execute(&service, one, command).await;
        let last = settled(&**store).await.head;
        let unfinished = store.unfinished(0, 10).await.unwrap();
        let is_asking = matches!(
            status,
            OrderStatus::PaymentRequested
                | OrderStatus::ShipmentRequested
                | OrderStatus::RefundRequested
        );
        let of_one: Vec<_> = unfinished.iter().filter(|e| e.stream == one).collect();
        assert_eq!(of_one.len(), usize::from(is_asking), "{status:?}");
        if let [event] = of_one[..] {
            seen += 1;
            let stored = store.load(one, event.version - 1, 10).await.unwrap();
            assert_eq!(stored, std::slice::from_ref(event), "its last event, whole");
            assert_eq!(store.unfinished(last - 1, 10).await.unwrap(), stored);
            assert!(store.unfinished(last, 10).await.unwrap().is_empty());
        }
        // The other one is a step behind all the time.
        execute(&service, other, &later).await;
    }
    assert_eq!(seen, 4);
    settled(&**store).await;
    assert!(store.unfinished(0, 10).await.unwrap().is_empty());
    // In order of position, so many at once.
    let mut asked = Vec::new();
    for _ in 0..3 {
        let order_id = Uuid::new_v4();
        for command in &life(order_id)[..2] {
            execute(&service, order_id, command).await;
        }
        asked.push(order_id);
    }
    settled(&**store).await;
    let found = store.unfinished(0, 2).await.unwrap();
    let rest = store.unfinished(found[1].position, 2).await.unwrap();
    let found: Vec<Uuid> = found.iter().chain(&rest).map(|e| e.stream).collect();
    assert_eq!(found, asked);
}

async fn a_store_that_was_filled_before_knows_it_too<S: Store>(stand: Stand<S>) {
    match &stand.database {
        Database::Postgres(pool) => sqlx::raw_sql(
            "DROP TRIGGER keep_unfinished ON events; DROP FUNCTION keep_unfinished; DROP TABLE unfinished;
             DROP INDEX command_results_by_age; DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .execute(pool)
        .await
        .map(drop),
        Database::Sqlite { writer, .. } => sqlx::raw_sql(
            "DROP TRIGGER events_that_ask; DROP TRIGGER events_that_answer; DROP TABLE unfinished;
             DROP INDEX command_results_by_age; DELETE FROM _sqlx_migrations WHERE version = 2",
        )
        .execute(writer)
        .await
        .map(drop),
    }
    .unwrap();
    let service = CommandService::new(stand.store.clone());
    let mut asking = Vec::new();
    for steps in 1..=8 {
        let order_id = Uuid::now_v7();
        for command in &life(order_id)[..steps] {
            execute(&service, order_id, command).await;
        }
        if [2, 4, 6, 7].contains(&steps) {
            asking.push(order_id);
        }
    }
    stand.database.migrate().await.unwrap();
    settled(&*stand.store).await;
    let found = stand.store.unfinished(0, 10).await.unwrap();
    let found: Vec<Uuid> = found.iter().map(|event| event.stream).collect();
    assert_eq!(found, asking);
}

async fn a_restart_reads_what_is_unfinished_and_nothing_else<S: Store>(stand: Stand<S>) {
    let service = CommandService::new(stand.store.clone());
    for _ in 0..60 {
        let order_id = Uuid::now_v7();
        for command in life(order_id) {
            execute(&service, order_id, &command).await;
        }
    }
    let ask = async || {
        let order_id = Uuid::now_v7();
        for command in &life(order_id)[..2] {
            execute(&service, order_id, command).await;
        }
    };
    for _ in 0..3 {
        ask().await;
    }
    let all = settled(&*stand.store).await.head;
    assert!(all > 500, "{all}");
    let counting = Arc::new(Counting {
        store: stand.store.clone(),
        unfinished: AtomicU64::new(0),
        loaded: AtomicU64::new(0),
    });
    let options = FulfilmentOptions {
        grace: Duration::ZERO,
        sweep_every: Duration::from_millis(10),
        ..FulfilmentOptions::default()
    };
    let fulfilment = Fulfilment::new(
        CommandService::new(counting.clone()),
        counting.clone(),
        None,
        Arc::new(Away),
        Arc::new(Away),
        options,
    );
    let running = fulfilment.clone();
    let running = tokio::spawn(async move { running.run(std::future::pending()).await });
    let reached = async |put_off: u64, sweeps: u64| {
        let reach = async {
            while fulfilment.snapshot().put_off < put_off || fulfilment.snapshot().sweeps < sweeps {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, reach).await.unwrap();
        // Relaxed: they only rise.
        let unfinished = counting.unfinished.load(Ordering::Relaxed);
        (unfinished, counting.loaded.load(Ordering::Relaxed))
    };
    let (unfinished, loaded) = reached(3, 5).await;
    assert_eq!(unfinished, 3, "each once, in five sweeps");
    // Each has two events, read again before each step.
    assert!((6..=30).contains(&loaded), "{loaded} of {all} events");
    // What comes later is found by the sweep, and nothing else again.
    ask().await;
    let sweeps = fulfilment.snapshot().sweeps;
    assert_eq!(reached(4, sweeps + 3).await.0, 4);
    running.abort();
}

/// Nobody can be reached, and should not be tried again soon.
struct Away;

const LONG: Duration = Duration::from_hours(1);

#[async_trait]
impl Payments for Away {
    async fn charge(&self, _: Uuid, _: Uuid, _: Money) -> Result<Charged, PaymentError> {
        Err(PaymentError::Unavailable { retry_after: LONG })
    }

    async fn refund(&self, _: Uuid, _: Uuid, _: Money) -> Result<(), PaymentError> {
        Err(PaymentError::Unavailable { retry_after: LONG })
    }
}

#[async_trait]
impl Shipping for Away {
    async fn ship(&self, _: Uuid, _: Uuid) -> Result<String, ShippingError> {
        Err(ShippingError::Unavailable { retry_after: LONG })
    }
}

/// Counts the events that are read, and has none to read from the start.
struct Counting<S> {
    store: Arc<S>,
    unfinished: AtomicU64,
    loaded: AtomicU64,
}

#[async_trait]
impl<S: EventStore> EventStore for Counting<S> {
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        self.store
            .append(stream, expected_version, events, result)
            .await
    }

    async fn load(
        &self,
        stream: Uuid,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let events = self.store.load(stream, after_version, limit).await?;
        self.loaded
            .fetch_add(events.len() as u64, Ordering::Relaxed);
        Ok(events)
    }

    async fn read_all(&self, _: u64, _: u32) -> Result<Vec<StoredEvent>, StoreError> {
        panic!("it reads all events");
    }

    async fn unfinished(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let events = self.store.unfinished(after, limit).await?;
        self.unfinished
            .fetch_add(events.len() as u64, Ordering::Relaxed);
        Ok(events)
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        self.store.heads().await
    }

    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError> {
        self.store.command_result(key).await
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.store.forget_command_results(before, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
