//! Every setting, with values that are right and wrong.

use super::{meaning, read};
use fuseboard::config::{Config, Format, schema};
use serde_json::{Map, Value, json};

pub(super) const SECTIONS: [&str; 10] = [
    "breakers",
    "rate_limits",
    "concurrency",
    "timeouts",
    "retries",
    "hedges",
    "queues",
    "adaptive",
    "shedding",
    "throttles",
];

/// What must be given, and so stands beside the setting that is tried.
pub(super) const NEEDED: [(&str, &str, &str); 6] = [
    ("rate_limits", "rate", "10/s"),
    ("timeouts", "limit", "1 year"),
    ("hedges", "delay", "1s"),
    ("queues", "limit", "8"),
    ("queues", "max_waiting", "16"),
    ("shedding", "limit", "8"),
];

/// A setting with values that it takes and values that it refuses.
struct Row {
    section: &'static str,
    name: &'static str,
    good: Vec<Value>,
    bad: Vec<Value>,
}

fn row(section: &'static str, name: &'static str, good: Value, bad: Value) -> Row {
    let list = |value: Value| value.as_array().cloned().unwrap();
    let (good, bad) = (list(good), list(bad));
    Row {
        section,
        name,
        good,
        bad,
    }
}

// One table.
#[allow(clippy::too_many_lines)]
fn rows() -> Vec<Row> {
    let shares = json!([0.000_001, 0.5, 1, 1.0, "50%", "0.5%", "12.5 %", "100%"]);
    let no_shares = json!([
        0,
        -0.5,
        1.000_001,
        50,
        "0%",
        "101%",
        "-5%",
        "0.5",
        "half",
        "%",
        "",
        true,
        {},
        [],
        "1e1%"
    ]);
    let spans = json!([
        "1ms", "250ms", "1m 30s", "1m30s", "2h", "1.5s", "3 days", "10 us"
    ]);
    let no_spans = json!([
        "0s",
        "0",
        "",
        "30",
        "s",
        "-1s",
        "1x",
        "1 s 2",
        30,
        0.5,
        true,
        {},
        [],
        "9999999999999y",
        "0.5ns",
        "1e3s"
    ]);
    let with_zero = |spans: &Value| {
        let mut spans = spans.as_array().cloned().unwrap();
        spans.push(json!("0s"));
        json!(spans)
    };
    let without_zero = |no: &Value, zero: &Value| {
        let kept: Vec<_> = no
            .as_array()
            .unwrap()
            .iter()
            .filter(|value| *value != zero)
            .collect();
        json!(kept)
    };
    let words = json!(["", "5", "five", true, {}, [], 1.5]);
    let counts = |more: Value| {
        let mut all = more.as_array().cloned().unwrap();
        all.extend(words.as_array().cloned().unwrap());
        json!(all)
    };
    vec![
        row(
            "breakers",
            "failure_threshold",
            shares.clone(),
            no_shares.clone(),
        ),
        row(
            "breakers",
            "minimum_requests",
            json!([1, 20, 1_000_000, 5.0]),
            counts(json!([0, -1, 1_000_001])),
        ),
        row("breakers", "open_timeout", spans.clone(), no_spans.clone()),
        row(
            "breakers",
            "half_open_requests",
            json!([1, 3, 511]),
            counts(json!([0, 512, -1])),
        ),
        row(
            "breakers",
            "window_size",
            json!(["1ms", "1m 30s", "584 years"]),
            no_spans.clone(),
        ),
        row(
            "breakers",
            "window",
            json!([
                {"time": "1m"}, {"time": "1m", "slots": 6}, {"slots": 1, "time": "10us"}, {"count": 1}, {"count": 240},
                {"consecutive": 1}, {"consecutive": 100_000}, {"decay": "30s"}
            ]),
            json!([
                {}, {"slots": 5}, {"count": 0}, {"count": 241}, {"consecutive": 0}, {"consecutive": 100_001},
                {"count": 5, "consecutive": 5}, {"count": 5, "slots": 5}, {"time": "1m", "slots": 0},
                {"time": "1m", "slots": 11}, {"time": 5}, {"decay": "0s"}, {"kount": 5}, "count(5)", 5, true, []
            ]),
        ),
        row(
            "breakers",
            "slow_call_duration",
            spans.clone(),
            no_spans.clone(),
        ),
        row(
            "breakers",
            "slow_call_threshold",
            shares.clone(),
            no_shares.clone(),
        ),
        // True needs a slow_call_duration: see `findings`.
        row(
            "breakers",
            "count_overdue",
            json!([false]),
            json!(["true", 1, 0, "yes", {}, []]),
        ),
        row(
            "breakers",
            "half_open_successes",
            json!([1, 511]),
            counts(json!([0, 512])),
        ),
        row(
            "breakers",
            "half_open_failures",
            json!([0, 510]),
            counts(json!([-1, 511])),
        ),
        row("breakers", "probe_lease", spans.clone(), no_spans.clone()),
        row(
            "breakers",
            "open_backoff",
            json!([1, 1.0, 1.5, 100]),
            json!([0.999, 0, -2, 100.1, "2", true, {}, []]),
        ),
        row(
            "breakers",
            "open_timeout_max",
            spans.clone(),
            no_spans.clone(),
        ),
        row(
            "breakers",
            "open_jitter",
            json!([0, 0.2, 1, "0%", "20%"]),
            without_zero(&without_zero(&no_shares, &json!(0)), &json!("0%")),
        ),
        row(
            "breakers",
            "jitter_seed",
            json!([0, 1, i64::MAX]),
            counts(json!([-1, u64::MAX])),
        ),
        row(
            "breakers",
            "ramp_up",
            with_zero(&spans),
            without_zero(&no_spans, &json!("0s")),
        ),
        row(
            "breakers",
            "record_latency",
            json!([true, false]),
            json!(["true", 1, 0, "yes", {}, []]),
        ),
        row(
            "rate_limits",
            "rate",
            json!([
                "100/s",
                "5 per minute",
                "1000/10s",
                "1/1m 30s",
                "1 / h",
                "60/min",
                "3/day",
                "1000000000/s"
            ]),
            json!([
                "0/s",
                "100",
                "100/",
                "/s",
                "s/100",
                "100/0s",
                "-1/s",
                "1.5/s",
                "100 s",
                "100/x",
                "",
                100,
                true,
                {},
                [],
                "99999999999999999999/s",
                "1/99999999999y",
                "2/ns"
            ]),
        ),
        row(
            "rate_limits",
            "burst",
            json!([1, 20, 1_000_000]),
            counts(json!([0, -1, u64::MAX])),
        ),
        row(
            "rate_limits",
            "algorithm",
            json!(["token_bucket", "sliding_window"]),
            json!(["leaky_bucket", "Token_Bucket", "", 1, true, {}, []]),
        ),
        row(
            "concurrency",
            "limit",
            json!([1, 4, 4_294_967_295_u32]),
            counts(json!([0, -1, 4_294_967_296_u64])),
        ),
        row("timeouts", "limit", spans.clone(), no_spans.clone()),
        row("timeouts", "attempt_limit", spans.clone(), no_spans.clone()),
        row(
            "retries",
            "max_attempts",
            json!([1, 3, 1_000]),
            counts(json!([0, 1_001])),
        ),
        row(
            "retries",
            "initial",
            json!(["0s", "1ms", "20s"]),
            without_zero(&no_spans, &json!("0s")),
        ),
        row(
            "retries",
            "factor",
            json!([1, 2.5, 100]),
            json!([0.9, 100.1, "2", true, {}, []]),
        ),
        row(
            "retries",
            "max",
            json!(["100ms", "1m"]),
            without_zero(&no_spans, &json!("0s")),
        ),
        row(
            "retries",
            "jitter",
            json!(["full", "decorrelated", "none"]),
            json!(["Full", "", 1, false, {}, []]),
        ),
        row("retries", "deadline", spans.clone(), no_spans.clone()),
        row(
            "retries",
            "max_retry_after",
            with_zero(&spans),
            without_zero(&no_spans, &json!("0s")),
        ),
        row(
            "retries",
            "budget_ratio",
            json!([0, 0.2, 1_000]),
            json!([-0.1, 1_000.1, "20%", true, {}, []]),
        ),
        row(
            "retries",
            "budget_minimum_per_second",
            json!([0, 10, 4_294_967_295_u32]),
            counts(json!([-1, 4_294_967_296_u64])),
        ),
        row("retries", "budget_ttl", spans.clone(), no_spans.clone()),
        row("hedges", "delay", spans.clone(), no_spans.clone()),
        row(
            "queues",
            "limit",
            json!([1, 8, 4_294_967_295_u32]),
            counts(json!([0, -1, 4_294_967_296_u64])),
        ),
        row(
            "queues",
            "max_waiting",
            json!([1, 16, 4_294_967_295_u32]),
            counts(json!([0, -1, 4_294_967_296_u64])),
        ),
        row("queues", "max_wait", spans.clone(), no_spans.clone()),
        row(
            "queues",
            "shed_target",
            json!(["5ms", "100ms", "1ns"]),
            no_spans.clone(),
        ),
        row("queues", "shed_interval", spans.clone(), no_spans.clone()),
        row(
            "adaptive",
            "algorithm",
            json!(["gradient2", "vegas", "aimd"]),
            json!(["Gradient2", "", 1, false, {}, []]),
        ),
        row(
            "adaptive",
            "initial_limit",
            json!([1, 20, 200]),
            counts(json!([0, 1_000_001])),
        ),
        row(
            "adaptive",
            "min_limit",
            json!([1, 20]),
            counts(json!([0, 1_000_001])),
        ),
        row(
            "adaptive",
            "max_limit",
            json!([20, 1_000_000]),
            counts(json!([0, 1_000_001])),
        ),
        row("adaptive", "window", spans.clone(), no_spans.clone()),
        row(
            "adaptive",
            "min_samples",
            json!([1, 10_000]),
            counts(json!([0, 10_001])),
        ),
        row(
            "adaptive",
            "latency_limit",
            json!(["1us", "250ms", "4m"]),
            no_spans.clone(),
        ),
        row(
            "adaptive",
            "backoff",
            json!([0.5, 0.9, 0.999]),
            json!([0.4, 1, "50%", true, {}, []]),
        ),
        row(
            "adaptive",
            "tolerance",
            json!([1, 1.5, 4]),
            json!([0.9, 4.1, "2", true, {}, []]),
        ),
        row("adaptive", "smoothing", shares.clone(), no_shares.clone()),
        row(
            "adaptive",
            "baseline_windows",
            json!([10, 4_294_967_295_u32]),
            counts(json!([9, 4_294_967_296_u64])),
        ),
        row(
            "shedding",
            "limit",
            json!([1, 8, 4_294_967_295_u32]),
            counts(json!([0, -1, 4_294_967_296_u64])),
        ),
        row(
            "shedding",
            "sheds_from",
            json!([0, 0.5, 1, "0%", "50%"]),
            json!([-0.5, 1.1, "101%", "0.5", "", true, {}, []]),
        ),
        row(
            "throttles",
            "multiplier",
            json!([1, 2.5, 1_000]),
            json!([0.9, 1_000.1, "2", true, {}, []]),
        ),
        row(
            "throttles",
            "window",
            json!(["100ms", "2m", "1h"]),
            no_spans.clone(),
        ),
        row(
            "throttles",
            "minimum_requests",
            json!([0, 10, 4_294_967_295_u32]),
            counts(json!([-1, 4_294_967_296_u64])),
        ),
        row(
            "throttles",
            "seed",
            json!([0, 7, i64::MAX]),
            counts(json!([-1])),
        ),
        row(
            "rate_limits",
            "max_wait",
            with_zero(&spans),
            without_zero(&no_spans, &json!("0s")),
        ),
        row(
            "hedges",
            "max_attempts",
            json!([2, 100]),
            counts(json!([0, 1, 101])),
        ),
    ]
}

