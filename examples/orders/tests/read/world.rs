//! A store and a read model of a test's own, and orders to fill them with.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use orders::bus::{BusOptions, Checkpoint, Delivery, InProcessBus, Relay, RelayOptions};
use orders::engine::PostgresEngine;
use orders::money::{Currency, Money};
use orders::order::{
    CreateOrder, Order, OrderCommand, OrderEvent, OrderItem, SCHEMA_VERSION, decide, decode,
    encode, fold,
};
use orders::projection::{
    OrderRow, ProjectionOptions, ReadModel, ReadModelOptions, ReadModelProjection, open_read_model,
};
use orders::store::{
    Database, EventStore, Metadata, NewEvent, PostgresEventStore, SqliteEventStore, StoredEvent,
};
use tempfile::TempDir;
use uuid::Uuid;

/// The same test on both databases.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                super::$test(crate::world::World::sqlite().await?).await
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() -> anyhow::Result<()> {
                super::$test(crate::world::World::postgres().await?).await
            })+
        }
    };
}
pub(crate) use on_both;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    pub store: Arc<dyn EventStore>,
    pub model: Arc<dyn ReadModel>,
    _postgres: Option<Arc<PostgresEngine>>,
    /// Where the files are, with the names that the service gives them.
    pub folder: Option<TempDir>,
}

impl World {
    pub async fn sqlite() -> Result<Self> {
        let folder = TempDir::new()?;
        let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let database = Database::open(&file("orders.db"), 4)?;
        database.migrate().await?;
        let Database::Sqlite { writer, reader } = database else {
            anyhow::bail!("no file");
        };
        let model = open_read_model(&file("read-model.db"), ReadModelOptions::default())?;
        model.migrate().await?;
        Ok(Self {
            store: Arc::new(SqliteEventStore::new(writer, reader)),
            model,
            _postgres: None,
            folder: Some(folder),
        })
    }

    pub async fn postgres() -> Result<Self> {
        let engine = PostgresEngine::shared().await?;
        let world = Self::on(&engine.fresh_database().await?).await?;
        Ok(Self {
            _postgres: Some(engine),
            ..world
        })
    }

    /// On a database that somebody else keeps.
    pub async fn on(url: &str) -> Result<Self> {
        let (store, model) = on_postgres(url).await?;
        Ok(Self {
            store,
            model,
            _postgres: None,
            folder: None,
        })
    }

    /// A projection that loses no time.
    pub fn projection(&self) -> Arc<ReadModelProjection> {
        projection(&self.store, &self.model)
    }

    /// A bus in this process, with a relay that works until the test ends.
    pub fn bus(&self, checkpoint: &Arc<ReadModelProjection>) -> (InProcessBus, Arc<Relay>) {
        let bus = InProcessBus::new(BusOptions::default());
        let relay = Arc::new(Relay::new(
            Arc::clone(&self.store),
            Arc::new(bus.clone()),
            vec![Arc::clone(checkpoint) as Arc<dyn Checkpoint>],
            RelayOptions {
                poll: Duration::from_millis(10),
                ..RelayOptions::default()
            },
        ));
        let working = Arc::clone(&relay);
        tokio::spawn(async move { working.run().await });
        (bus, relay)
    }

