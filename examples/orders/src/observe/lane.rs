//! The event-sourcing lane: how far the store is, and how far behind it relay, bus and projection are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuseboard::telemetry::{LaneMetric, LaneValue, Registry};
use http::StatusCode;

use crate::bus::GroupLag;
use crate::store::Heads;

static HEAD: LaneMetric = LaneMetric::gauge(
    "orders.eventstore.head.position",
    "{event}",
    "The last position given out",
)
.label("head");
static SAFE: LaneMetric = LaneMetric::gauge(
    "orders.eventstore.safe.position",
    "{event}",
    "The last position up to which nothing new can appear",
)
.label("safe");
static OLDEST_TRANSACTION: LaneMetric = LaneMetric::gauge(
    "orders.eventstore.oldest_tx.age",
    "s",
    "How long the oldest transaction that writes has been under way",
);
static STORE_SILENCE: LaneMetric = LaneMetric::gauge(
    "orders.eventstore.silence",
    "s",
    "Time since the event store last answered",
);
static PUBLISHED: LaneMetric = LaneMetric::gauge(
    "orders.outbox.position",
    "{event}",
    "The last position that the relay published",
)
.label("published");
static OUTBOX_LAG: LaneMetric = LaneMetric::gauge(
    "orders.outbox.lag.events",
    "{event}",
    "Positions that are given out and not published",
)
.label("outbox behind");
static OUTBOX_AGE: LaneMetric = LaneMetric::gauge(
    "orders.outbox.oldest.age",
    "s",
    "How long the relay has been behind without a pause",
);
static PENDING: LaneMetric = LaneMetric::gauge(
    "orders.bus.pending",
    "{event}",
    "Events handed to a consumer and not acknowledged",
)
.label("pending");
static PENDING_AGE: LaneMetric = LaneMetric::gauge(
    "orders.bus.oldest_pending.age",
    "s",
    "The age of the oldest of them",
);
static PARKED: LaneMetric = LaneMetric::gauge(
    "orders.bus.parked",
    "{event}",
    "Events put aside because nobody could handle them",
)
.label("parked");
static POSITION: LaneMetric = LaneMetric::gauge(
    "orders.projection.position",
    "{event}",
    "The position up to which the read model is made",
)
.label("read model");
static LAG: LaneMetric = LaneMetric::gauge(
    "orders.projection.lag.events",
    "{event}",
    "Positions that are given out and not in the read model",
)
.label("read model behind");
static LAG_TIME: LaneMetric = LaneMetric::gauge(
    "orders.projection.lag.time",
    "s",
    "How long the read model has been behind without a pause",
)
.label("read model late");
static REQUESTS: LaneMetric = LaneMetric::counter(
    "orders.http.requests",
    "{request}",
    "Requests answered, by the class of the status",
);
static REQUEST_TIME: LaneMetric =
    LaneMetric::counter("orders.http.request.time", "s", "Time spent on them");

/// Every metric of the lane.
pub static METRICS: [&LaneMetric; 15] = [
    &HEAD,
    &SAFE,
    &OLDEST_TRANSACTION,
    &STORE_SILENCE,
    &PUBLISHED,
    &OUTBOX_LAG,
    &OUTBOX_AGE,
    &PENDING,
    &PENDING_AGE,
    &PARKED,
    &POSITION,
    &LAG,
    &LAG_TIME,
    &REQUESTS,
    &REQUEST_TIME,
];

/// What was last seen of all that, and counts of requests.
#[derive(Debug, Default)]
pub struct Lane {
    seen: Mutex<Seen>,
    answers: [AtomicU64; CLASSES.len()],
    nanoseconds: AtomicU64,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug, Default)]
struct Seen {
    heads: Option<(Heads, Instant)>,
    published: Option<Follower>,
    projection: Option<Follower>,
    groups: Vec<(&'static str, GroupLag)>,
}

/// How far somebody is who follows the head.
#[derive(Debug, Clone, Copy)]
struct Follower {
    position: u64,
    /// Since when it has not been at the head.
    behind_since: Option<Instant>,
    /// The head that it must reach to have caught up with what there was then.
    mark: u64,
}

impl Follower {
    /// Lag is judged against the head, not against what is final: a horizon that stands still must not look like a reader that is on time.
    fn moved(before: Option<Self>, position: u64, head: u64, now: Instant) -> Self {
        let late = position < head;
        let kept = before.filter(|before| late && position < before.mark);
        Self {
            position,
            behind_since: late.then(|| kept.and_then(|kept| kept.behind_since).unwrap_or(now)),
            mark: kept.map_or(head, |kept| kept.mark),
        }
    }