/// A number where it is one.
pub(super) fn plain(usual: &str) -> Value {
    usual
        .parse::<u64>()
        .map_or(json!(usual), |number| json!(number))
}

/// A file in which this setting is all that can be wrong.
fn with(section: &str, name: &str, value: &Value) -> Value {
    let mut settings = Map::new();
    for (of, needed, usual) in NEEDED {
        if section == of && name != needed {
            settings.insert(needed.to_owned(), plain(usual));
        }
    }
    settings.insert(name.to_owned(), value.clone());
    json!({ section: { "x": settings } })
}

fn properties(schema: &Value, section: &str) -> Vec<String> {
    let all = &schema["properties"][section]["additionalProperties"]["properties"];
    let mut names: Vec<_> = all.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn r6_the_table_of_this_test_has_every_setting() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    for section in SECTIONS {
        let mut here: Vec<_> = rows()
            .into_iter()
            .filter(|row| row.section == section)
            .map(|row| row.name.to_owned())
            .collect();
        here.sort();
        assert_eq!(here, properties(&schema, section), "{section}");
    }
}

#[test]
fn r6_good_values_are_taken_alike_in_every_format() {
    let mut tried = 0;
    for row in rows() {
        for value in &row.good {
            let document = with(row.section, row.name, value);
            let mut meanings = Vec::new();
            for format in Format::ALL {
                let read = read(&document, format).expect("every good value can be written");
                let config = read.unwrap_or_else(|error| panic!("{format:?} {document}: {error}"));
                meanings.push(meaning(&config));
                tried += 1;
            }
            assert!(
                meanings.windows(2).all(|two| two[0] == two[1]),
                "{document}: {meanings:?}"
            );
            let given = &meanings[0][row.section]["x"][row.name];
            assert!(!given.is_null(), "{document} is lost");
        }
    }
    assert!(tried > 250, "only {tried}");
}