    /// Waits until all positions given out are final: on a server that others use too, a moment may pass.
    pub async fn settled(&self) -> Result<()> {
        let settled = async {
            loop {
                let heads = self.store.heads().await?;
                if heads.safe >= heads.head {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled)
            .await
            .context("the horizon stands still")?
    }

    /// Has a projection apply everything, without a bus.
    pub async fn project(&self, projection: &ReadModelProjection) -> Result<()> {
        self.settled().await?;
        Ok(projection.catch_up().await?)
    }

    /// Waits until the read model has everything.
    pub async fn caught_up(&self) -> Result<()> {
        let head = self.store.heads().await?.head;
        reached(&self.model, head).await
    }

    /// The rows of all these orders are what their events make.
    pub async fn assert_true(&self, ids: &[Uuid]) -> Result<()> {
        let active = self.model.active().await?.edition;
        let rows = self.model.rows(active, ids).await?;
        assert_eq!(rows.len(), ids.len(), "orders in the read model");
        for row in rows {
            let (order, events) = self.folded(row.order_id).await?;
            let (first, last) = (&events[0], &events[events.len() - 1]);
            let expected = OrderRow {
                order_id: order.order_id,
                user_id: order.user_id,
                version: events.len() as u64,
                body: serde_json::to_value(&order)?,
                created_position: first.position,
                created_at: first.recorded_at,
                last_position: last.position,
                updated_at: last.recorded_at,
            };
            assert_eq!(row, expected);
        }
        Ok(())
    }

    async fn folded(&self, order_id: Uuid) -> Result<(Order, Vec<StoredEvent>)> {
        let events = self.store.load(order_id, 0, 10_000).await?;
        let facts: Vec<OrderEvent> = events
            .iter()
            .map(|event| decode(&event.kind, event.schema_version, &event.payload))
            .collect::<Result<_, _>>()?;
        Ok((fold(None, &facts)?.context("no such order")?, events))
    }

    /// A new order of this user.
    pub async fn create(&self, user_id: Uuid) -> Result<Uuid> {
        let order_id = Uuid::now_v7();
        let item = OrderItem {
            sku: "lamp".to_owned(),
            quantity: 2,
            unit_price: Money::new(1_250, Currency::Eur),
        };
        let create = CreateOrder {
            order_id,
            user_id,
            items: vec![item],
        };
        self.command(order_id, &OrderCommand::CreateOrder(create))
            .await?;
        Ok(order_id)
    }

    /// Executes a command on an order; the position of its last event.
    pub async fn command(&self, order_id: Uuid, command: &OrderCommand) -> Result<u64> {
        let events = self.store.load(order_id, 0, 10_000).await?;
        let before = match events.len() {
            0 => None,
            _ => Some(self.folded(order_id).await?.0),
        };
        let facts = decide(before.as_ref(), command)?;
        let new: Vec<NewEvent> = facts
            .iter()
            .map(|fact| new_event(fact.kind(), SCHEMA_VERSION, encode(fact)))
            .collect();
        let appended = self
            .store
            .append(order_id, events.len() as u64, &new, None)
            .await?;
        Ok(appended.position)
    }

    /// Goes some way through the life of an order: with each number another one.
    pub async fn live(&self, order_id: Uuid, number: u64) -> Result<()> {
        let [payment_id, shipment_id, refund_id] = [(); 3].map(|()| Uuid::now_v7());
        let reason = "changed my mind".to_owned();
        let region = "north".to_owned();
        let tracking_number = format!("T{number}");
        let all = [
            OrderCommand::PayOrder { payment_id },
            OrderCommand::ConfirmPayment { payment_id, region },
            OrderCommand::ShipOrder { shipment_id },
            OrderCommand::ConfirmShipment {
                shipment_id,
                tracking_number,
            },
            OrderCommand::DeliverOrder,
        ];
        for command in all.iter().take(number as usize % 6) {
            self.command(order_id, command).await?;
        }
        if number.is_multiple_of(6) {
            let cancel = OrderCommand::CancelOrder { reason, refund_id };
            self.command(order_id, &cancel).await?;
        }
        Ok(())
    }

    /// All events, as a bus hands them out.
    pub async fn deliveries(&self) -> Result<Vec<Delivery>> {
        self.settled().await?;
        let events = self.store.read_all(0, 100_000).await?;
        let mut previous = 0;
        Ok(events
            .into_iter()
            .map(|event| Delivery {
                previous: std::mem::replace(&mut previous, event.position),
                event,
                attempt: 1,
            })
            .collect())
    }
}

pub async fn on_postgres(url: &str) -> Result<(Arc<dyn EventStore>, Arc<dyn ReadModel>)> {
    let database = Database::open(url, 8)?;
    database.migrate().await?;
    let Database::Postgres(pool) = database else {
        anyhow::bail!("no server");
    };
    let model = open_read_model(url, ReadModelOptions::default())?;
    model.migrate().await?;
    Ok((Arc::new(PostgresEventStore::new(pool)), model))
}

pub fn projection(
    store: &Arc<dyn EventStore>,
    model: &Arc<dyn ReadModel>,
) -> Arc<ReadModelProjection> {
    let options = ProjectionOptions {
        batch: 16,
        heartbeat: Duration::from_millis(100),
        pause: Duration::from_millis(5),
        ..ProjectionOptions::default()
    };
    let (store, model) = (Arc::clone(store), Arc::clone(model));
    Arc::new(ReadModelProjection::new(store, model, options))
}

pub fn new_event(kind: &'static str, schema_version: u32, payload: serde_json::Value) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        kind,
        schema_version,
        payload,
        metadata: Metadata {
            correlation_id: Uuid::now_v7(),
            causation_id: Uuid::now_v7(),
            actor: "test".to_owned(),
            traceparent: None,
        },
    }
}

/// Waits until a read model is at a position.
pub async fn reached(model: &Arc<dyn ReadModel>, position: u64) -> Result<()> {
    let reached = async {
        loop {
            if let Ok(active) = model.active().await
                && active.position >= position
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .with_context(|| format!("the read model does not come to position {position}"))
}
