//! How the fulfilment learns what was asked for: from the bus at once, from the store for certain.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use super::Shared;
use crate::bus::{BusError, EventBus};
use crate::store::{StoreError, StoredEvent};

/// An event that asks for something, and when to look whether it was had.
pub(super) type Asked = (Arc<StoredEvent>, Instant);

/// How long a consumer waits for news.
const WAIT: Duration = Duration::from_secs(5);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Events read or taken at once.
const BATCH: u32 = 500;

/// What is asked of a provider, and may be left without an end.
fn asks(event: &StoredEvent) -> bool {
    matches!(
        event.kind.as_str(),
        "PaymentRequested" | "ShipmentRequested" | "RefundRequested"
    )
}

/// When the time is over that the one who asked has.
fn due(event: &StoredEvent, grace: Duration) -> Instant {
    let age = OffsetDateTime::now_utc() - event.recorded_at;
    // A clock that is ahead: it has just been recorded.
    let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
    Instant::now() + grace.saturating_sub(age)
}

/// Follows the bus until nobody wants to know.
pub(super) async fn follow(
    shared: Arc<Shared>,
    bus: Arc<dyn EventBus>,
    asked: mpsc::Sender<Asked>,
) {
    while !asked.is_closed() {
        if let Err(error) = follow_once(&shared, &*bus, &asked).await {
            tracing::warn!(%error, "the fulfilment does not hear the bus; the sweep goes on");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn follow_once(
    shared: &Shared,
    bus: &dyn EventBus,
    asked: &mpsc::Sender<Asked>,
) -> Result<(), BusError> {
    let options = &shared.options;
    let mut group = bus.subscribe(&options.group, &options.consumer).await?;
    loop {
        let deliveries = group.next(BATCH as usize, WAIT).await?;
        let positions: Vec<u64> = deliveries
            .iter()
            .map(|delivery| delivery.event.position)
            .collect();
        for delivery in deliveries
            .into_iter()
            .filter(|delivery| asks(&delivery.event))
        {
            let at = due(&delivery.event, options.grace);
            if asked.send((Arc::new(delivery.event), at)).await.is_err() {
                return Ok(());
            }
        }
        // Done with, although it is only planned: should this process die, the sweep of another one finds it.
        group.acknowledge(&positions).await?;
    }
}

/// What the sweep knows: which orders' last event asks for something.
#[derive(Default)]
struct Open {
    /// Everything up to here has been read.
    position: u64,
    orders: HashMap<Uuid, Arc<StoredEvent>>,
}

/// Sweeps the store until nobody wants to know.
pub(super) async fn sweep(shared: Arc<Shared>, asked: mpsc::Sender<Asked>) {
    let mut open = Open::default();
    while !asked.is_closed() {
        if let Err(error) = open.read(&shared).await {
            tracing::warn!(%error, "the fulfilment's sweep is put off");
        } else {
            // Relaxed: a number on its own.
            shared.counts.sweeps.fetch_add(1, Ordering::Relaxed);
        }
        for event in open.orders.values() {
            // The agenda knows those that it has.
            let at = due(event, shared.options.grace);
            if asked.send((Arc::clone(event), at)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(shared.options.sweep_every).await;
    }
}

impl Open {
    /// Reads what is new.
    async fn read(&mut self, shared: &Shared) -> Result<(), StoreError> {
        loop {
            let events = shared.store.read_all(self.position, BATCH).await?;
            let is_last = events.len() < BATCH as usize;
            for event in events {
                self.position = event.position;
                if asks(&event) {
                    self.orders.insert(event.stream, Arc::new(event));
                } else {
                    self.orders.remove(&event.stream);
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