#[test]
fn r6_bad_values_are_told_alike_in_every_format_and_where_they_stand() {
    let mut tried = 0;
    for row in rows() {
        for value in &row.bad {
            let document = with(row.section, row.name, value);
            let path = format!("{}.x.{}", row.section, row.name);
            let mut told = Vec::new();
            for format in Format::ALL {
                let Some(read) = read(&document, format) else {
                    continue;
                };
                let Err(error) = read else {
                    panic!("{format:?} takes {document}");
                };
                let [finding] = error.findings() else {
                    panic!("{format:?} {document}: {error}");
                };
                assert!(finding.path.starts_with(&path), "{error}");
                let place = finding.place.clone().expect("a place");
                let there = &error.text().unwrap()[place.span];
                let scalar = value.is_number() || value.is_boolean() || value.is_string();
                if scalar {
                    let plain = there.trim_matches(['"', '\'']);
                    let shown = value.to_string();
                    let written = shown.trim_matches('"');
                    let is_same = plain == written || plain.parse::<f64>().ok() == value.as_f64();
                    assert!(is_same, "{format:?} points at {there:?} for {value}");
                }
                told.push((finding.id, finding.message.clone()));
                tried += 1;
            }
            assert!(
                told.windows(2).all(|two| two[0] == two[1]),
                "{document}: {told:?}"
            );
        }
    }
    assert!(tried > 500, "only {tried}");
}

