//! An order of 1,000 events read: from all of them, and from a snapshot and the rest.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use super::report::{Row, millis, percentiles};
use super::{Measured, Store, create, new_event};
use crate::command::{CommandService, SNAPSHOT_EVERY, SNAPSHOT_SCHEMA};
use crate::order::{OrderEvent, decide, fold};
use crate::store::Snapshot;

const EVENTS: usize = 1_000;

/// The time of one load, both ways.
pub async fn measure<S: Store>(measured: &Measured<S>, length: Duration) -> Result<Vec<Row>> {
    let store = &measured.store;
    let order_id = Uuid::now_v7();
    let events = refused_often(order_id)?;
    let new: Vec<_> = events.iter().map(new_event).collect();
    store.append(order_id, 0, &new, None).await?;
    let with = CommandService::with_snapshots(store.clone(), store.clone());
    let without = CommandService::new(store.clone());
    // As many events after it as there can be.
    let version = EVENTS - SNAPSHOT_EVERY as usize + 1;
    let state = fold(None, &events[..version])?;
    let snapshot = Snapshot {
        stream: order_id,
        version: version as u64,
        schema: SNAPSHOT_SCHEMA.to_owned(),
        state: serde_json::to_value(state)?,
    };
    store.save(&snapshot).await?;
    let order = without.load(order_id).await?.context("no such order")?;
    ensure!(order.version == EVENTS as u64, "{} events", order.version);
    ensure!(with.load(order_id).await? == Some(order), "not the same");
    let mut rows = Vec::new();
    let rest = format!("from a snapshot and the {} after it", EVENTS - version);
    for (service, how, target) in [
        (&without, "from all of them", "50 ms"),
        (&with, &*rest, "5 ms"),
    ] {
        let mut times = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < length / 2 {
            let one = Instant::now();
            service.load(order_id).await?;
            times.push(one.elapsed());
        }
        let (middle, slow) = percentiles(&mut times);
        let what = format!("{}, an order of {EVENTS} events {how}", measured.name);
        let value = format!("{} (p99 {})", millis(middle), millis(slow));
        rows.push(Row::text("load", &what, &value).target(target));
    }
    Ok(rows)
}

/// A card that is refused again and again.
fn refused_often(order_id: Uuid) -> Result<Vec<OrderEvent>> {
    let mut events = decide(None, &create(order_id))?;
    let order = fold(None, &events)?.context("no order")?;
    while events.len() < EVENTS {
        let payment_id = Uuid::now_v7();
        events.push(OrderEvent::PaymentRequested {
            payment_id,
            amount: order.total,
        });
        events.push(OrderEvent::PaymentFailed {
            payment_id,
            reason: "no money".to_owned(),
        });
    }
    events.truncate(EVENTS);
    Ok(events)
}
