//! Settings of each kind, from `key=value` words.

use super::number::{count32, count64, duration, flag, rate, ratio, window};
use super::{Parsed, Words, unexpected};
use crate::trace::{BreakerSetting, Kind, Policy};

/// A policy's `key=value` pairs as written, so that a `configure` can lay its own over them.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Reads the rest of the line; each key may occur once.
    pub(super) fn read(mut words: Words<'_>) -> Parsed<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some((key, value)) = words.setting()? {
            if pairs.iter().any(|(known, _)| known == key) {
                return unexpected("each key once", format!("{key}={value}"));
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self(pairs))
    }

    /// These settings with `changes` in place of the same keys.
    pub(super) fn with(&self, changes: Self) -> Self {
        let mut pairs = self.0.clone();
        pairs.retain(|(key, _)| changes.0.iter().all(|(changed, _)| changed != key));
        pairs.extend(changes.0);
        Self(pairs)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the values. A breaker has a default for each; a limiter must be given all of its own.
    pub(super) fn policy(&self, kind: Kind) -> Parsed<Policy> {
        Ok(match kind {
            Kind::Breaker => Policy::Breaker(
                self.0
                    .iter()
                    .map(|(key, value)| breaker_setting(key, value))
                    .collect::<Parsed<_>>()?,
            ),
            Kind::TokenBucket => {
                let [limit, burst] = self.exactly(["rate", "burst"])?;
                Policy::TokenBucket {
                    rate: rate(limit)?,
                    burst: count64(burst)?,
                }
            }
            Kind::LeakyBucket => {
                let [limit, queue] = self.exactly(["rate", "queue"])?;
                Policy::LeakyBucket {
                    rate: rate(limit)?,
                    queue: count64(queue)?,
                }
            }
            Kind::SlidingLog => {
                let [limit, window] = self.exactly(["limit", "window"])?;
                Policy::SlidingLog {
                    limit: count32(limit)?,
                    window: duration(window)?,
                }
            }
            Kind::SlidingCounter => {
                let [limit, window] = self.exactly(["limit", "window"])?;
                Policy::SlidingCounter {
                    limit: count32(limit)?,
                    window: duration(window)?,
                }
            }
            Kind::FixedWindow => {
                let [limit, window] = self.exactly(["limit", "window"])?;
                Policy::FixedWindow {
                    limit: count32(limit)?,
                    window: duration(window)?,
                }
            }
            Kind::Concurrency => {
                let [limit] = self.exactly(["limit"])?;
                Policy::Concurrency {
                    limit: count32(limit)?,
                }
            }
        })
    }

    /// The values of these keys, all of which must be there and no other.
    fn exactly<const N: usize>(&self, keys: [&str; N]) -> Parsed<[&str; N]> {
        if let Some((key, value)) = self.0.iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            return unexpected(keys.join(" or "), format!("{key}={value}"));
        }
        let mut values = [""; N];
        for (slot, wanted) in values.iter_mut().zip(keys) {
            match self.0.iter().find(|(key, _)| key == wanted) {
                Some((_, value)) => *slot = value,
                None => return unexpected(format!("{wanted}=…"), ""),
            }
        }
        Ok(values)
    }
}

fn breaker_setting(key: &str, value: &str) -> Parsed<BreakerSetting> {
    use BreakerSetting as Setting;
    Ok(match key {
        "failure_threshold" => Setting::FailureThreshold(ratio(value)?),
        "minimum_requests" => Setting::MinimumRequests(count64(value)?),
        "open_timeout" => Setting::OpenTimeout(duration(value)?),
        "half_open_requests" => Setting::HalfOpenRequests(count32(value)?),
        "window" => Setting::Window(window(value)?),
        "slow_call_duration" => Setting::SlowCallDuration(duration(value)?),
        "slow_call_threshold" => Setting::SlowCallThreshold(ratio(value)?),
        "count_overdue" => Setting::CountOverdue(flag(value)?),
        "half_open_successes" => Setting::HalfOpenSuccesses(count32(value)?),
        "half_open_failures" => Setting::HalfOpenFailures(count32(value)?),
        "probe_lease" => Setting::ProbeLease(duration(value)?),
        "open_backoff" => Setting::OpenBackoff(ratio(value)?),
        "open_timeout_max" => Setting::OpenTimeoutMax(duration(value)?),
        "open_jitter" => Setting::OpenJitter(ratio(value)?),
        "ramp_up" => Setting::RampUp(duration(value)?),
        _ => {
            return unexpected(
                "one of failure_threshold, minimum_requests, open_timeout, half_open_requests, window, slow_call_duration, slow_call_threshold, count_overdue, half_open_successes, half_open_failures, probe_lease, open_backoff, open_timeout_max, open_jitter, ramp_up",
                format!("{key}={value}"),
            );
        }
    })
}
