//! The event-sourcing lane: how far the store is, how far behind it relay, bus and read model are, and what the services did.

mod metric;
mod reading;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuseboard::telemetry::{LaneValue, Registry};
use http::StatusCode;

use crate::bus::GroupLag;
use crate::store::Heads;
use metric::{
    HEAD, OLDEST_PENDING_AGE, OLDEST_TRANSACTION_AGE, PARKED, PENDING, REQUEST_TIME, REQUESTS,
    SAFE, SILENCE,
};

pub use metric::METRICS;
pub use reading::{
    commands, forgotten_results, fulfilment, gateway, payments, projection, queries, relay,
    shipments, store,
};

/// Everything of the lane; each part of the service adds what it knows.
#[derive(Default)]
pub struct Lane {
    parts: Mutex<Vec<Part>>,
    seen: Mutex<Seen>,
    answers: [AtomicU64; CLASSES.len()],
    nanoseconds: AtomicU64,
}

type Part = Box<dyn Fn() -> Vec<LaneValue> + Send + Sync>;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What must be asked for over a socket, as it was when it was asked for last.
#[derive(Debug, Default)]
struct Seen {
    heads: Option<(Heads, Instant)>,
    groups: Vec<(String, GroupLag)>,
}

impl Lane {
    /// Shows and exports it.
    pub fn attach(self: &Arc<Self>, registry: &Registry) {
        let own = Arc::clone(self);
        registry.add_lane("Event sourcing", METRICS, move || {
            own.values(Instant::now())
        });
    }

    /// Asks `part` for its numbers whenever somebody looks; it must not block.
    pub fn add(&self, part: impl Fn() -> Vec<LaneValue> + Send + Sync + 'static) {
        lock(&self.parts).push(Box::new(part));
    }

    /// The store answered.
    pub fn heads(&self, heads: Heads) {
        lock(&self.seen).heads = Some((heads, Instant::now()));
    }

    /// How a consumer group stands.
    pub fn group(&self, name: &str, lag: GroupLag) {
        let mut seen = lock(&self.seen);
        seen.groups.retain(|(other, _)| other != name);
        seen.groups.push((name.to_owned(), lag));
    }

    /// A request was answered.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        // Relaxed: counts that order nothing.
        self.answers[class].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn values(&self, now: Instant) -> Vec<LaneValue> {
        let mut values = Vec::new();
        let seen = lock(&self.seen);
        if let Some((heads, at)) = seen.heads {
            values.push(HEAD.value(heads.head as f64));
            values.push(SAFE.value(heads.safe as f64));
            values.push(OLDEST_TRANSACTION_AGE.value(heads.oldest_transaction.as_secs_f64()));
            values.push(SILENCE.value(now.saturating_duration_since(at).as_secs_f64()));
        }
        for (group, lag) in &seen.groups {
            let of = |value: LaneValue| value.attribute("consumer_group", group);
            values.push(of(PENDING.value(lag.pending as f64)));
            values.push(of(
                OLDEST_PENDING_AGE.value(lag.oldest_pending.as_secs_f64())
            ));
            values.push(of(PARKED.value(lag.parked as f64)));
        }
        drop(seen);
        for part in &*lock(&self.parts) {
            values.extend(part());
        }
        for (class, count) in CLASSES.iter().zip(&self.answers) {
            let count = count.load(Ordering::Relaxed);
            values.push(REQUESTS.value(count as f64).attribute("status", *class));
        }
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        values.push(REQUEST_TIME.value(Duration::from_nanos(nanoseconds).as_secs_f64()));
        values
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A poisoned lock is taken as it is: what it guards is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreNumbers;

    fn number(values: &[LaneValue], name: &str) -> f64 {
        let found = values.iter().find(|value| value.metric().name() == name);
        found.unwrap_or_else(|| panic!("{name}")).number()
    }

    #[test]
    fn o2_what_parts_say_stands_beside_what_was_asked_for() {
        let lane = Lane::default();
        lane.heads(Heads {
            head: 50,
            safe: 20,
            oldest_transaction: Duration::from_secs(3),
        });
        lane.add(|| {
            store(StoreNumbers {
                events: 7,
                ..StoreNumbers::default()
            })
        });
        let values = lane.values(Instant::now() + Duration::from_secs(9));
        let says = |name: &str, wanted: f64| {
            let found = number(&values, name);
            assert!((found - wanted).abs() < 0.5, "{name}: {found}");
        };
        says("orders.eventstore.head.position", 50.0);
        says("orders.eventstore.safe.position", 20.0);
        says("orders.eventstore.oldest_tx.age", 3.0);
        // A store that is away shows, whatever it said last.
        says("orders.eventstore.silence", 9.0);
        says("orders.eventstore.events", 7.0);
    }

    #[test]
    fn o2_answers_are_counted_by_the_class_of_their_status() {
        let lane = Lane::default();
        for status in [
            StatusCode::OK,
            StatusCode::CREATED,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
        ] {
            lane.answered(status, Duration::from_millis(250));
        }
        let values = lane.values(Instant::now());
        let counts: Vec<_> = values
            .iter()
            .filter(|value| value.metric().name() == REQUESTS.name())
            .map(LaneValue::number)
            .collect();
        assert_eq!(format!("{counts:?}"), "[0.0, 2.0, 0.0, 1.0, 1.0]");
        assert!((number(&values, REQUEST_TIME.name()) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn o2_a_group_that_is_asked_again_stands_once() {
        let lane = Lane::default();
        for pending in [5, 3] {
            let lag = GroupLag {
                pending,
                ..GroupLag::default()
            };
            lane.group("read-model", lag);
        }
        let values = lane.values(Instant::now());
        let pending = values
            .iter()
            .filter(|value| value.metric().name() == PENDING.name());
        assert_eq!(
            pending
                .map(LaneValue::number)
                .map(|count| count as u64)
                .collect::<Vec<_>>(),
            [3]
        );
    }
}
