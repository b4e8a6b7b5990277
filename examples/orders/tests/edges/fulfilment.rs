//! What was begun is finished, with the same ids, and the money is taken once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use orders::bus::{BusOptions, EventBus, InProcessBus};
use orders::command::{CommandContext, CommandService};
use orders::edge::Endpoint;
use orders::fulfilment::{Fulfilment, FulfilmentOptions};
use orders::money::{Currency, Money};
use orders::order::{CreateOrder, Order, OrderCommand, OrderItem, OrderStatus};
use orders::payment::{Charged, PaymentEdge, PaymentError, PaymentSettings, Payments};
use orders::provider::{Faults, Ledger};
use orders::shipping::{Shipping, ShippingEdge, ShippingSettings};
use orders::store::{Database, EventStore, SqliteEventStore};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::place::{Server, ledger};

const PRICE: Money = Money {
    amount_minor: 990,
    currency: Currency::Eur,
};

struct World {
    near: Server,
    carrier: Server,
    ledger: Ledger,
    service: CommandService,
    store: Arc<dyn EventStore>,
    payments: Arc<PaymentEdge>,
    shipping: Arc<ShippingEdge>,
    _folders: (TempDir, TempDir),
}

/// A fulfilment at work; gone when it is dropped, in the middle of whatever it does.
struct Working {
    fulfilment: Fulfilment,
    task: JoinHandle<()>,
}

