//! Round trips, and configurations within other programs' own.

use super::{meaning, read};
use fuseboard::config::{Config, Format};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

fn share() -> impl Strategy<Value = Value> {
    prop_oneof![
        (1_u32..=1_000_000).prop_map(|ppm| json!(f64::from(ppm) / 1e6)),
        (1_u32..=100).prop_map(|percent| json!(format!("{percent}%"))),
    ]
}

fn span() -> impl Strategy<Value = Value> {
    (
        1_u64..1_000_000,
        prop::sample::select(vec!["us", "ms", "s", "m"]),
    )
        .prop_map(|(number, unit)| json!(format!("{}{unit}", number + 100)))
}

fn window() -> impl Strategy<Value = Value> {
    prop_oneof![
        (span(), 1_u32..=10).prop_map(|(span, slots)| json!({ "time": span, "slots": slots })),
        (1_u32..=240).prop_map(|calls| json!({ "count": calls })),
        (1_u32..=100_000).prop_map(|calls| json!({ "consecutive": calls })),
        span().prop_map(|span| json!({ "decay": span })),
    ]
}

fn breaker() -> impl Strategy<Value = Value> {
    let some = prop::option::of::<BoxedStrategy<Value>>;
    (
        some(share().boxed()),
        some((1_u64..1000).prop_map(Value::from).boxed()),
        some(span().boxed()),
        some(window().boxed()),
        some((1_u64..512).prop_map(Value::from).boxed()),
        some(
            (100_u64..10_001)
                .prop_map(|hundredths| json!(hundredths as f64 / 100.0))
                .boxed(),
        ),
        some(span().boxed()),
    )
        .prop_map(|(share, minimum, open, window, probes, backoff, slow)| {
            let rows = [
                ("failure_threshold", share),
                ("minimum_requests", minimum),
                ("open_timeout", open),
                ("window", window),
                ("half_open_requests", probes),
                ("open_backoff", backoff),
                ("slow_call_duration", slow),
            ];
            let given = rows
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(given.collect::<Map<_, _>>())
        })
}

fn document() -> impl Strategy<Value = Value> {
    let name = "[a-zA-Z][a-zA-Z0-9_-]{0,12}|[ä-ü .]{1,4}";
    let rate = (
        1_u64..100_000,
        prop::sample::select(vec!["s", "min", "10s", "1m 30s"]),
    )
        .prop_map(|(units, period)| json!({ "rate": format!("{units}/{period}") }));
    let limit = (1_u32..65_536).prop_map(|limit| json!({ "limit": limit }));
    (
        prop::collection::btree_map(name, breaker(), 0..4),
        prop::collection::btree_map(name, rate, 0..3),
        prop::collection::btree_map(name, limit, 0..3),
    )
        .prop_map(|(breakers, rates, limits)| {
            json!({ "version": 1, "breakers": breakers, "rate_limits": rates, "concurrency": limits })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written means what was read, in every format.
    #[test]
    fn written_and_read_again_it_is_the_same(document in document()) {
        let config = read(&document, Format::Json).unwrap().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let first = meaning(&config);
        for format in Format::ALL {
            let again = read(&first, format).expect("it can be written").map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&meaning(&again), &first);
            for (name, breaker) in config.breakers() {
                prop_assert_eq!(again.breaker(name), Some(breaker));
            }
            for (name, limit) in config.rate_limits() {
                prop_assert_eq!(again.rate_limit(name), Some(limit));
            }
            for (name, limit) in config.concurrency_limits() {
                prop_assert_eq!(again.concurrency_limit(name), Some(limit));
            }
        }
    }
}

#[derive(Deserialize)]
struct Service {
    port: u16,
    resilience: Config,
}

#[test]
fn a_program_may_have_it_within_its_own_configuration() {
    let text = "port = 80\n[resilience.breakers.payments]\nfailure_threshold = \"40%\"";
    let service: Service = toml::from_str(text).unwrap();
    assert_eq!(service.port, 80);
    let threshold = service
        .resilience
        .breaker("payments")
        .unwrap()
        .failure_threshold;
    assert!((threshold - 0.4).abs() < 1e-12);
    assert!(service.resilience.text().is_none());

    let bad = text.replace("40%", "140%") + "\nopen_timeout = 30";
    let Err(error) = toml::from_str::<Service>(&bad) else {
        panic!("140% is taken");
    };
    let shown = error.to_string();
    for line in [
        "breakers.payments.failure_threshold = \"140%\": must be above 0",
        "breakers.payments.open_timeout = 30: must be a duration",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
}
