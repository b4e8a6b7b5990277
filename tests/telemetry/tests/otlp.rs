//! What a collector receives over OTLP, and what becomes of a service whose collector is broken.

use fuseboard::telemetry::{
    Instrument, LaneMetric, METRICS, Registry, Telemetry, TelemetryOptions, prometheus_text,
};
use fuseboard::{
    Board, CircuitBreaker, CircuitBreakerConfig, ClientThrottle, ClientThrottleConfig,
    ConcurrencyLimit, LastGood, ManualClock, Nanos, Pipeline, Rate, RetryBudget, RetryConfig,
    TokenBucketRateLimiter,
};
use fuseboard_telemetry::{Manner, Receiver, plain, points, value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

fn start(registry: &Registry, receiver: &Receiver) -> Telemetry {
    let options = TelemetryOptions::new().endpoint(receiver.endpoint());
    options.global(false).start(registry).expect("good options")
}

/// A breaker that has opened once, and everything else that there is.
fn everything(registry: &Registry) -> (CircuitBreaker, Board) {
    let config = CircuitBreakerConfig {
        record_latency: true,
        ..CircuitBreakerConfig::default()
    };
    let breaker = CircuitBreaker::new("payments", config);
    registry.add_breaker(&breaker);
    for call in 0..20 {
        let permit = breaker.try_acquire().expect("closed");
        permit.settle(if call % 2 == 0 {
            fuseboard::Outcome::Success
        } else {
            fuseboard::Outcome::Failure
        });
    }
    assert!(breaker.try_acquire().is_err(), "it has opened");
    registry.add_token_bucket("search", &TokenBucketRateLimiter::new(Rate::per_hour(1), 7));
    registry.add_concurrency_limit("database", &ConcurrencyLimit::new(5));
    registry.add_retry_budget("payments", &RetryBudget::default());
    let pipeline = Pipeline::builder().retry(RetryConfig::default()).build();
    registry.add_pipeline("payments", &pipeline.expect("good settings"));
    let throttle = ClientThrottle::new(ClientThrottleConfig::new()).expect("good settings");
    registry.add_throttle("payments", &throttle);
    let board = Board::anonymous().expect("shared memory");
    board
        .breaker("ledger", CircuitBreakerConfig::default())
        .expect("a free slot");
    registry.add_board("shop", &board);
    (breaker, board)
}

#[test]
fn o1_every_metric_of_the_table_arrives_and_nothing_else() {
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    let kept = everything(&registry);
    let telemetry = start(&registry, &receiver);
    assert!(telemetry.shutdown(), "the collector takes everything");
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");

    let expected: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    let arrived: BTreeSet<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(arrived, expected);
    for metric in metrics {
        let documented = METRICS.iter().find(|row| row.name == metric.name);
        let documented = documented.expect("compared above");
        assert_eq!(metric.unit, documented.unit, "{}", metric.name);
        assert_eq!(metric.description, documented.about, "{}", metric.name);
        let is_as_documented = match (metric.data.as_ref(), documented.instrument) {
            (Some(Data::Sum(sum)), Instrument::Counter) => sum.is_monotonic,
            (Some(Data::Sum(sum)), Instrument::UpDownCounter) => !sum.is_monotonic,
            (Some(Data::Gauge(_)), Instrument::Gauge) => true,
            (Some(Data::ExponentialHistogram(_)), Instrument::Histogram) => continue,
            _ => false,
        };
        assert!(is_as_documented, "{metric:?}");
        for (attributes, _) in points(metric) {
            let own = attributes.keys().map(String::as_str);
            let own: BTreeSet<_> = own.filter(|key| !key.starts_with("fuseboard.")).collect();
            let documented = documented.attributes.iter().copied().collect();
            assert_eq!(own, documented, "{}", metric.name);
        }
    }
    drop(kept);
}

#[test]
fn o1_the_numbers_are_those_of_the_snapshot() {
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    let kept = everything(&registry);
    start(&registry, &receiver).shutdown();
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");
    let of = |name: &str, more: &[(&str, &str)]| {
        let mut attributes = vec![("fuseboard.name", "payments")];
        attributes.extend(more);
        value(metrics, name, &attributes)
    };
    let calls = |outcome| of("fuseboard.calls", &[("outcome", outcome)]);
    assert_eq!(calls("success"), Some(10.0));
    assert_eq!(calls("failure"), Some(10.0));
    assert_eq!(calls("rejected"), Some(1.0));
    let state = |state| of("fuseboard.circuit_breaker.state", &[("state", state)]);
    assert_eq!((state("open"), state("closed")), (Some(1.0), Some(0.0)));
    let transition = [("from", "closed"), ("to", "open")];
    let transitions = of("fuseboard.circuit_breaker.transitions", &transition);
    assert_eq!(transitions, Some(1.0));
    let threshold = of("fuseboard.circuit_breaker.failure_threshold", &[]);
    assert_eq!(threshold, Some(0.5));
    let bucket = [("fuseboard.name", "search")];
    let available = value(metrics, "fuseboard.rate_limiter.permit.available", &bucket);
    assert_eq!(available, Some(7.0));
    let budget = of("fuseboard.retry.budget.available", &[]);
    assert_eq!(budget, Some(100.0), "ten a second for ten seconds");
    let ledger = [
        ("fuseboard.name", "ledger"),
        ("fuseboard.board", "shop"),
        ("state", "closed"),
    ];
    let ledger = value(metrics, "fuseboard.circuit_breaker.state", &ledger);
    assert_eq!(ledger, Some(1.0));
    let shop = [("fuseboard.name", "shop")];
    assert_eq!(
        value(metrics, "fuseboard.board.processes", &shop),
        Some(1.0)
    );
    drop(kept);
}

static EARLY: LaneMetric = LaneMetric::gauge("shop.early", "{mail}", "Added before the export");
static LATE: LaneMetric = LaneMetric::counter("shop.late", "{mail}", "Added after it began");

#[test]
fn o1_lanes_and_tallies_that_are_added_after_the_export_began_arrive_too() {
    static BOTH: [&LaneMetric; 2] = [&EARLY, &LATE];
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    registry.add_lane("early", &BOTH[..1], || vec![EARLY.value(1.0)]);
    let telemetry = start(&registry, &receiver);
    assert!(telemetry.flush());
    let text = |metrics: &[Metric], name: &str| value(metrics, name, &[]);
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");
    assert_eq!(text(metrics, "shop.early"), Some(1.0));
    assert_eq!(text(metrics, "shop.late"), None);

    // The same metric twice has one instrument, and another lane's values come with it.
    registry.add_lane("late", &BOTH, || vec![LATE.value(3.0)]);
    let seen = LastGood::<u32, u32>::new(1, Duration::from_secs(1)).expect("good settings");
    registry.add_tally("users", seen.tally());
    assert_eq!(seen.last(&1), None);
    assert!(telemetry.shutdown());
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");
    assert_eq!(text(metrics, "shop.early"), Some(1.0));
    assert_eq!(text(metrics, "shop.late"), Some(3.0));
    let missing = [
        ("fuseboard.name", "users"),
        ("policy", "cache"),
        ("outcome", "missing"),
    ];
    assert_eq!(
        value(metrics, "fuseboard.policy.calls", &missing),
        Some(1.0)
    );
    let of = |name: &str| metrics.iter().filter(|metric| metric.name == name).count();
    assert_eq!((of("shop.early"), of("shop.late")), (1, 1));
}

#[test]
fn o1_latencies_arrive_as_an_exponential_histogram_of_seconds() {
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    let clock = ManualClock::new(Nanos::from_secs(1));
    let config = CircuitBreakerConfig {
        record_latency: true,
        ..CircuitBreakerConfig::default()
    };
    let breaker = CircuitBreaker::with_clock("payments", config, clock);
    let breaker = breaker.expect("good settings");
    registry.add_breaker(&breaker);
    for milliseconds in 1..=100 {
        let permit = breaker.try_acquire().expect("closed");
        breaker.clock().advance(Nanos::from_millis(milliseconds));
        permit.success();
    }
    breaker.try_acquire().expect("closed").success();
    assert!(start(&registry, &receiver).shutdown());
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");
    let metric = metrics
        .iter()
        .find(|metric| metric.name == "fuseboard.call.duration");
    let Some(Data::ExponentialHistogram(histogram)) = metric.and_then(|metric| metric.data.clone())
    else {
        panic!("no histogram: {metric:?}");
    };
    let point = &histogram.data_points[0];
    assert_eq!(plain(&point.attributes)["fuseboard.name"], "payments");
    assert_eq!(
        (point.count, point.zero_count),
        (101, 1),
        "and one that took no time"
    );
    let sum = point.sum.unwrap_or_default();
    assert!((sum / 5.05 - 1.0).abs() < 0.05, "{sum} s");
    let buckets = point.positive.clone().expect("buckets");
    let bound = |index: usize| {
        let exponent = f64::from(buckets.offset) + index as f64;
        (exponent * 2_f64.powi(-point.scale)).exp2()
    };
    let mut below = 0;
    let p90 = buckets.bucket_counts.iter().position(|count| {
        below += count;
        below >= 90
    });
    let p90 = bound(p90.expect("it ends") + 1);
    assert!((0.090..0.100).contains(&p90), "{p90} s");

    let text = prometheus_text(&registry.report());
    let line = |text: &str, of: &str| text.lines().any(|line| line.ends_with(of));
    assert!(
        line(&text, "_count{fuseboard_name=\"payments\"} 101"),
        "{text}"
    );
    assert!(line(&text, ",le=\"0.134217728\"} 101"), "{text}");
    assert!(line(&text, ",le=\"0.067108864\"} 68"), "{text}");
}

#[test]
fn o1_names_beyond_the_limit_are_one_series_and_no_call_is_lost() {
    let registry = Registry::with_series_limit(3);
    let receiver = Receiver::start(Manner::Takes);
    for number in 0..10 {
        let breaker = CircuitBreaker::new(format!("b{number}"), CircuitBreakerConfig::default());
        for _ in 0..=number {
            breaker.try_acquire().expect("closed").success();
        }
        registry.add_breaker(&breaker);
    }
    start(&registry, &receiver).shutdown();
    let received = receiver.received();
    let metrics = received.metrics.last().expect("metrics");
    let calls = metrics
        .iter()
        .find(|metric| metric.name == "fuseboard.calls");
    let calls = points(calls.expect("calls"));
    let good = calls
        .iter()
        .filter(|(labels, _)| labels["outcome"] == "success");
    let names: Vec<_> = good
        .clone()
        .map(|(labels, _)| labels["fuseboard.name"].as_str())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"_other"), "{names:?}");
    let sum: f64 = good.map(|(_, value)| value).sum();
    assert_eq!(sum.to_string(), "55");
}

