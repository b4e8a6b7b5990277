//! Lints of breakers.

use super::{Check, Harm, Lint, Seen};
use crate::breaker::CircuitBreakerConfig;
use crate::config::sections::window_of;
use crate::config::value::span_text;
use fuseboard_core::{Nanos, Window};
use std::time::Duration;

type Breaker<'a> = Seen<'a, CircuitBreakerConfig>;

/// A share of failures that a healthy dependency can have for a while.
const ORDINARY_SHARE: f64 = 0.1;
/// An open time in which hardly anything recovers.
const BRIEF: Duration = Duration::from_secs(1);
/// Steps of the clock that breakers read.
const CLOCK_STEP: Duration = Duration::from_millis(4);

/// All of them.
pub(super) const ALL: [&Check<CircuitBreakerConfig>; 13] = [
    &ONE_FAILURE_OPENS,
    &THRESHOLD_LOW,
    &THRESHOLD_ALL,
    &OPEN_BRIEFLY,
    &BACKOFF_WITHOUT_ROOM,
    &SLOW_BEYOND_WINDOW,
    &SLOW_BELOW_CLOCK,
    &LEASE_BELOW_SLOW,
    &MANY_PROBES,
    &WITHOUT_EFFECT,
    &MINIMUM_CAPPED,
    &RATE_BELOW_MINIMUM,
    &PROBES_BEYOND_LIMIT,
];

/// Calls that are in the window when it is judged first; `None` where it counts failures in a row.
fn minimum(config: &CircuitBreakerConfig) -> Option<u64> {
    match window_of(config) {
        Window::Consecutive(_) => None,
        Window::Count(calls) => Some(config.minimum_requests.min(calls.into())),
        _ => Some(config.minimum_requests),
    }
}

/// The longest that an outcome is remembered; `None` where calls are counted, not time.
fn memory(config: &CircuitBreakerConfig) -> Option<Nanos> {
    match window_of(config) {
        Window::Time { length, .. } => Some(length),
        Window::Decay { half_life } => Some(Nanos::new(half_life.get().saturating_mul(5))),
        _ => None,
    }
}

pub(super) const ONE_FAILURE_OPENS: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "one_failure_opens",
        when: "`failure_threshold` times `minimum_requests` is at most 1, or a window of 1 failure in a row",
        reason: "every dependency fails once in a while, and a healthy one is cut off then",
        help: "raise minimum_requests, so that a verdict rests on several failures",
    },
    find: |seen: &Breaker<'_>| {
        let config = &seen.policy.config;
        match minimum(config) {
            None => Harm::when(
                window_of(config) == Window::Consecutive(1),
                "window",
                "one failure opens the breaker",
            ),
            Some(calls) => Harm::when(
                calls as f64 * config.failure_threshold <= 1.0,
                "minimum_requests",
                match calls {
                    1 => "the first failed call opens the breaker".to_owned(),
                    _ => format!("one failed call of {calls} opens the breaker"),
                },
            ),
        }
    },
};

pub(super) const THRESHOLD_LOW: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "threshold_low",
        when: "`failure_threshold` is at most 0.1",
        reason: "a dependency that serves nine of ten calls is cut off whole, so that the breaker does more harm than the failures",
        help: "begin with 0.5, and lower it only when graphs show what is ordinary",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let percent = config.failure_threshold * 100.0;
        Harm::when(
            minimum(config).is_some() && config.failure_threshold <= ORDINARY_SHARE,
            "failure_threshold",
            format!("{percent} % of failures open the breaker"),
        )
    },
};

pub(super) const THRESHOLD_ALL: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "threshold_all",
        when: "`failure_threshold` is 1",
        reason: "a dependency that still answers one call in a hundred is called for ever",
        help: "use 0.5 to 0.9, or `window = { consecutive = 5 }` for failures in a row",
    },
    find: |seen| {
        let config = &seen.policy.config;
        Harm::when(
            minimum(config).is_some() && config.failure_threshold >= 1.0,
            "failure_threshold",
            "one success in the window keeps the breaker closed",
        )
    },
};

pub(super) const OPEN_BRIEFLY: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "open_briefly",
        when: "`open_timeout` is at most 1s without `open_backoff`, or below 100ms",
        reason: "hardly anything recovers in that time, so that the dependency is probed without a pause, by every process of the fleet",
        help: "use 5s to 60s, or set open_backoff to 2 with open_jitter",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let is_brief = config.open_timeout <= BRIEF && config.open_backoff <= 1.0;
        let open = humantime::format_duration(config.open_timeout);
        Harm::when(
            is_brief || config.open_timeout < BRIEF / 10,
            "open_timeout",
            format!("probes begin {open} after each opening"),
        )
    },
};

pub(super) const BACKOFF_WITHOUT_ROOM: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "backoff_without_room",
        when: "`open_backoff` is above 1 and `open_timeout_max` is not above `open_timeout`",
        reason: "the open time cannot grow, so that open_backoff has no effect",
        help: "raise open_timeout_max, or remove open_backoff",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let most = humantime::format_duration(config.open_timeout_max);
        Harm::when(
            config.open_backoff > 1.0 && config.open_timeout_max <= config.open_timeout,
            "open_backoff",
            format!("open_timeout_max is {most}"),
        )
    },
};

