//! Stores to test on, and what is asked of them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use orders::command::CommandContext;
use orders::engine::PostgresEngine;
use orders::money::{Currency, Money};
use orders::order::{CreateOrder, OrderEvent, OrderItem, SCHEMA_VERSION, encode};
use orders::store::{
    CommandResult, Database, EventStore, Heads, Metadata, NewEvent, PostgresEventStore,
    SnapshotStore, SqliteEventStore,
};
use serde_json::json;
use uuid::Uuid;

/// Both traits.
pub trait Store: EventStore + SnapshotStore {}
impl<S: EventStore + SnapshotStore> Store for S {}

/// An empty store, with what keeps it there.
pub struct Stand<S> {
    pub store: Arc<S>,
    pub database: Database,
    pub url: String,
    _kept: Box<dyn Any + Send + Sync>,
}

/// Each in a file of its own.
pub async fn sqlite() -> Stand<SqliteEventStore> {
    let folder = tempfile::TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    let database = Database::open(&url, 8).unwrap();
    database.migrate().await.unwrap();
    let Database::Sqlite { writer, reader } = database.clone() else {
        panic!("{url} is a file");
    };
    Stand {
        store: Arc::new(SqliteEventStore::new(writer, reader)),
        database,
        url,
        _kept: Box::new(folder),
    }
}

/// Each in a database of its own, on one server.
pub async fn postgres() -> Stand<PostgresEventStore> {
    let engine = PostgresEngine::shared().await.unwrap();
    let url = engine.fresh_database().await.unwrap();
    let database = Database::open(&url, 24).unwrap();
    database.migrate().await.unwrap();
    let Database::Postgres(pool) = database.clone() else {
        panic!("{url} is a server");
    };
    Stand {
        store: Arc::new(PostgresEventStore::new(pool)),
        database,
        url,
        _kept: Box::new(engine),
    }
}

/// The same test on both.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::support::sqlite().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name($crate::support::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use on_both;

pub fn eur(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::Eur)
}

pub fn items() -> Vec<OrderItem> {
    vec![OrderItem {
        sku: "tea".to_owned(),
        quantity: 3,
        unit_price: eur(250),
    }]
}

pub fn create(order_id: Uuid, user_id: Uuid) -> orders::order::OrderCommand {
    orders::order::OrderCommand::CreateOrder(CreateOrder {
        order_id,
        user_id,
        items: items(),
    })
}

pub fn context() -> CommandContext {
    CommandContext {
        correlation_id: Uuid::now_v7(),
        causation_id: Uuid::now_v7(),
        actor: "ann".to_owned(),
        traceparent: None,
    }
}

/// An event to append, with its number in it.
pub fn numbered(number: u64) -> NewEvent {
    let event = OrderEvent::OrderCancelled {
        reason: number.to_string(),
    };
    NewEvent {
        event_id: Uuid::now_v7(),
        kind: event.kind(),
        schema_version: SCHEMA_VERSION,
        payload: encode(&event),
        metadata: Metadata {
            correlation_id: Uuid::now_v7(),
            causation_id: Uuid::now_v7(),
            actor: "ann \"Ä\" o'neil".to_owned(),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        },
    }
}

pub fn result(key: &str) -> CommandResult {
    CommandResult {
        key: key.to_owned(),
        request_sha256: [7; 32],
        status: 201,
        body: json!({ "order": [1, 2.5, null, "ä"] }),
        position: 0,
    }
}

/// How far the store is when all that was appended is final: other tests on the same server write too, and hold the horizon of this one.
pub async fn settled(store: &impl EventStore) -> Heads {
    for _ in 0..2_000 {
        let heads = store.heads().await.unwrap();
        assert!(heads.safe <= heads.head, "{heads:?}");
        if heads.safe == heads.head {
            return heads;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody writes for ever");
}