#[test]
fn values_without_quotes_mean_the_same_in_yaml() {
    let config = Config::from_text(
        "breakers:\n  x:\n    failure_threshold: 50%\n    open_timeout: 1m 30s\nrate_limits: {x: {rate: 5 per minute}}",
        Format::Yaml,
    )
    .unwrap();
    assert_eq!(config.breaker("x").unwrap().open_timeout.as_secs(), 90);
    assert!((config.breaker("x").unwrap().failure_threshold - 0.5).abs() < 1e-12);
    let rate = config.rate_limit("x").unwrap().rate;
    assert_eq!((rate.units(), rate.per().get()), (5, 60_000_000_000));
}

/// One value in the defaults is as good as the same in each policy, and the policy's own wins.
#[test]
fn defaults_hold_unless_the_policy_says_otherwise() {
    let config = Config::from_text(
        "[defaults.breakers]\nminimum_requests = 7\nwindow_size = \"30s\"\n[defaults.rate_limits]\nrate = \"3/s\"\n\
         [breakers.a]\n[breakers.b]\nminimum_requests = 9\nwindow = { count = 50 }\n[rate_limits.a]\nburst = 4",
        Format::Toml,
    )
    .unwrap();
    let (a, b) = (config.breaker("a").unwrap(), config.breaker("b").unwrap());
    assert_eq!((a.minimum_requests, a.window_size.as_secs()), (7, 30));
    assert_eq!(b.minimum_requests, 9);
    // Its own window is not given together with that of the defaults.
    assert!(b.window.is_some() && b.validate().is_ok());
    let limit = config.rate_limit("a").unwrap();
    assert_eq!((limit.rate.units(), limit.effective_burst()), (3, 4));
}
