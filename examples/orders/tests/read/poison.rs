//! Events that this program cannot read.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use orders::money::{Currency, Money};
use orders::order::{OrderCommand, OrderEvent, SCHEMA_VERSION, encode};
use orders::projection::ProjectionError;
use orders::store::{
    Appended, CommandResult, EventStore, Heads, NewEvent, StoreError, StoredEvent,
};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::end_to_end::service;
use crate::world::{World, new_event, on_both, projection};

on_both!(what_cannot_be_read_is_parked_with_its_order_and_comes_back);

/// The same store, seen by a program that can read one event more.
struct Newer {
    store: Arc<dyn EventStore>,
    position: u64,
    event: OrderEvent,
}

impl Newer {
    fn read(&self, mut events: Vec<StoredEvent>) -> Vec<StoredEvent> {
        for known in &mut events {
            if known.position == self.position {
                self.event.kind().clone_into(&mut known.kind);
                known.schema_version = SCHEMA_VERSION;
                known.payload = encode(&self.event);
            }
        }
        events
    }
}

#[async_trait]
impl EventStore for Newer {
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
        Ok(self.read(events))
    }

    async fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let events = self.store.read_all(after_position, limit).await?;
        Ok(self.read(events))
    }

    async fn unfinished(&self, after: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.store.unfinished(after, limit).await
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

async fn what_cannot_be_read_is_parked_with_its_order_and_comes_back(world: World) -> Result<()> {
    let healthy = world.create(Uuid::now_v7()).await?;
    let order_id = world.create(Uuid::now_v7()).await?;
    let strange = new_event("OrderVanished", SCHEMA_VERSION + 1, json!({ "why": "?" }));
    let appended = world.store.append(order_id, 1, &[strange], None).await?;
    let (payment_id, amount) = (Uuid::now_v7(), Money::new(2_500, Currency::Eur));
    let later = OrderEvent::OrderPaid {
        payment_id,
        amount,
        region: "north".to_owned(),
    };
    let later = new_event(later.kind(), SCHEMA_VERSION, encode(&later));
    world.store.append(order_id, 2, &[later], None).await?;
    let pay = OrderCommand::PayOrder {
        payment_id: Uuid::now_v7(),
    };
    let last = world.command(healthy, &pay).await?;

    let today = world.projection();
    today.take(&world.deliveries().await?).await?;
    // Nothing is skipped in silence, and nobody else waits.
    assert_eq!(world.model.active().await?.position, last);
    world.assert_true(&[healthy]).await?;
    let (count, parked) = world.model.parked(10).await?;
    assert_eq!(count, 2);
    assert_eq!(parked[0].position, appended.position);
    assert!(
        parked[0].reason.contains("versions 1 to 2 are known"),
        "{parked:?}"
    );
    assert!(parked[1].reason.contains("an earlier event"), "{parked:?}");
    assert_eq!(today.snapshot().parked, 2);
    let (queries, meter) = service(&world)?;
    let answer = queries.order(order_id, Some(last)).await?;
    let found = answer.value.context("it was there before")?;
    assert_eq!((found.row.version, found.is_held), (1, true));
    assert_eq!(meter.measure().await?.parked, 2);
    let refused = today.unpark(order_id).await;
    assert!(
        matches!(refused, Err(ProjectionError::Poison { .. })),
        "{refused:?}"
    );
    assert_eq!(world.model.parked(10).await?.0, 2, "still there");
    assert!(!today.unpark(healthy).await?);

    // A rebuild by the same program parks the same.
    today.rebuild().await?;
    assert_eq!(world.model.parked(10).await?.1.len(), 2);

    // A program comes that can read it.
    let newer: Arc<dyn EventStore> = Arc::new(Newer {
        store: Arc::clone(&world.store),
        position: appended.position,
        event: OrderEvent::PaymentRequested { payment_id, amount },
    });
    let tomorrow = projection(&newer, &world.model);
    assert!(tomorrow.unpark(order_id).await?);
    assert_eq!(world.model.parked(10).await?.0, 0);
    let answer = queries.order(order_id, Some(last)).await?;
    let found = answer.value.context("it was there before")?;
    assert_eq!((found.row.version, found.is_held), (3, false));
    assert_eq!(found.row.body["status"], "paid");
    world.assert_true(&[healthy]).await
}
