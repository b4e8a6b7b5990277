//! [`Row`]: one name of a board and what it is doing, as values; and its JSON.

use crate::failure::Failure;
use crate::humane;
use clap::ValueEnum;
use fuseboard::{Board, Nanos, Snapshot, Window};
use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, LatencySnapshot, Policy, SlotId, SlotName,
    TokenBucketConfig,
};
use serde_json::{Value, json};
use std::fmt;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub(crate) enum Kind {
    /// A circuit breaker.
    Breaker,
    /// A token bucket.
    TokenBucket,
    /// A concurrency limit.
    ConcurrencyLimit,
}

impl Kind {
    /// The stable name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::TokenBucket => "token_bucket",
            Self::ConcurrencyLimit => "concurrency_limit",
        }
    }

    /// Many of them.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Self::Breaker => "breakers",
            Self::TokenBucket => "token buckets",
            Self::ConcurrencyLimit => "concurrency limits",
        }
    }

    /// For a narrow column.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::TokenBucket => "bucket",
            Self::ConcurrencyLimit => "limit",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breaker => "breaker",
            Self::TokenBucket => "token bucket",
            Self::ConcurrencyLimit => "concurrency limit",
        })
    }
}

/// Which name, of which kind: a name may stand for one of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) name: SlotName,
    pub(crate) id: SlotId,
}

/// One name and what it is doing.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) detail: Detail,
}

/// What it is doing, by kind. A few hundred of them at most: their size is no matter.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Detail {
    Breaker {
        snapshot: Snapshot,
        config: CircuitBreakerConfig,
        /// How long calls took so far; `None`: that is not recorded.
        latency: Option<LatencySnapshot>,
    },
    TokenBucket {
        available: u64,
        config: TokenBucketConfig,
    },
    ConcurrencyLimit {
        in_flight: u16,
        limit: u16,
    },
}

/// Every name of the board, breakers first, each kind by name.
pub(crate) fn places(board: &Board) -> Vec<Place> {
    let words = board.words();
    let of = |kind| move |(id, name)| Place { kind, name, id };
    let breakers = words.breakers().entries().map(of(Kind::Breaker));
    let buckets = words.token_buckets().entries().map(of(Kind::TokenBucket));
    let limits = words.concurrency_limits().entries();
    let limits = limits.map(of(Kind::ConcurrencyLimit));
    let mut places: Vec<Place> = breakers.chain(buckets).chain(limits).collect();
    places.sort_by(|a, b| (a.kind, a.name.as_str()).cmp(&(b.kind, b.name.as_str())));
    places
}

/// Every name of the board with what it is doing at `now`.
pub(crate) fn rows(board: &Board, now: Nanos) -> Vec<Row> {
    let places = places(board).into_iter();
    places.filter_map(|place| row(board, place, now)).collect()
}

/// What one name is doing; `None` once it was removed.
pub(crate) fn row(board: &Board, place: Place, now: Nanos) -> Option<Row> {
    let words = board.words();
    let detail = match place.kind {
        Kind::Breaker => {
            let breaker = words.breakers().get(place.id)?;
            Detail::Breaker {
                snapshot: breaker.snapshot(now),
                config: CircuitBreaker::config(breaker),
                latency: breaker
                    .records_latency()
                    .then(|| breaker.latency().snapshot()),
            }
        }
        Kind::TokenBucket => {
            let bucket = words.token_buckets().get(place.id)?;
            Detail::TokenBucket {
                available: bucket.available(now),
                config: Policy::config(bucket),
            }
        }
        Kind::ConcurrencyLimit => {
            let limit = words.concurrency_limits().get(place.id)?;
            Detail::ConcurrencyLimit {
                in_flight: limit.in_flight(),
                limit: limit.limit(),
            }
        }
    };
    Some(Row { place, detail })
}

/// What `name` stands for, of the kinds that are asked for; at least one.
pub(crate) fn find(board: &Board, name: &str, kinds: &[Kind]) -> Result<Vec<Place>, Failure> {
    let all = places(board);
    let named: Vec<&Place> = all
        .iter()
        .filter(|place| place.name.as_str() == name)
        .collect();
    let found = named.iter().filter(|place| kinds.contains(&place.kind));
    let found: Vec<Place> = found.map(|place| Place::clone(place)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(other) = named.first() {
        let wanted: Vec<String> = kinds.iter().map(Kind::to_string).collect();
        return Err(Failure::Usage(format!(
            "{name} is a {}, and this is for a {}",
            other.kind,
            wanted.join(" or a ")
        )));
    }
    let names = all.iter().filter(|place| kinds.contains(&place.kind));
    Err(Failure::NotFound(unknown(
        name,
        names.map(|place| place.name.as_str()),
    )))
}

/// The one thing that `name` stands for among `kinds`.
pub(crate) fn find_one(board: &Board, name: &str, kinds: &[Kind]) -> Result<Place, Failure> {
    let mut found = find(board, name, kinds)?;
    if let [first, second, ..] = &found[..] {
        return Err(Failure::Usage(format!(
            "{name} is a {} and a {}; say which with --kind",
            first.kind, second.kind
        )));
    }
    Ok(found.remove(0))
}

/// That there is no such name, and which are near.
fn unknown<'names>(name: &str, names: impl Iterator<Item = &'names str>) -> String {
    /// Names that have less in common are no help.
    const NEAR: f64 = 0.7;
    /// As many as can be taken in at a glance.
    const SHOWN: usize = 5;
    let mut names: Vec<(f64, &str)> = names
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .collect();
    if names.is_empty() {
        return format!("there is no {name:?}, nor any other name of this kind on the board");
    }
    names.sort_by(|a, b| b.0.total_cmp(&a.0));
    names.dedup_by(|a, b| a.1 == b.1);
    let near: Vec<&str> = names
        .iter()
        .filter(|(near, _)| *near >= NEAR)
        .map(|(_, name)| *name)
        .collect();
    if near.is_empty() {
        return format!(
            "there is no {name:?}; `fuseboard list` shows the {} names that there are",
            names.len()
        );
    }
    format!(
        "there is no {name:?}; near it: {}",
        near[..near.len().min(SHOWN)].join(", ")
    )
}

