//! What is deployed asks for what is exported: the rules of Prometheus and the dashboard of Grafana.

use fuseboard::telemetry::{Instrument, METRICS};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn deployed(name: &str) -> String {
    let path = format!("{}/../../deploy/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every series that Prometheus has of ours.
fn exported() -> BTreeSet<String> {
    let names = METRICS.iter().flat_map(|metric| {
        let name = metric.prometheus_name();
        match metric.instrument {
            Instrument::Histogram => ["_bucket", "_sum", "_count"]
                .map(|end| format!("{name}{end}"))
                .to_vec(),
            _ => vec![name],
        }
    });
    names.collect()
}

/// The words of a query that begin with `prefix`.
fn words<'a>(query: &'a str, prefix: &str) -> Vec<&'a str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let words = query.split(|character| !is_part(character));
    words.filter(|word| word.starts_with(prefix)).collect()
}

/// Names of ours in a query that nothing exports.
fn unknown(query: &str) -> Vec<String> {
    let exported = exported();
    // Labels, not series.
    let is_label = |word: &str| matches!(word, "fuseboard_name" | "fuseboard_board");
    let own = words(query, "fuseboard_")
        .into_iter()
        .filter(|word| !is_label(word));
    own.filter(|word| !exported.contains(*word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn o1_a_name_that_is_not_exported_is_found() {
    assert_eq!(
        unknown("rate(fuseboard_call_total{fuseboard_name=\"a\"}[5m])"),
        ["fuseboard_call_total"]
    );
    assert!(unknown("sum(fuseboard_calls_total) by (fuseboard_name)").is_empty());
}

#[test]
fn o1_rules_ask_for_what_is_exported_or_recorded() {
    let rules = deployed("prometheus/fuseboard.rules.yml");
    let queries: Vec<_> = rules.lines().filter(|line| !line.contains('#')).collect();
    let queries = queries.join("\n");
    assert_eq!(unknown(&queries), Vec::<String>::new());
    let recorded: BTreeSet<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .collect();
    for name in [
        "circuit_breaker_state",
        "circuit_breaker_requests_total",
        "circuit_breaker_failures_total",
    ] {
        assert!(recorded.contains(name), "{name}");
    }
    for prefix in [
        "circuit_breaker_",
        "circuit_breaker:",
        "concurrency_limit:",
        "rate_limiter:",
    ] {
        for name in words(&queries, prefix) {
            let is_group = matches!(name, "circuit_breaker_records" | "circuit_breaker_alerts");
            assert!(
                is_group || recorded.contains(name),
                "{name} is not recorded"
            );
        }
    }
    let tests = deployed("prometheus/fuseboard.test.yml");
    for alert in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(
            tests.contains(&format!("alertname: {alert}\n")),
            "{alert} has no test in which it fires"
        );
    }
}

#[test]
fn o1_every_query_of_the_dashboard_names_what_is_exported() {
    let dashboard: Value = serde_json::from_str(&deployed("grafana/fuseboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut asked = BTreeSet::new();
    let mut count = 0;
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{} asks for nothing", panel["title"]);
        assert!(
            !panel["description"].as_str().unwrap_or_default().is_empty(),
            "{}",
            panel["title"]
        );
        for target in targets {
            let query = target["expr"].as_str().expect("a query");
            assert_eq!(unknown(query), Vec::<String>::new(), "{}", panel["title"]);
            assert!(!words(query, "fuseboard_").is_empty(), "{query}");
            asked.extend(words(query, "fuseboard_").into_iter().map(str::to_owned));
            count += 1;
        }
    }
    assert!(count >= 15, "{count} queries");
    for list in [
        &dashboard["templating"]["list"],
        &dashboard["annotations"]["list"],
    ] {
        assert_eq!(unknown(&list.to_string()), Vec::<String>::new());
    }
    // No panel lies on another.
    for (place, one) in panels.iter().enumerate() {
        for other in &panels[place + 1..] {
            let of = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().expect("a place");
            let apart = |at: &str, size: &str| {
                of(one, at) + of(one, size) <= of(other, at)
                    || of(other, at) + of(other, size) <= of(one, at)
            };
            assert!(
                apart("x", "w") || apart("y", "h"),
                "{} and {}",
                one["title"],
                other["title"]
            );
        }
    }
    assert!(asked.len() >= 12, "{asked:?}");
}