#[test]
fn o1_a_change_of_state_is_a_log_record_with_its_reason() {
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    let telemetry = start(&registry, &receiver);
    let kept = everything(&registry);
    assert!(telemetry.shutdown());
    let received = receiver.received();
    let opened = received.logs.first().expect("a record");
    assert_eq!(opened.event_name, "fuseboard.circuit_breaker.state_changed");
    assert_eq!(opened.severity_text, "WARN");
    let facts = plain(&opened.attributes);
    let fact = |key: &str| facts.get(key).map(String::as_str);
    assert_eq!(fact("fuseboard.name"), Some("payments"));
    assert_eq!((fact("from"), fact("to")), (Some("closed"), Some("open")));
    assert_eq!(fact("reason"), Some("failure_rate"));
    assert_eq!((fact("calls"), fact("failures")), (Some("20"), Some("10")));
    assert_eq!(fact("failure_rate"), Some("0.5"));
    drop(kept);
}

#[test]
fn o1_changes_on_a_board_are_told_whoever_caused_them_and_none_is_left_out() {
    let (registry, receiver) = (Registry::new(), Receiver::start(Manner::Takes));
    let board = Board::anonymous().expect("shared memory");
    let ledger = board.breaker("ledger", CircuitBreakerConfig::default());
    let ledger = ledger.expect("a free slot");
    // Of former times: shown, but no news.
    ledger.force_open();
    ledger.reset();
    std::thread::sleep(Duration::from_millis(20));
    registry.add_board("shop", &board);
    let telemetry = start(&registry, &receiver);
    assert_eq!(registry.report().breakers[0].changes.len(), 2);
    for _ in 0..20 {
        ledger.try_acquire().expect("closed").failure();
    }
    ledger.reset();
    ledger.disable();
    let report = registry.report();
    assert_eq!(report.breakers[0].changes.len(), 5);
    assert!(telemetry.shutdown());
    let logs = receiver.received().logs;
    let told: Vec<_> = logs
        .iter()
        .map(|record| plain(&record.attributes))
        .map(|facts| {
            format!(
                "{} {} {}",
                facts["to"], facts["reason"], facts["fuseboard.board"]
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "open failure_rate shop",
            "closed manual shop",
            "disabled manual shop"
        ]
    );
}

#[test]
fn o2_what_is_exported_keeps_no_registry_alive() {
    let receiver = Receiver::start(Manner::Takes);
    let registry = Registry::new();
    let breaker = CircuitBreaker::new("payments", CircuitBreakerConfig::default());
    registry.add_breaker(&breaker);
    let telemetry = start(&registry, &receiver);
    registry.remove("payments");
    assert!(telemetry.flush());
    let received = receiver.received();
    let metrics = received.metrics.last().map(Vec::len);
    assert!(metrics.is_none_or(|count| count == 0), "{received:?}");
    telemetry.shutdown();
}

/// What the service prints: its slowest call, and its shutdown; whether that delivered everything.
struct Run {
    slowest_call: Duration,
    shutdown: Duration,
    delivered: bool,
}

fn run(runtime: &str, endpoint: &str, more: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_fuseboard-telemetry"))
        .arg(runtime)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_SERVICE_NAME", "shop")
        .envs(more.iter().copied())
        .output()
        .expect("the service starts");
    let (text, complaints) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{text}{complaints}");
    assert!(!complaints.contains("panicked"), "{complaints}");
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        let number = line
            .split_whitespace()
            .next()
            .and_then(|word| word.parse().ok());
        Duration::from_micros(number.expect("a number"))
    };
    Run {
        slowest_call: number("slowest call "),
        shutdown: number("shutdown "),
        delivered: text.contains("true"),
    }
}

