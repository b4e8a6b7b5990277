//! [`Feed`]: the report as JSON, once and as a stream.
//!
//! A stream asks for the latest report when its client is ready for one. So a slow client misses some and queues none, and however many
//! there are, the registry is read once an interval.

use super::Shared;
use super::control::Record;
use crate::limiter::{ConcurrencyLimit, ConcurrencyPermit};
use crate::telemetry::changes::Change;
use crate::telemetry::lane::LaneReport;
use crate::telemetry::metrics::Instrument;
use crate::telemetry::report::{BreakerReport, Report};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use fuseboard_core::{Counts, LatencySnapshot, Window};
use futures_util::stream;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Streams at once; a browser keeps one for each page.
const STREAMS: u32 = 64;
/// Changes of each breaker that a stream's event brings; `/snapshot` has all.
const LAST_CHANGES: usize = 4;
/// What is lately.
const LATELY: Duration = Duration::from_secs(10);

/// What streams share.
pub(super) struct Feed {
    title: String,
    streams: ConcurrencyLimit,
    latest: Mutex<Option<(Instant, Arc<str>)>>,
    lately: Mutex<Lately>,
}

/// Latencies of a while ago, so that those of the last calls can be told from those of all.
struct Lately {
    begun: Instant,
    before: Latencies,
    next: Latencies,
}

/// By board and name.
type Latencies = HashMap<(Option<String>, String), LatencySnapshot>;

impl Lately {
    /// What was counted lately: in the last one to two [`LATELY`], as far as somebody looked.
    fn of(&mut self, breakers: &[BreakerReport]) -> Vec<Option<LatencySnapshot>> {
        let now = |breakers: &[BreakerReport]| -> Latencies {
            let own = breakers.iter().filter_map(|breaker| {
                let key = (breaker.board.clone(), breaker.name.clone());
                Some((key, breaker.latency.clone()?))
            });
            own.collect()
        };
        if self.begun.elapsed() > LATELY {
            self.begun = Instant::now();
            self.before = std::mem::replace(&mut self.next, now(breakers));
        }
        let since = |breaker: &BreakerReport| {
            let latency = breaker.latency.as_ref()?;
            let before = self
                .before
                .get(&(breaker.board.clone(), breaker.name.clone()));
            let lately = before.map(|before| latency.since(before));
            Some(lately.unwrap_or_else(|| latency.clone()))
        };
        breakers.iter().map(since).collect()
    }
}

impl Feed {
    pub(super) fn new(title: String) -> Self {
        Self {
            title,
            streams: ConcurrencyLimit::new(STREAMS),
            latest: Mutex::default(),
            lately: Mutex::new(Lately {
                begun: Instant::now(),
                before: HashMap::new(),
                next: HashMap::new(),
            }),
        }
    }

    /// The page's title.
    pub(super) fn title(&self) -> &str {
        &self.title
    }
}

impl Shared {
    fn json(&self, changes: usize) -> Value {
        let report = self.registry.report();
        let mut lately = (self.feed.lately.lock()).unwrap_or_else(PoisonError::into_inner);
        let latencies = lately.of(&report.breakers);
        drop(lately);
        let mut value = everything(&report, &latencies, changes);
        value["title"] = self.feed.title.as_str().into();
        value["controls"] = self.controls.are_on().into();
        value["interval_ms"] = (self.interval.as_millis() as u64).into();
        value["audit"] = self.controls.records().iter().map(record).collect();
        value
    }

    /// The latest report for the streams, at most as old as their interval.
    fn latest(&self) -> Arc<str> {
        let mut latest = self
            .feed
            .latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A little less: ticks come a little early.
        let fresh = self.interval.mul_f64(0.8);
        match &*latest {
            Some((at, text)) if at.elapsed() < fresh => Arc::clone(text),
            _ => {
                let text: Arc<str> = self.json(LAST_CHANGES).to_string().into();
                *latest = Some((Instant::now(), Arc::clone(&text)));
                text
            }
        }
    }
}

/// All that is known, with the last 50 changes of each breaker.
pub(super) async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    super::json(&shared.json(usize::MAX))
}

pub(super) async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(place) = shared.feed.streams.try_acquire() else {
        let full = format!("{STREAMS} streams are open; close one, or ask /snapshot");
        return (StatusCode::TOO_MANY_REQUESTS, full).into_response();
    };
    let mut ticks = tokio::time::interval(shared.interval);
    // After a stop the next tick is one interval later: what was missed is not made up for.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stream = stream::unfold(
        Following {
            shared,
            ticks,
            _place: place,
        },
        |mut own| async {
            own.ticks.tick().await;
            let text = own.shared.latest();
            let event = Event::default()
                .event("snapshot")
                .retry(Duration::from_secs(2));
            Some((Ok::<_, Infallible>(event.data(&*text)), own))
        },
    );
    Sse::new(stream).into_response()
}

/// One stream.
struct Following {
    shared: Arc<Shared>,
    ticks: tokio::time::Interval,
    _place: ConcurrencyPermit,
}

