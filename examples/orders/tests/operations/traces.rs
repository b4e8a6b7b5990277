//! What a collector receives: one trace from the gateway to the append, and links from there to whoever handles the event later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::Uri;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use orders::observe::APPEND_BUCKETS;
use prost::Message;

use crate::program::{Service, pay_for_a_lamp};

#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(State(received): State<Received>, uri: Uri, body: Bytes) {
    match uri.path() {
        "/v1/traces" => {
            let request = ExportTraceServiceRequest::decode(body).expect("a message");
            let scopes = request
                .resource_spans
                .into_iter()
                .flat_map(|own| own.scope_spans);
            lock(&received.spans).extend(scopes.flat_map(|scope| scope.spans));
        }
        "/v1/metrics" => {
            let request = ExportMetricsServiceRequest::decode(body).expect("a message");
            let scopes = request
                .resource_metrics
                .into_iter()
                .flat_map(|own| own.scope_metrics);
            lock(&received.metrics).extend(scopes.flat_map(|scope| scope.metrics));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o6_a_trace_leads_from_the_request_to_the_append_and_whoever_handles_the_event_links_to_it()
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let collector = format!("http://{}", listener.local_addr().expect("an address"));
    let received = Received::default();
    let routes = Router::new().fallback(receive).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), |command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
    });
    pay_for_a_lamp(&service).await;
    let begun = Instant::now();
    let is_handled = |spans: &[Span]| {
        let wanted = [
            "append orders",
            "send orders.events",
            "process orders.events",
        ];
        wanted
            .iter()
            .all(|name| spans.iter().any(|span| span.name == *name))
    };
    while !is_handled(&lock(&received.spans)) && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, log) = service.end();
    assert!(status.success(), "{log}");

    let spans = lock(&received.spans).clone();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let create: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "POST /orders")
        .collect();
    let [one, other] = create[..] else {
        panic!("the gateway's and the service's: {names:?}");
    };
    let (gateway, behind) = if one.parent_span_id.is_empty() {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!(behind.parent_span_id, gateway.span_id, "{names:?}");
    let append = spans
        .iter()
        .find(|span| span.name == "append orders" && span.trace_id == gateway.trace_id);
    let append = append.unwrap_or_else(|| panic!("no append in the trace: {names:?}"));
    assert_eq!(append.parent_span_id, behind.span_id);
    for later in ["send orders.events", "process orders.events"] {
        let linked = spans.iter().find(|span| {
            let mut links = span.links.iter();
            span.name == later && links.any(|link| link.trace_id == gateway.trace_id)
        });
        let linked = linked.unwrap_or_else(|| panic!("no {later} links to it: {names:?}"));
        assert_ne!(
            linked.trace_id, gateway.trace_id,
            "{later} is not part of the request"
        );
    }
    let metrics = lock(&received.metrics).clone();
    for name in [
        "orders.eventstore.head.position",
        "orders.projection.lag.time",
        "fuseboard.calls",
    ] {
        assert!(metrics.iter().any(|own| own.name == name), "{name}");
    }
    assert_durations(&metrics);
}

/// Each append that was stored is in a bucket, and none has an error.
fn assert_durations(metrics: &[Metric]) {
    let number = |name: &str| {
        let last = metrics.iter().rfind(|own| own.name == name);
        last.unwrap_or_else(|| panic!("no {name}"))
    };
    let Some(Data::Sum(appends)) = &number("orders.eventstore.appends").data else {
        panic!("a counter");
    };
    let Some(Value::AsDouble(appends)) = appends.data_points[0].value else {
        panic!("a number");
    };
    let durations = number("orders.eventstore.append.duration");
    assert_eq!(durations.unit, "s");
    let Some(Data::Histogram(durations)) = &durations.data else {
        panic!("a histogram: {durations:?}");
    };
    let [point] = &durations.data_points[..] else {
        panic!("one series: {durations:?}");
    };
    assert!(point.attributes.is_empty(), "{point:?}");
    assert_eq!(point.explicit_bounds, APPEND_BUCKETS);
    assert_eq!(point.count, appends as u64, "{point:?}");
    assert!(point.count >= 3, "created, asked for, paid: {point:?}");
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    let (least, most) = (point.min.unwrap_or_default(), point.max.unwrap_or_default());
    // Seconds: a disk takes more than a microsecond, and the store's policies allow no more than four seconds.
    assert!(1e-6 < least && least <= most && most < 4.5, "{point:?}");
}
