//! Each lint is found where it should be, and not beside.

use fuseboard::config::{Config, Format, LINTS};

/// A lint, a file that it finds, and one just beside.
const ROWS: [(&str, &str, &str); 23] = [
    (
        "one_failure_opens",
        "breakers: {x: {minimum_requests: 2}}",
        "breakers: {x: {minimum_requests: 3}}",
    ),
    (
        "threshold_low",
        "breakers: {x: {failure_threshold: 10%}}",
        "breakers: {x: {failure_threshold: 11%}}",
    ),
    (
        "threshold_all",
        "breakers: {x: {failure_threshold: 1}}",
        "breakers: {x: {failure_threshold: 0.99}}",
    ),
    (
        "open_briefly",
        "breakers: {x: {open_timeout: 1s}}",
        "breakers: {x: {open_timeout: 1s, open_backoff: 2}}",
    ),
    (
        "backoff_without_room",
        "breakers: {x: {open_backoff: 2, open_timeout: 10m}}",
        "breakers: {x: {open_backoff: 2, open_timeout: 9m}}",
    ),
    (
        "slow_beyond_window",
        "breakers: {x: {slow_call_duration: 10s}}",
        "breakers: {x: {slow_call_duration: 9s}}",
    ),
    (
        "slow_below_clock",
        "breakers: {x: {slow_call_duration: 7ms}}",
        "breakers: {x: {slow_call_duration: 8ms}}",
    ),
    (
        "lease_below_slow",
        "breakers: {x: {slow_call_duration: 2s, probe_lease: 1s}}",
        "breakers: {x: {slow_call_duration: 2s, probe_lease: 2s}}",
    ),
    (
        "many_probes",
        "breakers: {x: {half_open_requests: 21}}",
        "breakers: {x: {half_open_requests: 20}}",
    ),
    (
        "without_effect",
        "breakers: {x: {slow_call_threshold: 0.5}}",
        "breakers: {x: {slow_call_threshold: 0.5, slow_call_duration: 1s}}",
    ),
    (
        "minimum_capped",
        "breakers: {x: {window: {count: 10}, minimum_requests: 11}}",
        "breakers: {x: {window: {count: 10}, minimum_requests: 10}}",
    ),
    (
        "rate_below_minimum",
        "{breakers: {x: {minimum_requests: 22}}, rate_limits: {x: {rate: 1/s, burst: 11}}}",
        "{breakers: {x: {minimum_requests: 21}}, rate_limits: {x: {rate: 1/s, burst: 11}}}",
    ),
    (
        "probes_beyond_limit",
        "{breakers: {x: {half_open_requests: 3}}, concurrency: {x: {limit: 2}}}",
        "{breakers: {x: {half_open_requests: 2}}, concurrency: {x: {limit: 2}}}",
    ),
    (
        "burst_of_one",
        "rate_limits: {x: {rate: 10/s, burst: 1}}",
        "rate_limits: {x: {rate: 10/s, burst: 2}}",
    ),
    (
        "burst_hides_rate",
        "rate_limits: {x: {rate: 1/s, burst: 101}}",
        "rate_limits: {x: {rate: 1/s, burst: 100}}",
    ),
    (
        "burst_beyond_limit",
        "{rate_limits: {x: {rate: 21/s}}, concurrency: {x: {limit: 2}}}",
        "{rate_limits: {x: {rate: 20/s}}, concurrency: {x: {limit: 2}}}",
    ),
    (
        "concurrency_of_one",
        "concurrency: {x: {limit: 1}}",
        "concurrency: {x: {limit: 2}}",
    ),
    (
        "slow_beyond_timeout",
        "{timeouts: {x: {limit: 9s, attempt_limit: 2s}}, breakers: {x: {slow_call_duration: 2s}}}",
        "{timeouts: {x: {limit: 2s}}, breakers: {x: {slow_call_duration: 1s}}}",
    ),
    (
        "retries_without_budget",
        "retries: {x: {max_attempts: 4}}",
        "retries: {x: {max_attempts: 4, budget_ratio: 0.2}}",
    ),
    (
        "retries_in_step",
        "retries: {x: {jitter: none}}",
        "retries: {x: {jitter: none, max_attempts: 1}}",
    ),
    (
        "budget_without_ratio",
        "retries: {x: {budget_ttl: 1m}}",
        "retries: {x: {budget_ttl: 1m, budget_ratio: 0.2}}",
    ),
    (
        "attempts_beyond_deadline",
        "retries: {x: {jitter: decorrelated, initial: 1s, deadline: 1s}}",
        "retries: {x: {initial: 1s, deadline: 1s}}",
    ),
    (
        "hedge_beyond_timeout",
        "{timeouts: {x: {limit: 9s, attempt_limit: 2s}}, hedges: {x: {delay: 2s}}}",
        "{timeouts: {x: {limit: 2s}}, hedges: {x: {delay: 1s}}}",
    ),
];

fn found(text: &str) -> Vec<&'static str> {
    let config =
        Config::from_text(text, Format::Yaml).unwrap_or_else(|error| panic!("{text}: {error}"));
    config.warnings().iter().map(|finding| finding.id).collect()
}

#[test]
fn each_lint_is_found_and_only_where_it_should_be() {
    for (id, harmful, beside) in ROWS {
        assert!(
            found(harmful).contains(&id),
            "{id} is not found in {harmful}"
        );
        assert!(!found(beside).contains(&id), "{id} is found in {beside}");
    }
    let ids: Vec<_> = ROWS.iter().map(|(id, ..)| *id).collect();
    let all: Vec<_> = LINTS.iter().map(|lint| lint.id).collect();
    assert_eq!(ids, all, "every lint has a row here");
}

#[test]
fn settings_without_effect_are_told_one_by_one() {
    for text in [
        "breakers: {x: {window: {consecutive: 5}, failure_threshold: 0.5}}",
        "breakers: {x: {window: {consecutive: 5}, minimum_requests: 9}}",
        "breakers: {x: {open_timeout_max: 1m}}",
        "breakers: {x: {jitter_seed: 1}}",
    ] {
        assert_eq!(found(text), ["without_effect"], "{text}");
    }
    // For others it may have one.
    let text =
        "defaults: {breakers: {failure_threshold: 0.4}}\nbreakers: {x: {window: {consecutive: 5}}}";
    assert_eq!(found(text), [""; 0]);
}

#[test]
fn the_defaults_of_every_policy_are_harmless() {
    assert_eq!(
        found(
            "breakers: {x: {}}\nrate_limits: {x: {rate: 100/s}}\nconcurrency: {x: {limit: 10}}\ntimeouts: {x: {limit: 1s}}\nretries: {x: {}}\nhedges: {x: {delay: 50ms}}"
        ),
        [""; 0]
    );
}

/// The document's own example of a configuration that does harm.
#[test]
fn a_twitchy_breaker_is_told_three_times() {
    let text = include_str!("../../../examples/config/harmful.toml");
    let config = Config::from_text(text, Format::Toml).unwrap();
    let told: Vec<_> = config
        .warnings()
        .iter()
        .map(|finding| (finding.id, finding.path.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("threshold_low", "breakers.payments.failure_threshold"),
            ("one_failure_opens", "breakers.payments.minimum_requests"),
            ("open_briefly", "breakers.payments.open_timeout"),
        ]
    );
}
