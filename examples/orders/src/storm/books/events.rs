//! What the event store says: every order, made anew from its events.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Line;
use crate::order::{Order, OrderStatus, decode, evolve};
use crate::store::{EventStore, StoredEvent};

/// Events read at once.
const PAGE: u32 = 1_000;

/// One order, as far as its events lead.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) order: Option<Order>,
    pub(super) version: u64,
    pub(super) first_position: u64,
    pub(super) last_position: u64,
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) orders: BTreeMap<Uuid, Told>,
    pub(super) positions: Vec<u64>,
    ids: BTreeSet<Uuid>,
    wrong: Vec<String>,
}

pub(super) async fn read(store: &dyn EventStore) -> anyhow::Result<Events> {
    let mut events = Events::default();
    let mut after = 0;
    loop {
        let page = store.read_all(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.position;
        for event in &page {
            events.take(event);
        }
    }
    // What is not final would be missing here, and nobody writes any more.
    let heads = store.heads().await?;
    if heads.safe < heads.head {
        let (safe, head) = (heads.safe, heads.head);
        events.wrong.push(format!(
            "positions {safe} to {head} are not final although nobody writes"
        ));
    }
    Ok(events)
}

impl Events {
    fn take(&mut self, event: &StoredEvent) {
        let (stream, position) = (event.stream, event.position);
        if self.positions.last().is_some_and(|last| *last >= position) {
            self.wrong
                .push(format!("position {position} comes twice or out of order"));
        }
        self.positions.push(position);
        if !self.ids.insert(event.event_id) {
            let id = event.event_id;
            self.wrong.push(format!("event {id} stands there twice"));
        }
        let told = self.orders.entry(stream).or_default();
        if event.version != told.version + 1 {
            let (found, wanted) = (event.version, told.version + 1);
            self.wrong.push(format!(
                "order {stream}: version {found} follows where {wanted} should"
            ));
        }
        told.version = event.version;
        told.last_position = position;
        if told.first_position == 0 {
            told.first_position = position;
        }
        let evolved = decode(&event.kind, event.schema_version, &event.payload)
            .map_err(|error| error.to_string())
            .and_then(|decoded| {
                evolve(told.order.take(), &decoded).map_err(|error| error.to_string())
            });
        match evolved {
            Ok(order) => told.order = Some(order),
            Err(error) => self.wrong.push(format!("order {stream}: {error}")),
        }
    }

    pub(super) fn versions(&self) -> Line {
        Line {
            name: "events",
            found: format!(
                "{} of {} orders, versions without a gap, positions in order",
                self.positions.len(),
                self.orders.len()
            ),
            wrong: self.wrong.clone(),
        }
    }

    pub(super) fn ends(&self, accepted: Option<&BTreeMap<Uuid, String>>) -> Line {
        let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (id, told) in &self.orders {
            match told.order.as_ref().map(|order| order.status) {
                Some(status) if status.is_end() => *ends.entry(status.word()).or_default() += 1,
                Some(status) => {
                    wrong.push(format!("order {id} is {}, which is no end", status.word()));
                }
                None => wrong.push(format!("order {id} cannot be made from its events")),
            }
        }
        for (id, told) in accepted.into_iter().flatten() {
            let stored = self.orders.get(id).and_then(|order| order.order.as_ref());
            match stored.map(|order| order.status.word()) {
                None => wrong.push(format!("order {id} was accepted, and is not there")),
                Some(status) if status != told => {
                    wrong.push(format!(
                        "order {id} is {status}, and its client was told {told}"
                    ));
                }
                Some(_) => {}
            }
        }
        let count = accepted.map_or(self.orders.len(), BTreeMap::len);
        let ends: Vec<_> = [
            OrderStatus::Delivered,
            OrderStatus::Cancelled,
            OrderStatus::Refunded,
        ]
        .map(|end| format!("{} {}", ends.get(end.word()).unwrap_or(&0), end.word()))
        .into();
        Line {
            name: "orders",
            found: format!(
                "{count} accepted, {} stored: {}",
                self.orders.len(),
                ends.join(", ")
            ),
            wrong,
        }
    }
}
