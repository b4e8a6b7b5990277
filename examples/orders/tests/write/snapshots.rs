//! Snapshots are a shortcut and nothing else: whatever becomes of them, an order is what its events say.

use std::sync::Arc;

use orders::command::{CommandService, SNAPSHOT_EVERY};
use orders::order::{Order, OrderCommand};
use orders::store::{Snapshot, StoreError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Stand, Store, context, create, on_both};

on_both!(
    a_snapshot_never_goes_back,
    a_long_order_is_the_same_with_and_without_snapshots,
    what_cannot_be_used_is_forgotten,
);

async fn a_snapshot_never_goes_back<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let stream = Uuid::now_v7();
    let mut versions: Vec<u64> = (1..=30).collect();
    versions.shuffle(&mut StdRng::seed_from_u64(7));
    let savers: Vec<_> = versions
        .into_iter()
        .map(|version| {
            let store = Arc::clone(store);
            let state = json!({ "version": version });
            tokio::spawn(async move { store.save(&snapshot(stream, version, state)).await })
        })
        .collect();
    for saver in savers {
        saver.await.unwrap().unwrap();
    }
    let newest = snapshot(stream, 30, json!({ "version": 30 }));
    assert_eq!(store.find(stream).await.unwrap(), Some(newest.clone()));
    // As new is not newer.
    let as_new = snapshot(stream, 30, json!("another"));
    store.save(&as_new).await.unwrap();
    assert_eq!(store.find(stream).await.unwrap(), Some(newest));
    store.forget(stream).await.unwrap();
    store.forget(stream).await.unwrap();
    assert_eq!(store.find(stream).await.unwrap(), None);
}

fn snapshot(stream: Uuid, version: u64, state: Value) -> Snapshot {
    Snapshot {
        stream,
        version,
        schema: "order/1".to_owned(),
        state,
    }
}

/// An order that was refused so often that it has `version` events.
async fn refused_often(service: &CommandService, order_id: Uuid, version: u64) {
    let order = service.load(order_id).await.unwrap();
    let mut at = order.map_or(0, |order| order.version);
    while at < version {
        let payment_id = Uuid::from_u128(u128::from(at / 2));
        let command = match at {
            0 => create(order_id, Uuid::from_u128(9)),
            _ if at % 2 == 1 => OrderCommand::PayOrder {
                payment_id: Uuid::from_u128(u128::from(at.div_ceil(2))),
            },
            _ => OrderCommand::FailPayment {
                payment_id,
                reason: "no".to_owned(),
            },
        };
        let executed = service
            .execute(order_id, &command, &context(), None)
            .await
            .unwrap();
        at = executed.order.version;
    }
}

async fn a_long_order_is_the_same_with_and_without_snapshots<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let with = CommandService::with_snapshots(store.clone(), store.clone());
    let without = CommandService::new(store.clone());
    let order_id = Uuid::now_v7();
    let mut saved = Vec::new();
    for version in [99, 100, 101, 199, 200, 201, 305] {
        refused_often(&with, order_id, version).await;
        with.settle().await;
        let order = without.load(order_id).await.unwrap().unwrap();
        assert_eq!(order.version, version);
        assert_eq!(with.load(order_id).await.unwrap().as_ref(), Some(&order));
        let found = store.find(order_id).await.unwrap();
        saved.push(found.map_or(0, |snapshot| snapshot.version));
        if let Some(snapshot) = store.find(order_id).await.unwrap() {
            assert_eq!(snapshot.version % SNAPSHOT_EVERY, 0);
        }
    }
    assert_eq!(saved, [0, 100, 100, 100, 200, 200, 300]);
    assert_eq!(with.snapshot().snapshots, 3);
    // A snapshot of any prefix gives the same order.
    let order = without.load(order_id).await.unwrap().unwrap();
    let all = store.load(order_id, 0, u32::MAX).await.unwrap();
    let mut prefix: Option<Order> = None;
    for stored in &all {
        let event =
            orders::order::decode(&stored.kind, stored.schema_version, &stored.payload).unwrap();
        let at = orders::order::evolve(prefix, &event).unwrap();
        if at.version.is_multiple_of(37) {
            let state = serde_json::to_value(&at).unwrap();
            store.forget(order_id).await.unwrap();
            store
                .save(&snapshot(order_id, at.version, state))
                .await
                .unwrap();
            assert_eq!(with.load(order_id).await.unwrap().as_ref(), Some(&order));
        }
        prefix = Some(at);
    }
    assert_eq!(with.snapshot().snapshots_forgotten, 0);
    // Lost, it is made again by whoever reads the order.
    store.forget(order_id).await.unwrap();
    assert_eq!(with.load(order_id).await.unwrap().as_ref(), Some(&order));
    with.settle().await;
    let again = store.find(order_id).await.unwrap().unwrap();
    assert_eq!(again.version, order.version);
}