fn everything(report: &Report, latencies: &[Option<LatencySnapshot>], changes: usize) -> Value {
    let buckets = report.buckets.iter().map(|bucket| {
        json!({
            "name": bucket.name,
            "board": bucket.board,
            "available": bucket.available,
            "burst": bucket.burst,
        })
    });
    let limits = report.limits.iter().map(|limit| {
        json!({
            "name": limit.name,
            "board": limit.board,
            "in_flight": limit.in_flight,
            "limit": limit.limit,
        })
    });
    let budgets = report.budgets.iter();
    let budgets = budgets.map(|own| json!({ "name": own.name, "available": own.available }));
    let breakers = report.breakers.iter().zip(latencies);
    let breakers = breakers.map(|(own, latency)| breaker(own, latency.as_ref(), changes));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "at": milliseconds(report.at),
        "breakers": breakers.collect::<Vec<_>>(),
        "token_buckets": buckets.collect::<Vec<_>>(),
        "concurrency_limits": limits.collect::<Vec<_>>(),
        "retry_budgets": budgets.collect::<Vec<_>>(),
        "processes": processes(report),
        "lanes": report.lanes.iter().map(lane).collect::<Vec<_>>(),
    })
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
fn processes(report: &Report) -> Value {
    let all = report.processes.iter().flat_map(|(board, processes)| {
        processes.iter().map(move |process| {
            json!({
                "board": board,
                "owner": process.owner.index(),
                "process": process.process,
                "is_alive": process.is_alive,
            })
        })
    });
    all.collect()
}

#[cfg(not(all(target_os = "linux", target_has_atomic = "64")))]
fn processes(_: &Report) -> Value {
    json!([])
}

fn breaker(own: &BreakerReport, latency: Option<&LatencySnapshot>, last: usize) -> Value {
    let (snapshot, config) = (&own.snapshot, &own.config);
    let skipped = own.changes.len().saturating_sub(last);
    let changes = own.changes.iter().skip(skipped).map(change);
    json!({
        "name": own.name,
        "board": own.board,
        "state": snapshot.state.as_str(),
        "generation": snapshot.generation,
        "openings": snapshot.openings,
        "in_state_s": own.in_state.as_secs_f64(),
        "retry_after_s": own.retry_after().map(|wait| wait.as_secs_f64()),
        "window": counts(snapshot.window),
        "overdue": snapshot.overdue,
        "latency": latency.filter(|latency| latency.count() > 0).map(quantiles),
        "probes": {
            "in_flight": snapshot.in_flight,
            "successes": snapshot.probe_successes,
            "failures": snapshot.probe_failures,
        },
        "totals": {
            "calls": snapshot.totals.calls,
            "failures": snapshot.totals.failures,
            "slow": snapshot.totals.slow,
            "rejected": snapshot.totals.rejected,
            "ignored": snapshot.totals.ignored,
        },
        "config": {
            "failure_threshold": config.failure_threshold,
            "minimum_requests": config.minimum_requests,
            "open_timeout_s": config.open_timeout.get() as f64 / 1e9,
            "half_open_requests": config.half_open_requests,
            "half_open_successes": config.half_open_successes,
            "slow_call_duration_s": config.slow_call_duration.map(|limit| limit.get() as f64 / 1e9),
            "slow_call_threshold": config.slow_call_threshold,
            "window": window(config.window),
        },
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn lane(lane: &LaneReport) -> Value {
    let shown = lane
        .values
        .iter()
        .filter(|value| !value.metric.label.is_empty());
    let values = shown.map(|own| {
        let attributes = own.attributes.iter();
        let attributes: Vec<_> = attributes.map(|(_, value)| value.as_str()).collect();
        json!({
            "label": own.metric.label,
            "metric": own.metric.name,
            "of": attributes.join(", "),
            "unit": own.metric.unit,
            "is_total": own.metric.instrument == Instrument::Counter,
            "value": own.value,
        })
    });
    json!({ "name": lane.name, "values": values.collect::<Vec<_>>() })
}

/// Of the last 10 to 20 seconds.
fn quantiles(latency: &LatencySnapshot) -> Value {
    let seconds = |share| latency.quantile(share).map(|time| time.get() as f64 / 1e9);
    json!({
        "p50_s": seconds(0.5),
        "p90_s": seconds(0.9),
        "p99_s": seconds(0.99),
        "p999_s": seconds(0.999),
    })
}

fn change(change: &Change) -> Value {
    json!({
        "at": milliseconds(change.at),
        "generation": change.generation,
        "from": change.from.as_str(),
        "to": change.to.as_str(),
        "reason": change.cause.map(fuseboard_core::Cause::as_str),
        "counts": change.counts.map(counts),
        "process": change.process,
    })
}

fn record(record: &Record) -> Value {
    json!({
        "at": milliseconds(record.at),
        "name": record.name,
        "board": record.board,
        "verb": record.verb,
        "from": record.from,
        "result": record.result,
    })
}

fn counts(counts: Counts) -> Value {
    json!({ "calls": counts.calls, "failures": counts.failures, "slow": counts.slow })
}

fn window(window: Window) -> String {
    let seconds = |time: fuseboard_core::Nanos| time.get() as f64 / 1e9;
    match window {
        Window::Time { length, .. } => format!("the last {} s", seconds(length)),
        Window::Count(calls) => format!("the last {calls} calls"),
        Window::Consecutive(calls) => format!("{calls} failures in a row"),
        Window::Decay { half_life } => format!("decaying, half in {} s", seconds(half_life)),
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
