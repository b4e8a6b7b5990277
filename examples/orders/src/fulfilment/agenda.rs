//! When each order's turn is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use uuid::Uuid;

use super::FulfilmentOptions;
use crate::store::StoredEvent;

/// Orders that are to be taken up, each once.
pub(super) struct Agenda {
    first_pause: Duration,
    longest_pause: Duration,
    turns: BTreeSet<(Instant, Uuid)>,
    orders: HashMap<Uuid, Planned>,
}

struct Planned {
    event: Arc<StoredEvent>,
    /// None while it is being worked on.
    at: Option<Instant>,
    /// How often it was put off.
    attempts: u32,
}

impl Agenda {
    pub(super) fn new(options: &FulfilmentOptions) -> Self {
        Self {
            first_pause: options.first_pause,
            longest_pause: options.longest_pause,
            turns: BTreeSet::new(),
            orders: HashMap::new(),
        }
    }

    /// Plans an order that something was asked for by `event`. One that is planned or worked on already stays as it is, unless
    /// something else is asked for now.
    pub(super) fn plan(&mut self, event: Arc<StoredEvent>, at: Instant) {
        let stream = event.stream;
        if let Some(planned) = self.orders.get_mut(&stream) {
            if planned.event.version >= event.version {
                return;
            }
            planned.event = event;
            planned.attempts = 0;
            if let Some(earlier) = planned.at.replace(at) {
                self.turns.remove(&(earlier, stream));
            }
        } else {
            let planned = Planned {
                event,
                at: Some(at),
                attempts: 0,
            };
            self.orders.insert(stream, planned);
        }
        self.turns.insert((at, stream));
    }

    /// The next one whose turn has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Arc<StoredEvent>> {
        let &(at, stream) = self.turns.first().filter(|(at, _)| *at <= now)?;
        self.turns.remove(&(at, stream));
        let planned = self.orders.get_mut(&stream)?;
        planned.at = None;
        Some(Arc::clone(&planned.event))
    }

    /// Nothing is to be done for it, unless it was planned again meanwhile.
    pub(super) fn finished(&mut self, stream: Uuid) {
        if self
            .orders
            .get(&stream)
            .is_some_and(|planned| planned.at.is_none())
        {
            self.orders.remove(&stream);
        }
    }

    /// Its turn comes again: not before `least`, and the later the more often this has happened.
    pub(super) fn put_off(&mut self, stream: Uuid, least: Duration) {
        let Some(planned) = self.orders.get_mut(&stream) else {
            return;
        };
        if planned.at.is_some() {
            // Something else is asked for already.
            return;
        }
        let doubled = self
            .first_pause
            .saturating_mul(1 << planned.attempts.min(20));
        planned.attempts = planned.attempts.saturating_add(1);
        let pause = doubled.max(least).min(self.longest_pause);
        // Up to half as long again, so that those who failed together do not come back together.
        let at = Instant::now() + pause.mul_f64(rand::rng().random_range(1.0..1.5));
        planned.at = Some(at);
        self.turns.insert((at, stream));
    }

    /// When the next turn is.
    pub(super) fn next(&self) -> Option<Instant> {
        self.turns.first().map(|(at, _)| *at)
    }

    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    /// How many were put off so often.
    pub(super) fn stuck(&self, attempts: u32) -> usize {
        let orders = self.orders.values();
        orders
            .filter(|planned| planned.attempts >= attempts)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use time::OffsetDateTime;

    use super::*;
    use crate::store::Metadata;

    fn event(stream: Uuid, version: u64) -> Arc<StoredEvent> {
        Arc::new(StoredEvent {
            position: version,
            stream,
            version,
            event_id: Uuid::new_v4(),
            kind: "PaymentRequested".to_owned(),
            schema_version: 2,
            payload: Value::Null,
            metadata: Metadata {
                correlation_id: Uuid::nil(),
                causation_id: Uuid::nil(),
                actor: "test".to_owned(),
                traceparent: None,
            },
            recorded_at: OffsetDateTime::UNIX_EPOCH,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_stands_there_once_and_rests_longer_each_time() {
        let mut agenda = Agenda::new(&FulfilmentOptions::default());
        let (order, now) = (Uuid::new_v4(), Instant::now());
        agenda.plan(event(order, 2), now);
        agenda.plan(event(order, 2), now);
        assert_eq!(agenda.len(), 1);
        let mut last = Duration::ZERO;
        for attempt in 0..12 {
            let event = agenda.take_due(Instant::now()).expect("its turn");
            // Told of once more, it is not worked on twice, nor sooner.
            agenda.plan(self::event(order, 2), Instant::now());
            assert!(agenda.take_due(Instant::now()).is_none());
            assert_eq!(agenda.stuck(10), usize::from(attempt > 9));
            agenda.put_off(event.stream, Duration::ZERO);
            agenda.plan(self::event(order, 2), Instant::now());
            let pause = agenda.next().unwrap() - Instant::now();
            let usual = Duration::from_secs(1 << attempt).min(Duration::from_secs(60));
            assert!(
                (usual..usual * 3 / 2).contains(&pause),
                "{attempt}: {pause:?}"
            );
            assert!(pause >= last || attempt > 5, "{pause:?} after {last:?}");
            last = usual;
            tokio::time::advance(pause).await;
        }
        let taken = agenda.take_due(Instant::now()).expect("its turn");
        agenda.finished(taken.stream);
        assert_eq!((agenda.len(), agenda.next()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_while_it_is_worked_on_is_not_lost() {
        let mut agenda = Agenda::new(&FulfilmentOptions::default());
        let (order, now) = (Uuid::new_v4(), Instant::now());
        agenda.plan(event(order, 2), now);
        let first = agenda.take_due(now).expect("its turn");
        agenda.plan(event(order, 5), now);
        agenda.finished(first.stream);
        assert_eq!(agenda.take_due(now).expect("the next").version, 5);
        // An older one comes late.
        agenda.plan(event(order, 2), now);
        assert!(agenda.take_due(now).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_names_a_time_is_left_alone_for_it() {
        let mut agenda = Agenda::new(&FulfilmentOptions::default());
        agenda.plan(event(Uuid::new_v4(), 2), Instant::now());
        let event = agenda.take_due(Instant::now()).expect("its turn");
        agenda.put_off(event.stream, Duration::from_secs(30));
        assert!(agenda.next().unwrap() - Instant::now() >= Duration::from_secs(30));
    }
}