async fn what_cannot_be_used_is_forgotten<S: Store>(stand: Stand<S>) {
    let store = &stand.store;
    let service = CommandService::with_snapshots(store.clone(), store.clone());
    let order_id = Uuid::now_v7();
    refused_often(&service, order_id, 121).await;
    service.settle().await;
    let order = service.load(order_id).await.unwrap().unwrap();
    let good = store.find(order_id).await.unwrap().unwrap();
    let changed = |change: &dyn Fn(&mut Snapshot)| {
        let mut snapshot = good.clone();
        change(&mut snapshot);
        snapshot
    };
    let unusable = [
        changed(&|snapshot| "order/0".clone_into(&mut snapshot.schema)),
        changed(&|snapshot| snapshot.state = json!("nonsense")),
        changed(&|snapshot| snapshot.state["status"] = json!("praised")),
        changed(&|snapshot| snapshot.state["version"] = json!(99)),
        changed(&|snapshot| snapshot.state["order_id"] = json!(Uuid::nil())),
        changed(&|snapshot| snapshot.version = 101),
    ];
    for (round, snapshot) in (1..).zip(unusable) {
        store.forget(order_id).await.unwrap();
        store.save(&snapshot).await.unwrap();
        let loaded = service.load(order_id).await.unwrap();
        assert_eq!(loaded.as_ref(), Some(&order), "{snapshot:?}");
        assert_eq!(service.snapshot().snapshots_forgotten, round);
        service.settle().await;
        let now = store.find(order_id).await.unwrap().unwrap();
        assert_eq!(now.version, order.version, "a good one instead");
    }
    // One that is ahead of its events, as after a backup was restored: commands see the conflict and read the events.
    let mut ahead = order.clone();
    ahead.version = 500;
    store.forget(order_id).await.unwrap();
    let state = serde_json::to_value(&ahead).unwrap();
    store.save(&snapshot(order_id, 500, state)).await.unwrap();
    let cancel = OrderCommand::CancelOrder {
        reason: "enough".to_owned(),
        refund_id: Uuid::now_v7(),
    };
    let outcome = service.execute(order_id, &cancel, &context(), None).await;
    match outcome {
        Ok(executed) => assert_eq!(executed.order.version, 122),
        Err(orders::command::CommandError::Store(StoreError::Conflict { .. })) => {
            panic!("the snapshot was trusted again")
        }
        Err(error) => panic!("{error}"),
    }
}

/// The name of the shape goes with the shape: whoever changes one changes the other, or yesterday's snapshots are read as today's.
#[test]
fn todays_shape_is_the_one_that_its_name_stands_for() {
    let golden: Value = serde_json::from_str(include_str!("golden/snapshot-order-1.json")).unwrap();
    let order: Order = serde_json::from_value(golden.clone()).unwrap();
    assert_eq!(serde_json::to_value(order).unwrap(), golden);
}