impl Row {
    /// As one JSON object; spans in seconds, settings as configuration files write them.
    pub(crate) fn json(&self, now: Nanos) -> Value {
        let mut object = json!({
            "kind": self.place.kind.as_str(),
            "name": self.place.name.as_str(),
        });
        let rest = match &self.detail {
            Detail::Breaker {
                snapshot,
                config,
                latency,
            } => breaker_json(snapshot, config, latency.as_ref(), now),
            Detail::TokenBucket { available, config } => json!({
                "available": available,
                "config": {"rate": humane::rate(config.rate), "burst": config.burst},
            }),
            Detail::ConcurrencyLimit { in_flight, limit } => json!({
                "in_flight": in_flight,
                "config": {"limit": limit},
            }),
        };
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        object
    }
}

fn breaker_json(
    snapshot: &Snapshot,
    config: &CircuitBreakerConfig,
    latency: Option<&LatencySnapshot>,
    now: Nanos,
) -> Value {
    let totals = &snapshot.totals;
    let settings = settings(config).into_iter();
    let settings: serde_json::Map<String, Value> = settings
        .map(|(name, value)| (name.to_owned(), value.json()))
        .collect();
    json!({
        "state": snapshot.state.as_str(),
        "generation": snapshot.generation,
        "since_seconds": since(snapshot, now).map(seconds),
        "retry_after_seconds": snapshot.retry_after.map(seconds),
        "openings": snapshot.openings,
        "in_flight": snapshot.in_flight,
        "probe_successes": snapshot.probe_successes,
        "probe_failures": snapshot.probe_failures,
        "overdue": snapshot.overdue,
        "window": {
            "calls": snapshot.window.calls,
            "failures": snapshot.window.failures,
            "slow": snapshot.window.slow,
            "failure_rate": snapshot.window.failure_rate(),
            "slow_call_rate": snapshot.window.slow_call_rate(),
        },
        "totals": {
            "calls": totals.calls,
            "failures": totals.failures,
            "slow": totals.slow,
            "rejected": totals.rejected,
            "ignored": totals.ignored,
        },
        "latency": latency.map(|latency| json!({
            "calls": latency.count(),
            "p50_seconds": latency.p50().map(seconds),
            "p90_seconds": latency.p90().map(seconds),
            "p99_seconds": latency.p99().map(seconds),
        })),
        "config": settings,
    })
}

/// How long the state has lasted; `None` of one that never changed, whose beginning no word holds.
pub(crate) fn since(snapshot: &Snapshot, now: Nanos) -> Option<Nanos> {
    (snapshot.since != Nanos::ZERO).then(|| now.saturating_sub(snapshot.since))
}

/// For JSON.
pub(crate) fn seconds(span: Nanos) -> f64 {
    span.get() as f64 / 1e9
}

/// One setting's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    Number(f64),
    Count(u64),
    Switch(bool),
    Text(String),
}

impl Setting {
    fn json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Count(count) => json!(count),
            Self::Switch(is_on) => json!(is_on),
            Self::Text(text) => json!(text),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Switch(is_on) => is_on.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A breaker's settings in the order in which they are documented.
pub(crate) fn settings(config: &CircuitBreakerConfig) -> Vec<(&'static str, Setting)> {
    let span = |span| Setting::Text(humane::exact(span));
    let or_off = |limit: Option<Nanos>| limit.map_or(Setting::Text("off".into()), span);
    let probes = |count: u32| Setting::Count(count.into());
    let window = match config.window {
        Window::Time { length, slots } => {
            format!("time {} in {slots} slots", humane::exact(length))
        }
        Window::Count(calls) => format!("count {calls}"),
        Window::Consecutive(failures) => format!("consecutive {failures}"),
        Window::Decay { half_life } => format!("decay, half-life {}", humane::exact(half_life)),
    };
    vec![
        (
            "failure_threshold",
            Setting::Number(config.failure_threshold),
        ),
        ("minimum_requests", Setting::Count(config.minimum_requests)),
        ("open_timeout", span(config.open_timeout)),
        ("half_open_requests", probes(config.half_open_requests)),
        ("window", Setting::Text(window)),
        ("slow_call_duration", or_off(config.slow_call_duration)),
        (
            "slow_call_threshold",
            Setting::Number(config.slow_call_threshold),
        ),
        ("count_overdue", Setting::Switch(config.count_overdue)),
        (
            "half_open_successes",
            probes(
                config
                    .half_open_successes
                    .unwrap_or(config.half_open_requests),
            ),
        ),
        ("half_open_failures", probes(config.half_open_failures)),
        (
            "probe_lease",
            span(config.probe_lease.unwrap_or(config.open_timeout)),
        ),
        ("open_backoff", Setting::Number(config.open_backoff)),
        ("open_timeout_max", span(config.open_timeout_max)),
        ("open_jitter", Setting::Number(config.open_jitter)),
        ("ramp_up", span(config.ramp_up)),
        ("record_latency", Setting::Switch(config.record_latency)),
    ]
}