#[test]
fn o1_metrics_traces_and_logs_arrive_from_every_runtime() {
    for runtime in ["current-thread", "multi-thread", "none"] {
        let receiver = Receiver::start(Manner::Takes);
        let run = run(runtime, &receiver.endpoint(), &[]);
        assert!(run.delivered, "{runtime}");
        let received = receiver.received();
        assert_eq!(received.resource["service.name"], "shop");
        assert!(!received.metrics.is_empty(), "{runtime}: metrics");
        assert_eq!(received.logs.len(), 1, "{runtime}: one opening");
        let named = |name: &str| {
            let own = received.spans.iter().filter(|span| span.name == name);
            own.cloned().collect::<Vec<_>>()
        };

        // A span for each call that asked for one, with the facts of the call.
        let calls = named("circuit_breaker.call.payments");
        assert_eq!(calls.len(), 50, "{runtime}");
        let mut facts = calls.iter().map(|span| plain(&span.attributes));
        let results: Vec<_> = facts
            .clone()
            .map(|facts| facts["fuseboard.result"].clone())
            .collect();
        let count = |result: &str| results.iter().filter(|own| *own == result).count();
        assert_eq!(
            (count("success"), count("failure"), count("rejected")),
            (10, 10, 30)
        );
        let last = facts.next_back().expect("50 spans");
        assert_eq!(last["error.type"], "circuit_open");
        assert_eq!(last["fuseboard.circuit_breaker.state"], "open");
        assert_eq!(last["fuseboard.failures"], "20");

        // The span of the request that was current: told of a rejection, and of nothing else.
        let requests = named("request");
        assert_eq!(requests.len(), 50, "{runtime}");
        let mut told = requests.iter().filter(|span| !span.attributes.is_empty());
        assert_eq!(told.clone().count(), 30, "{runtime}: the rejected ones");
        let facts = plain(&told.next_back().expect("30 spans").attributes);
        assert_eq!(facts["fuseboard.rejected_by"], "circuit_breaker");

        // The change is an event of the span whose call caused it, and the record names that trace.
        let events = received.spans.iter().flat_map(|span| &span.events);
        let event = events.clone().next().expect("an event");
        assert_eq!(
            (events.count(), event.name.as_str()),
            (1, "fuseboard.circuit_breaker.state_changed")
        );
        let cause = received.spans.iter().find(|span| !span.events.is_empty());
        let cause = cause.expect("found above");
        assert_eq!(received.logs[0].span_id, cause.span_id);
        let facts = plain(&cause.attributes);
        assert_eq!(
            facts["fuseboard.circuit_breaker.transition"],
            "closed -> open"
        );
    }
}

