//! `fuseboard configure`: other settings for what runs; its state and window stay.

use super::path::BoardArgument;
use super::rows::{self, Kind, Place};
use super::{now, print, steer};
use crate::failure::Failure;
use crate::humane::{self, SpanOrOff};
use clap::Args;
use fuseboard::{Board, ConfigError, Nanos, Rate};
use fuseboard_core::CircuitBreakerConfig;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `fuseboard configure`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The name.
    name: String,
    #[command(flatten)]
    board: BoardArgument,
    /// What it runs with afterwards, as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    breaker: BreakerSettings,
    #[command(flatten)]
    bucket: BucketSettings,
    #[command(flatten)]
    limit: LimitSettings,
}

/// Of a breaker; what is not given stays. The window's kind and size cannot change while it runs.
#[derive(Args, Clone, Copy, PartialEq, Default)]
#[command(next_help_heading = "Settings of a breaker")]
struct BreakerSettings {
    /// Share of failed calls that trips it, more than 0 to 1.
    #[arg(long, value_name = "SHARE")]
    failure_threshold: Option<f64>,
    /// Calls in the window below which nothing is judged.
    #[arg(long, value_name = "CALLS")]
    minimum_requests: Option<u64>,
    /// How long it stays open.
    #[arg(long, value_name = "TIME", value_parser = humane::parse_span)]
    open_timeout: Option<Duration>,
    /// Probes at once while half-open, 1 to 511.
    #[arg(long, value_name = "PROBES")]
    half_open_requests: Option<u32>,
    /// A call that took longer is slow; or `off`.
    #[arg(long, value_name = "TIME", value_parser = humane::parse_span_or_off)]
    slow_call_duration: Option<SpanOrOff>,
    /// Share of slow calls that trips it, more than 0 to 1.
    #[arg(long, value_name = "SHARE")]
    slow_call_threshold: Option<f64>,
    /// Successful probes that close it.
    #[arg(long, value_name = "PROBES")]
    half_open_successes: Option<u32>,
    /// Failed probes tolerated in a round.
    #[arg(long, value_name = "PROBES")]
    half_open_failures: Option<u32>,
    /// How long missing probes are waited for.
    #[arg(long, value_name = "TIME", value_parser = humane::parse_span)]
    probe_lease: Option<Duration>,
    /// Each opening in a row lasts so many times as long, 1 to 100.
    #[arg(long, value_name = "FACTOR")]
    open_backoff: Option<f64>,
    /// The longest open time that back-off reaches.
    #[arg(long, value_name = "TIME", value_parser = humane::parse_span)]
    open_timeout_max: Option<Duration>,
    /// Lengthens each open time by up to this share, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    open_jitter: Option<f64>,
    /// After closing, the admitted share rises to all over this time.
    #[arg(long, value_name = "TIME", value_parser = humane::parse_span)]
    ramp_up: Option<Duration>,
    /// Whether it counts how long calls take.
    #[arg(long, value_name = "BOOL")]
    record_latency: Option<bool>,
}

/// Of a token bucket.
#[derive(Args, Clone, Copy, PartialEq, Default)]
#[command(next_help_heading = "Settings of a token bucket")]
struct BucketSettings {
    /// Units that flow in, such as 100/s or 30/min.
    #[arg(long, value_parser = humane::parse_rate)]
    rate: Option<Rate>,
    /// Units at once.
    #[arg(long, value_name = "UNITS")]
    burst: Option<u64>,
}

/// Of a concurrency limit.
#[derive(Args, Clone, Copy, PartialEq, Default)]
#[command(next_help_heading = "Settings of a concurrency limit")]
struct LimitSettings {
    /// Calls at once, 1 to 65,535.
    #[arg(long, value_name = "CALLS")]
    limit: Option<u16>,
}

