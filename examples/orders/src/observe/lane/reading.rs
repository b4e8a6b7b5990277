//! From what each part of the service counts to the lane's numbers.

use fuseboard::telemetry::{LaneMetric, LaneValue};

use super::metric::{
    APPENDS, COMMANDS, CONFLICTS, EVENTS, FORGOTTEN, FULFILMENTS, HEARTBEAT_AGE, HELD, LAG,
    LAG_TIME, OUTBOX_AGE, OUTBOX_FAILURES, OUTBOX_HEARTBEAT_AGE, OUTBOX_LAG, OUTBOX_POSITION,
    PAYMENT_REQUESTS, PAYMENTS, POSITION, PROJECTED, PUBLISHED, QUERIES, REFUSALS, SHIPMENTS,
    SNAPSHOTS, STUCK, UNAVAILABLE, UNFINISHED,
};
use crate::bus::RelaySnapshot;
use crate::command::CommandNumbers;
use crate::fulfilment::FulfilmentSnapshot;
use crate::gateway::GatewaySnapshot;
use crate::payment::PaymentSnapshot;
use crate::projection::{Lag, ProjectionSnapshot};
use crate::query::QuerySnapshot;
use crate::shipping::ShippingSnapshot;
use crate::store::StoreNumbers;

fn results<const N: usize>(
    metric: &'static LaneMetric,
    counts: [(&'static str, u64); N],
) -> impl Iterator<Item = LaneValue> {
    counts
        .into_iter()
        .map(|(result, count)| metric.value(count as f64).attribute("result", result))
}

/// The event store's.
pub fn store(numbers: StoreNumbers) -> Vec<LaneValue> {
    vec![
        APPENDS.value(numbers.appends as f64),
        EVENTS.value(numbers.events as f64),
        CONFLICTS.value(numbers.conflicts as f64),
        UNAVAILABLE.value((numbers.unavailable + numbers.rejected) as f64),
    ]
}

/// The write side's.
pub fn commands(numbers: CommandNumbers) -> Vec<LaneValue> {
    let commands = results(
        &COMMANDS,
        [
            ("executed", numbers.executed),
            ("rejected", numbers.rejected),
            ("replayed", numbers.replayed),
            ("conflict", numbers.conflicts),
        ],
    );
    let snapshots = results(
        &SNAPSHOTS,
        [
            ("saved", numbers.snapshots),
            ("forgotten", numbers.snapshots_forgotten),
        ],
    );
    commands.chain(snapshots).collect()
}

/// Answers of commands that were kept long enough.
pub fn forgotten_results(count: u64) -> LaneValue {
    FORGOTTEN.value(count as f64)
}

/// The relay's.
pub fn relay(seen: &RelaySnapshot) -> Vec<LaneValue> {
    vec![
        OUTBOX_POSITION.value(seen.position as f64),
        PUBLISHED.value(seen.published as f64),
        OUTBOX_LAG.value(seen.lag_events as f64),
        OUTBOX_AGE.value(seen.oldest_age.as_secs_f64()),
        OUTBOX_FAILURES.value(seen.failures as f64),
        OUTBOX_HEARTBEAT_AGE.value(seen.heartbeat_age.as_secs_f64()),
    ]
}

/// The projection's, and how far it is behind where that is known: judged against the head, by somebody who asks the store himself.
pub fn projection(done: ProjectionSnapshot, lag: Option<Lag>) -> Vec<LaneValue> {
    let of = |value: LaneValue| value.attribute("projection", "orders");
    let mut values: Vec<_> = results(
        &PROJECTED,
        [
            ("applied", done.applied),
            ("duplicate", done.duplicates),
            ("parked", done.parked),
            ("filled", done.filled),
            ("conflict", done.conflicts),
            ("failure", done.failures),
        ],
    )
    .map(of)
    .collect();
    if let Some(lag) = lag {
        values.extend([
            of(POSITION.value(lag.position as f64)),
            of(LAG.value(lag.events as f64)),
            of(LAG_TIME.value(lag.time.as_secs_f64())),
            of(HEARTBEAT_AGE.value(lag.heartbeat_age.as_secs_f64())),
            of(HELD.value(lag.parked as f64)),
        ]);
    }
    values
}

/// The read side's.
pub fn queries(numbers: QuerySnapshot) -> Vec<LaneValue> {
    results(
        &QUERIES,
        [
            ("answered", numbers.answered),
            ("stale", numbers.stale),
            ("behind", numbers.behind),
            ("failed", numbers.failed),
        ],
    )
    .collect()
}

/// The payment provider's edge.
pub fn payments(seen: &PaymentSnapshot) -> Vec<LaneValue> {
    let mut values: Vec<_> = results(
        &PAYMENTS,
        [
            ("charged", seen.charged),
            ("refunded", seen.refunded),
            ("declined", seen.declined),
            ("unavailable", seen.unavailable),
        ],
    )
    .collect();
    values.push(PAYMENT_REQUESTS.value(seen.requests as f64));
    values
}

/// The carriers' edge.
pub fn shipments(seen: &ShippingSnapshot) -> Vec<LaneValue> {
    results(
        &SHIPMENTS,
        [
            ("shipped", seen.shipped),
            ("refused", seen.refused),
            ("unavailable", seen.unavailable),
        ],
    )
    .collect()
}

/// The fulfilment's.
pub fn fulfilment(seen: FulfilmentSnapshot) -> Vec<LaneValue> {
    let mut values: Vec<_> = results(
        &FULFILMENTS,
        [("finished", seen.finished), ("put_off", seen.put_off)],
    )
    .collect();
    values.push(UNFINISHED.value(seen.planned as f64));
    values.push(STUCK.value(seen.stuck as f64));
    values
}

/// The gateway's.
pub fn gateway(seen: &GatewaySnapshot) -> Vec<LaneValue> {
    results(
        &REFUSALS,
        [
            ("unauthenticated", seen.unauthenticated),
            ("limited", seen.limited),
            ("shed", seen.shed),
            ("too_large", seen.too_large),
            ("timed_out", seen.timed_out),
            ("unavailable", seen.unavailable),
        ],
    )
    .collect()
}
