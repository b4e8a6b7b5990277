//! What events make of rows. Pure: rows and events in, rows out.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{OrderRow, ParkedEvent};
use crate::order::{Order, decode, evolve};
use crate::store::StoredEvent;

/// What came of events.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// The orders that changed, as they are now.
    pub(super) rows: Vec<OrderRow>,
    /// The events put aside.
    pub(super) parked: Vec<ParkedEvent>,
    /// Everything up to here was applied, known already or put aside.
    pub(super) position: u64,
    /// How many changed something.
    pub(super) events: u64,
    /// How many were known already.
    pub(super) duplicates: u64,
    /// Where it stopped, and why.
    pub(super) poison: Option<Poison>,
}

/// An event that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Poison {
    pub(super) position: u64,
    pub(super) reason: String,
}

/// Applies events in order of position to rows. It stops at the first that cannot be applied, unless that is the one
/// that was given up: it is put aside.
/// What follows in an order of which an event was put aside is put aside too: it may rest on what is missing.
pub(super) fn apply(
    known: Vec<OrderRow>,
    held: &[ParkedEvent],
    events: &[StoredEvent],
    given_up: Option<u64>,
) -> Applied {
    let mut rows: BTreeMap<Uuid, OrderRow> =
        known.into_iter().map(|row| (row.order_id, row)).collect();
    let mut held: BTreeSet<Uuid> = held.iter().map(|parked| parked.order_id).collect();
    let mut changed = BTreeSet::new();
    let mut applied = Applied::default();
    for event in events {
        let row = rows.get(&event.stream);
        let version = row.map_or(0, |row| row.version);
        if event.version <= version {
            applied.duplicates += 1;
        } else if held.contains(&event.stream) {
            let reason = "an earlier event of this order is parked".to_owned();
            applied.parked.push(parked(event, reason));
        } else {
            match next(row, event) {
                Ok(row) => {
                    rows.insert(event.stream, row);
                    changed.insert(event.stream);
                    applied.events += 1;
                }
                Err(reason) if given_up == Some(event.position) => {
                    held.insert(event.stream);
                    applied.parked.push(parked(event, reason));
                }
                Err(reason) => {
                    let position = event.position;
                    applied.poison = Some(Poison { position, reason });
                    break;
                }
            }
        }
        applied.position = event.position;
    }
    rows.retain(|order_id, _| changed.contains(order_id));
    applied.rows = rows.into_values().collect();
    applied
}

/// The row after one more event.
fn next(row: Option<&OrderRow>, event: &StoredEvent) -> Result<OrderRow, String> {
    let order: Option<Order> = row
        .map(|row| serde_json::from_value(row.body.clone()))
        .transpose()
        .map_err(|error| format!("the order's row cannot be read: {error}"))?;
    let version = order.as_ref().map_or(0, |order| order.version);
    if event.version != version + 1 {
        let found = event.version;
        return Err(format!("version {found} cannot follow version {version}"));
    }
    let fact = decode(&event.kind, event.schema_version, &event.payload)
        .map_err(|error| error.to_string())?;
    let order = evolve(order, &fact).map_err(|error| error.to_string())?;
    if order.order_id != event.stream {
        return Err(format!("it is an event of the order {}", order.order_id));
    }
    Ok(OrderRow {
        order_id: order.order_id,
        user_id: order.user_id,
        version: order.version,
        body: serde_json::to_value(&order).map_err(|error| error.to_string())?,
        created_position: row.map_or(event.position, |row| row.created_position),
        created_at: row.map_or(event.recorded_at, |row| row.created_at),
        last_position: event.position,
        updated_at: event.recorded_at,
    })
}

fn parked(event: &StoredEvent, reason: String) -> ParkedEvent {
    ParkedEvent {
        position: event.position,
        order_id: event.stream,
        version: event.version,
        kind: event.kind.clone(),
        reason,
        parked_at: OffsetDateTime::now_utc(),
    }
}