/// Changes settings and says which.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let kind = arguments.kind()?;
    let (_, board) = arguments.board.open()?;
    let place = rows::find_one(&board, &arguments.name, &[kind])?;
    let changes = arguments.apply(&board, &place)?;
    if arguments.json {
        let now = now();
        let row = rows::row(&board, place.clone(), now).ok_or_else(|| steer::removed(&place))?;
        print::json(&row.json(now))?;
    } else if changes.is_empty() {
        print::line(&format!("{}: runs with that already", place.name))?;
    } else {
        print::line(&format!("{}: {}", place.name, changes.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// Of which kind the settings are.
    fn kind(&self) -> Result<Kind, Failure> {
        let given = [
            (Kind::Breaker, self.breaker != BreakerSettings::default()),
            (Kind::TokenBucket, self.bucket != BucketSettings::default()),
            (
                Kind::ConcurrencyLimit,
                self.limit != LimitSettings::default(),
            ),
        ];
        let given: Vec<Kind> = given
            .iter()
            .filter_map(|(kind, is_given)| is_given.then_some(*kind))
            .collect();
        match given[..] {
            [kind] => Ok(kind),
            [] => Err(Failure::Usage(
                "no setting given; name at least one, such as --open-timeout 5s; `fuseboard configure --help` has all".into(),
            )),
            [first, second, ..] => Err(Failure::Usage(format!(
                "settings of a {first} and of a {second}; give those of one kind"
            ))),
        }
    }

    /// Changes the settings; each change in words.
    fn apply(&self, board: &Board, place: &Place) -> Result<Vec<String>, Failure> {
        let (words, gone) = (board.words(), || steer::removed(place));
        match place.kind {
            Kind::Breaker => {
                let breaker = words.breakers().get(place.id).ok_or_else(gone)?;
                let before = breaker.config();
                let after = self.breaker.over(before);
                breaker.configure(after).map_err(refused)?;
                let (before, after) = (rows::settings(&before), rows::settings(&breaker.config()));
                let pairs = before.iter().zip(&after).filter(|(old, new)| old != new);
                Ok(pairs
                    .map(|((name, old), (_, new))| change(name, old, new))
                    .collect())
            }
            Kind::TokenBucket => {
                let bucket = words.token_buckets().get(place.id).ok_or_else(gone)?;
                let (rate, burst) = (bucket.rate(), bucket.burst());
                let BucketSettings {
                    rate: new_rate,
                    burst: new_burst,
                } = self.bucket;
                bucket
                    .configure(new_rate.unwrap_or(rate), new_burst.unwrap_or(burst))
                    .map_err(refused)?;
                let pairs = [
                    ("rate", humane::rate(rate), humane::rate(bucket.rate())),
                    ("burst", burst.to_string(), bucket.burst().to_string()),
                ];
                Ok(changes(&pairs))
            }
            Kind::ConcurrencyLimit => {
                let limit = words.concurrency_limits().get(place.id).ok_or_else(gone)?;
                let before = limit.limit();
                limit
                    .set_limit(self.limit.limit.unwrap_or(before))
                    .map_err(refused)?;
                Ok(changes(&[(
                    "limit",
                    before.to_string(),
                    limit.limit().to_string(),
                )]))
            }
        }
    }
}

impl BreakerSettings {
    /// `config` with what was given.
    fn over(self, config: CircuitBreakerConfig) -> CircuitBreakerConfig {
        let or = |given: Option<Duration>, old: Nanos| given.map_or(old, Nanos::from);
        CircuitBreakerConfig {
            failure_threshold: self.failure_threshold.unwrap_or(config.failure_threshold),
            minimum_requests: self.minimum_requests.unwrap_or(config.minimum_requests),
            open_timeout: or(self.open_timeout, config.open_timeout),
            half_open_requests: self.half_open_requests.unwrap_or(config.half_open_requests),
            slow_call_duration: self
                .slow_call_duration
                .map_or(config.slow_call_duration, |SpanOrOff(limit)| limit),
            slow_call_threshold: self
                .slow_call_threshold
                .unwrap_or(config.slow_call_threshold),
            half_open_successes: self.half_open_successes.or(config.half_open_successes),
            half_open_failures: self.half_open_failures.unwrap_or(config.half_open_failures),
            probe_lease: self.probe_lease.map(Nanos::from).or(config.probe_lease),
            open_backoff: self.open_backoff.unwrap_or(config.open_backoff),
            open_timeout_max: or(self.open_timeout_max, config.open_timeout_max),
            open_jitter: self.open_jitter.unwrap_or(config.open_jitter),
            ramp_up: or(self.ramp_up, config.ramp_up),
            record_latency: self.record_latency.unwrap_or(config.record_latency),
            ..config
        }
    }
}

fn changes(pairs: &[(&str, String, String)]) -> Vec<String> {
    let changed = pairs.iter().filter(|(_, old, new)| old != new);
    changed
        .map(|(name, old, new)| change(name, old, new))
        .collect()
}

fn change(name: &str, old: impl std::fmt::Display, new: impl std::fmt::Display) -> String {
    format!("{name} {old} → {new}")
}

/// A value out of its range is wrong usage.
fn refused(error: ConfigError) -> Failure {
    Failure::Usage(format!("{error}; nothing was changed"))
}