impl Working {
    /// Ends when orders have been put off so often.
    async fn put_off(&self, times: u64) {
        let reach = async {
            while self.fulfilment.snapshot().put_off < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(30), reach).await;
        reached.unwrap_or_else(|_| panic!("{:?}", self.fulfilment.snapshot()));
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    async fn new() -> Self {
        let (folder, ledger) = ledger().await;
        let near = Server::payment(&ledger, "near").await;
        let carrier = Server::carrier(&ledger, "swift").await;
        let events = tempfile::tempdir().unwrap();
        let file = events.path().join("events.db");
        let database = Database::open(&format!("sqlite:{}", file.display()), 4).unwrap();
        database.migrate().await.unwrap();
        let Database::Sqlite { writer, reader } = database else {
            panic!("a file was asked for");
        };
        let store: Arc<dyn EventStore> = Arc::new(SqliteEventStore::new(writer, reader));
        let mut payments = PaymentSettings::new(vec![Endpoint::new("near", &near.url)]);
        payments.breaker.open_timeout = Duration::from_millis(50);
        payments.breaker.open_backoff = 1.0;
        let mut shipping = ShippingSettings::new(vec![Endpoint::new("swift", &carrier.url)]);
        shipping.breaker.open_timeout = Duration::from_millis(50);
        shipping.breaker.open_backoff = 1.0;
        Self {
            payments: Arc::new(PaymentEdge::new(payments).unwrap()),
            shipping: Arc::new(ShippingEdge::new(&shipping).unwrap()),
            service: CommandService::new(Arc::clone(&store)),
            near,
            carrier,
            ledger,
            store,
            _folders: (folder, events),
        }
    }

    fn fulfilment(&self, bus: Option<Arc<dyn EventBus>>, sweep_every: Duration) -> Working {
        let payments = Arc::clone(&self.payments) as Arc<dyn Payments>;
        self.fulfilment_by(payments, bus, sweep_every)
    }

    fn fulfilment_by(
        &self,
        payments: Arc<dyn Payments>,
        bus: Option<Arc<dyn EventBus>>,
        sweep_every: Duration,
    ) -> Working {
        let fulfilment = Fulfilment::new(
            self.service.clone(),
            Arc::clone(&self.store),
            bus,
            payments,
            Arc::clone(&self.shipping) as Arc<dyn Shipping>,
            FulfilmentOptions {
                grace: Duration::ZERO,
                sweep_every,
                first_pause: Duration::from_millis(20),
                longest_pause: Duration::from_millis(100),
                ..FulfilmentOptions::default()
            },
        );
        let running = fulfilment.clone();
        Working {
            task: tokio::spawn(async move { running.run(std::future::pending()).await }),
            fulfilment,
        }
    }

    fn sweeping(&self) -> Working {
        self.fulfilment(None, Duration::from_millis(20))
    }

    async fn execute(&self, order_id: Uuid, command: OrderCommand) -> Order {
        let context = CommandContext {
            correlation_id: Uuid::new_v4(),
            causation_id: Uuid::new_v4(),
            actor: "test".to_owned(),
            traceparent: None,
        };
        let executed = self.service.execute(order_id, &command, &context, None);
        executed.await.unwrap().order
    }

    /// An order whose money was asked for, by a service that then was killed.
    async fn payment_requested(&self) -> (Uuid, Uuid) {
        let (order_id, payment_id) = (Uuid::now_v7(), Uuid::now_v7());
        let create = CreateOrder {
            order_id,
            user_id: Uuid::new_v4(),
            items: vec![OrderItem {
                sku: "tea".to_owned(),
                quantity: 1,
                unit_price: PRICE,
            }],
        };
        self.execute(order_id, OrderCommand::CreateOrder(create))
            .await;
        self.execute(order_id, OrderCommand::PayOrder { payment_id })
            .await;
        (order_id, payment_id)
    }

    /// An order that is paid for, and whose parcel was asked for.
    async fn shipment_requested(&self) -> (Uuid, Uuid) {
        let (order_id, payment_id) = self.payment_requested().await;
        self.payments
            .charge(payment_id, order_id, PRICE)
            .await
            .unwrap();
        let region = "near".to_owned();
        let paid = OrderCommand::ConfirmPayment { payment_id, region };
        self.execute(order_id, paid).await;
        let shipment_id = Uuid::now_v7();
        self.execute(order_id, OrderCommand::ShipOrder { shipment_id })
            .await;
        (order_id, shipment_id)
    }

    async fn until(&self, order_id: Uuid, status: OrderStatus) -> Order {
        let reach = async {
            loop {
                let order = self.service.load(order_id).await.unwrap().unwrap();
                if order.status == status {
                    return order;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let patience = Duration::from_secs(30);
        let reached = tokio::time::timeout(patience, reach).await;
        reached.unwrap_or_else(|_| panic!("{order_id} never became {}", status.word()))
    }

    /// Each order that was charged, once.
    async fn charged_once(&self, orders: usize) {
        let books = self.ledger.books().await.unwrap();
        assert_eq!(books.charges, orders as u64);
        assert!(books.charged_twice.is_empty());
    }
}

#[tokio::test]
async fn killed_between_charge_and_append_the_order_is_paid_under_the_same_id_and_once() {
    let world = World::new().await;
    let (order_id, payment_id) = world.payment_requested().await;
    // The money was taken; the service died before it could say so.
    let charged = world.payments.charge(payment_id, order_id, PRICE);
    charged.await.unwrap();
    let working = world.sweeping();
    let order = world.until(order_id, OrderStatus::Paid).await;
    assert_eq!(order.payment.unwrap().payment_id, payment_id);
    let entries = world.ledger.entries().await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].payment_id, entries[0].amount),
        (payment_id, PRICE)
    );
    drop(working);
}

#[tokio::test]
async fn a_provider_that_is_away_is_waited_for() {
    let world = World::new().await;
    let down = Faults {
        refuse_rate: 1.0,
        ..Faults::default()
    };
    world.near.fails(down).await;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(world.payment_requested().await.0);
    }
    let working = world.sweeping();
    working.put_off(40).await;
    world.charged_once(0).await;
    world.near.fails(Faults::default()).await;
    for order_id in orders {
        world.until(order_id, OrderStatus::Paid).await;
    }
    world.charged_once(20).await;
}

#[tokio::test]
async fn a_decline_ends_it_and_the_order_can_be_paid_again() {
    let world = World::new().await;
    let (order_id, _) = world.payment_requested().await;
    let declining = Faults {
        decline_rate: 1.0,
        ..Faults::default()
    };
    world.near.fails(declining).await;
    let _working = world.sweeping();
    let order = world.until(order_id, OrderStatus::Pending).await;
    assert_eq!(order.payment, None);
    world.near.fails(Faults::default()).await;
    let payment_id = Uuid::now_v7();
    world
        .execute(order_id, OrderCommand::PayOrder { payment_id })
        .await;
    world.until(order_id, OrderStatus::Paid).await;
    world.charged_once(1).await;
}

#[tokio::test]
async fn a_parcel_that_was_asked_for_is_handed_over_once() {
    let world = World::new().await;
    let (order_id, shipment_id) = world.shipment_requested().await;
    let number = world.shipping.ship(shipment_id, order_id).await.unwrap();
    let _working = world.sweeping();
    let order = world.until(order_id, OrderStatus::Shipped).await;
    assert_eq!(order.tracking_number, Some(number));
    assert_eq!(world.ledger.books().await.unwrap().shipments, 1);
}