    fn late(&self, now: Instant) -> Duration {
        self.behind_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Lane {
    /// Shows and exports it.
    pub fn attach(self: &std::sync::Arc<Self>, registry: &Registry) {
        let own = std::sync::Arc::clone(self);
        registry.add_lane("Event sourcing", &METRICS, move || {
            own.values(Instant::now())
        });
    }

    /// The store answered.
    pub fn store(&self, heads: Heads) {
        self.change(|seen| seen.heads = Some((heads, Instant::now())));
    }

    /// The relay is at `position`.
    pub fn relay(&self, position: u64) {
        self.change(|seen| {
            let head = seen.heads.map_or(position, |(heads, _)| heads.head);
            seen.published = Some(Follower::moved(
                seen.published,
                position,
                head,
                Instant::now(),
            ));
        });
    }

    /// The read model is at `position`.
    pub fn projection(&self, position: u64) {
        self.change(|seen| {
            let head = seen.heads.map_or(position, |(heads, _)| heads.head);
            seen.projection = Some(Follower::moved(
                seen.projection,
                position,
                head,
                Instant::now(),
            ));
        });
    }

    /// How a consumer group stands.
    pub fn group(&self, name: &'static str, lag: GroupLag) {
        self.change(|seen| {
            seen.groups.retain(|(other, _)| *other != name);
            seen.groups.push((name, lag));
        });
    }

    /// A request was answered.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        // Relaxed: counts that order nothing.
        self.answers[class].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn values(&self, now: Instant) -> Vec<LaneValue> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = Vec::new();
        let head = seen.heads.map(|(heads, _)| heads.head);
        if let Some((heads, at)) = seen.heads {
            values.push(HEAD.value(heads.head as f64));
            values.push(SAFE.value(heads.safe as f64));
            values.push(OLDEST_TRANSACTION.value(heads.oldest_transaction.as_secs_f64()));
            values.push(STORE_SILENCE.value(now.saturating_duration_since(at).as_secs_f64()));
        }
        let behind = |follower: &Follower| {
            head.unwrap_or(follower.position)
                .saturating_sub(follower.position) as f64
        };
        if let Some(relay) = &seen.published {
            values.push(PUBLISHED.value(relay.position as f64));
            values.push(OUTBOX_LAG.value(behind(relay)));
            values.push(OUTBOX_AGE.value(relay.late(now).as_secs_f64()));
        }
        for (group, lag) in &seen.groups {
            let of = |value: LaneValue| value.attribute("consumer_group", *group);
            values.push(of(PENDING.value(lag.pending as f64)));
            values.push(of(PENDING_AGE.value(lag.oldest_pending.as_secs_f64())));
            values.push(of(PARKED.value(lag.parked as f64)));
        }
        if let Some(projection) = &seen.projection {
            let of = |value: LaneValue| value.attribute("projection", "orders");
            values.push(of(POSITION.value(projection.position as f64)));
            values.push(of(LAG.value(behind(projection))));
            values.push(of(LAG_TIME.value(projection.late(now).as_secs_f64())));
        }
        drop(seen);
        for (class, count) in CLASSES.iter().zip(&self.answers) {
            let count = count.load(Ordering::Relaxed);
            values.push(REQUESTS.value(count as f64).attribute("status", *class));
        }
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        values.push(REQUEST_TIME.value(Duration::from_nanos(nanoseconds).as_secs_f64()));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(lane: &Lane, metric: &LaneMetric, now: Instant) -> f64 {
        let values = lane.values(now);
        let found = values
            .iter()
            .find(|value| value.metric().name() == metric.name());
        found.expect("a number").number()
    }

    #[test]
    fn lag_is_judged_against_the_head_and_not_against_what_is_final() {
        let lane = Lane::default();
        lane.store(Heads {
            head: 50,
            safe: 20,
            oldest_transaction: Duration::ZERO,
        });
        lane.relay(20);
        lane.projection(20);
        let now = Instant::now();
        for metric in [&LAG, &OUTBOX_LAG] {
            assert!((number(&lane, metric, now) - 30.0).abs() < 1e-9);
        }
    }

    #[test]
    fn lateness_grows_while_it_stands_and_ends_when_it_has_caught_up_with_what_there_was() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let behind = Follower::moved(None, 10, 20, begun);
        let standing = Follower::moved(Some(behind), 10, 25, after(5));
        assert_eq!(standing.late(after(5)), Duration::from_secs(5));
        // It reached the head of then, but there is more: late from now on.
        let moving = Follower::moved(Some(standing), 20, 30, after(6));
        assert_eq!(moving.late(after(7)), Duration::from_secs(1));
        let there = Follower::moved(Some(moving), 30, 30, after(8));
        assert_eq!(there.late(after(9)), Duration::ZERO);
    }

    #[test]
    fn answers_are_counted_by_the_class_of_their_status() {
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
        let time = values
            .iter()
            .find(|value| value.metric().name() == REQUEST_TIME.name());
        assert!((time.expect("a time").number() - 1.0).abs() < 1e-9);
    }
}