#[test]
fn o2_a_broken_collector_holds_up_neither_a_call_nor_the_shutdown() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", taken.local_addr().expect("an address"));
    drop(taken);
    let manners = [
        Manner::Hangs,
        Manner::Babbles,
        Manner::Refuses(429),
        Manner::Refuses(503),
        Manner::Refuses(400),
    ];
    let receivers = manners.map(Receiver::start);
    let endpoints = receivers.iter().map(Receiver::endpoint).chain([nobody]);
    for (place, endpoint) in endpoints.enumerate() {
        let run = run("current-thread", &endpoint, &[]);
        let manner = manners.get(place);
        assert!(
            run.shutdown < Duration::from_secs(2),
            "{manner:?}: {:?}",
            run.shutdown
        );
        assert!(
            run.slowest_call < Duration::from_millis(500),
            "{manner:?}: {:?}",
            run.slowest_call
        );
        if manner != Some(&Manner::Babbles) {
            assert!(!run.delivered, "{manner:?}");
        }
    }
    for receiver in receivers {
        assert!(receiver.received().requests > 0, "it was asked");
    }
}

#[test]
fn o2_the_standard_variables_turn_the_export_off() {
    let receiver = Receiver::start(Manner::Takes);
    run(
        "none",
        &receiver.endpoint(),
        &[("OTEL_SDK_DISABLED", "true")],
    );
    assert_eq!(receiver.received().requests, 0);
    let off = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ];
    run("none", &receiver.endpoint(), &off);
    let received = receiver.received();
    assert_eq!((received.spans.len(), received.logs.len()), (0, 0));
    assert_eq!(received.metrics.len(), 1);
}