#[tokio::test]
async fn paid_and_refused_by_the_carrier_leads_to_a_refund_of_all_of_it() {
    let world = World::new().await;
    let (order_id, _) = world.shipment_requested().await;
    let refusing = Faults {
        decline_rate: 1.0,
        ..Faults::default()
    };
    world.carrier.fails(refusing).await;
    // Giving it back takes a few attempts.
    let flaky = Faults {
        drop_rate: 0.7,
        seed: 3,
        ..Faults::default()
    };
    world.near.fails(flaky).await;
    let _working = world.sweeping();
    world.until(order_id, OrderStatus::Refunded).await;
    let entries = world.ledger.entries().await.unwrap();
    assert_eq!(
        (entries.len(), entries[0].refunded_minor),
        (1, PRICE.amount_minor)
    );
}

#[tokio::test]
async fn a_carrier_that_does_not_answer_is_no_reason_for_a_refund() {
    let world = World::new().await;
    let (order_id, _) = world.shipment_requested().await;
    let down = Faults {
        refuse_rate: 1.0,
        ..Faults::default()
    };
    world.carrier.fails(down).await;
    let working = world.sweeping();
    working.put_off(5).await;
    let order = world.service.load(order_id).await.unwrap().unwrap();
    assert_eq!(order.status, OrderStatus::ShipmentRequested);
    let done = working.fulfilment.snapshot();
    assert_eq!((done.finished, done.planned), (0, 1), "it is not forgotten");
    world.carrier.fails(Faults::default()).await;
    world.until(order_id, OrderStatus::Shipped).await;
    let entries = world.ledger.entries().await.unwrap();
    assert_eq!(entries[0].refunded_minor, 0);
}

#[tokio::test]
async fn the_bus_tells_at_once_what_the_sweep_would_find_much_later() {
    let world = World::new().await;
    let bus: Arc<dyn EventBus> = Arc::new(InProcessBus::new(BusOptions::default()));
    let working = world.fulfilment(Some(Arc::clone(&bus)), Duration::from_secs(3_600));
    while working.fulfilment.snapshot().sweeps == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (order_id, _) = world.payment_requested().await;
    let events = world.store.read_all(0, 100).await.unwrap();
    bus.publish(0, &events).await.unwrap();
    world.until(order_id, OrderStatus::Paid).await;
    world.charged_once(1).await;
    while bus.lag("fulfilment").await.unwrap().pending > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Panics the first time it is asked.
struct Panicking {
    has_panicked: AtomicBool,
    payments: Arc<PaymentEdge>,
}

#[async_trait]
impl Payments for Panicking {
    async fn charge(
        &self,
        payment_id: Uuid,
        order_id: Uuid,
        amount: Money,
    ) -> Result<Charged, PaymentError> {
        // Relaxed: nothing else is read.
        assert!(
            self.has_panicked.swap(true, Ordering::Relaxed),
            "on purpose"
        );
        self.payments.charge(payment_id, order_id, amount).await
    }

    async fn refund(
        &self,
        refund_id: Uuid,
        payment_id: Uuid,
        amount: Money,
    ) -> Result<(), PaymentError> {
        self.payments.refund(refund_id, payment_id, amount).await
    }
}

#[tokio::test]
async fn an_order_whose_work_panics_is_taken_up_again() {
    let world = World::new().await;
    let payments = Panicking {
        has_panicked: AtomicBool::new(false),
        payments: Arc::clone(&world.payments),
    };
    let (order_id, _) = world.payment_requested().await;
    let _working = world.fulfilment_by(Arc::new(payments), None, Duration::from_millis(20));
    world.until(order_id, OrderStatus::Paid).await;
    world.charged_once(1).await;
}

#[tokio::test]
async fn many_at_once_killed_again_and_again_take_each_payment_once() {
    const ORDERS: usize = 30;
    let world = World::new().await;
    let flaky = Faults {
        seed: 11,
        error_rate: 0.2,
        drop_rate: 0.2,
        latency_ms: 3,
        ..Faults::default()
    };
    world.near.fails(flaky).await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        orders.push(world.payment_requested().await.0);
    }
    // Two at a time, neither of which knows of the other, both of which die.
    for _ in 0..8 {
        let both = (world.sweeping(), world.sweeping());
        tokio::time::sleep(Duration::from_millis(30)).await;
        drop(both);
    }
    let _both = (world.sweeping(), world.sweeping());
    for order_id in orders {
        world.until(order_id, OrderStatus::Paid).await;
    }
    world.charged_once(ORDERS).await;
}