pub(super) const SLOW_BEYOND_WINDOW: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "slow_beyond_window",
        when: "`slow_call_duration` is at least as long as the window",
        reason: "by the time a call has turned out slow, the calls that began with it are forgotten, so that slow calls are judged one by one",
        help: "make the window several times as long as slow_call_duration",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let slow = Nanos::from(config.slow_call_duration?);
        let memory = memory(config)?;
        let span = span_text(memory);
        Harm::when(
            slow >= memory,
            "slow_call_duration",
            format!("the window is {span}"),
        )
    },
};

pub(super) const SLOW_BELOW_CLOCK: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "slow_below_clock",
        when: "`slow_call_duration` is below 8ms",
        reason: "the breaker's clock moves in steps of up to 4ms, so that quick calls look slow and slow ones quick",
        help: "use 8ms or more, or build the breaker in code on MonotonicClock",
    },
    find: |seen| {
        let slow = seen.policy.config.slow_call_duration?;
        Harm::when(
            slow < 2 * CLOCK_STEP,
            "slow_call_duration",
            "finer than the clock",
        )
    },
};

pub(super) const LEASE_BELOW_SLOW: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "lease_below_slow",
        when: "`probe_lease` (or `open_timeout`, where it is not given) is shorter than `slow_call_duration`",
        reason: "a probe is taken for lost while it may still succeed in time, and its result is thrown away",
        help: "make probe_lease longer than the longest call you wait for",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let slow = config.slow_call_duration?;
        let lease = config.probe_lease.unwrap_or(config.open_timeout);
        let limit = humantime::format_duration(slow);
        Harm::when(
            lease < slow,
            "probe_lease",
            format!("a probe is in time until {limit}"),
        )
    },
};

pub(super) const MANY_PROBES: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "many_probes",
        when: "`half_open_requests` is above 20 and above `minimum_requests`",
        reason: "a dependency that has only just come back gets more calls at once than it takes to judge it",
        help: "use 1 to 10 probes, and ramp_up for the time after",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let probes = u64::from(config.half_open_requests);
        Harm::when(
            probes > 20 && probes > config.minimum_requests,
            "half_open_requests",
            format!("{probes} probes at once"),
        )
    },
};

pub(super) const WITHOUT_EFFECT: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "without_effect",
        when: "`slow_call_threshold` without `slow_call_duration`; a threshold or `minimum_requests` with failures in a row; `open_timeout_max` without `open_backoff`; `jitter_seed` without `open_jitter`",
        reason: "whoever wrote it expects something that will not happen",
        help: "give the setting that it needs, or remove it",
    },
    find: |seen| {
        let (config, given) = (&seen.policy.config, &seen.policy.given);
        let is_own = |field: &str| given.get(field).is_some_and(|placed| !placed.is_default);
        let in_a_row = matches!(window_of(config), Window::Consecutive(_));
        let rows = [
            (
                "slow_call_threshold",
                config.slow_call_duration.is_none(),
                "no call is slow without slow_call_duration",
            ),
            (
                "failure_threshold",
                in_a_row,
                "a window of failures in a row has no shares",
            ),
            (
                "minimum_requests",
                in_a_row,
                "a window of failures in a row has no minimum",
            ),
            (
                "open_timeout_max",
                config.open_backoff <= 1.0,
                "the open time does not grow without open_backoff",
            ),
            (
                "jitter_seed",
                config.open_jitter <= 0.0,
                "nothing is drawn without open_jitter",
            ),
        ];
        let (field, _, why) = rows
            .into_iter()
            .find(|(field, is_idle, _)| *is_idle && is_own(field))?;
        Harm::when(true, field, why)
    },
};

pub(super) const MINIMUM_CAPPED: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "minimum_capped",
        when: "`minimum_requests` is larger than a count window",
        reason: "the window never holds so many, so that its size is the minimum",
        help: "lower minimum_requests, or make the window larger",
    },
    find: |seen| {
        let config = &seen.policy.config;
        match window_of(config) {
            Window::Count(calls) => Harm::when(
                config.minimum_requests > calls.into(),
                "minimum_requests",
                format!("the window holds {calls} calls"),
            ),
            _ => None,
        }
    },
};

pub(super) const RATE_BELOW_MINIMUM: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "rate_below_minimum",
        when: "the rate limit of the same name lets fewer than `minimum_requests` calls through in a window",
        reason: "the minimum is never reached, so that the breaker never opens",
        help: "lower minimum_requests, or make the window longer",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let limit = &seen.all.rate_limits.get(seen.name)?.config;
        let memory = memory(config)?;
        let flow = u128::from(limit.rate.units()) * u128::from(memory.get())
            / u128::from(limit.rate.per().get().max(1));
        let most = flow.saturating_add(limit.effective_burst().into());
        Harm::when(
            most < config.minimum_requests.into(),
            "minimum_requests",
            format!(
                "rate_limits.{} lets {most} calls through in a window",
                seen.name
            ),
        )
    },
};

pub(super) const PROBES_BEYOND_LIMIT: Check<CircuitBreakerConfig> = Check {
    lint: Lint {
        id: "probes_beyond_limit",
        when: "`half_open_requests` is above the concurrency limit of the same name",
        reason: "so many probes are never in flight, and a round waits for places that the limit refuses",
        help: "lower half_open_requests to the limit at most",
    },
    find: |seen| {
        let probes = seen.policy.config.half_open_requests;
        let limit = seen.all.concurrency.get(seen.name)?.config.limit;
        Harm::when(
            probes > limit,
            "half_open_requests",
            format!("concurrency.{} admits {limit} at once", seen.name),
        )
    },
};
