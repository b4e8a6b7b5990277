//! How the fulfilment learns what was asked for: from the bus at once, from the store for certain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use crate::bus::{BusError, EventBus};
use crate::store::StoredEvent;

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

/// Sweeps the store until nobody wants to know: what is unfinished when it begins, and then what has become so. Nothing else is read.
pub(super) async fn sweep(shared: Arc<Shared>, asked: mpsc::Sender<Asked>) {
    // What is before this is on the agenda, or was finished.
    let mut position = 0;
    while !asked.is_closed() {
        match shared.store.unfinished(position, BATCH).await {
            Ok(events) => {
                let is_last = events.len() < BATCH as usize;
                for event in events {
                    position = event.position;
                    let at = due(&event, shared.options.grace);
                    if asked.send((Arc::new(event), at)).await.is_err() {
                        return;
                    }
                }
                if !is_last {
                    continue;
                }
                // Relaxed: a number on its own.
                shared.counts.sweeps.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, "the fulfilment's sweep is put off"),
        }
        tokio::time::sleep(shared.options.sweep_every).await;
    }
}
