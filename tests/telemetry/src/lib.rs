//! What the tests look with: [`Receiver`], a collector in the test's own process that can also behave badly; [`Server`], endpoints on a
//! port; [`Browser`], a real one without a screen.

mod browser;
mod server;

pub use browser::Browser;
pub use server::Server;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// What the collector does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Answers with this status.
    Refuses(u16),
    /// Never answers.
    Hangs,
    /// Answers 200 with bytes that mean nothing.
    Babbles,
}

/// All that was received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The metrics of each request, the last one last.
    pub metrics: Vec<Vec<Metric>>,
    /// All spans.
    pub spans: Vec<Span>,
    /// All log records.
    pub logs: Vec<LogRecord>,
    /// Attributes of the resources.
    pub resource: BTreeMap<String, String>,
    /// Requests, whatever became of them.
    pub requests: usize,
}

/// A collector on a port of its own, in a thread of its own.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manner: Manner,
    received: Mutex<Received>,
}

impl Receiver {
    /// One that behaves in this manner.
    ///
    /// # Panics
    /// When there is no port or no thread.
    pub fn start(manner: Manner) -> Self {
        let shared = Arc::new(Shared {
            manner,
            received: Mutex::default(),
        });
        let (own, (told, address)) = (Arc::clone(&shared), mpsc::channel());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a port");
                told.send(listener.local_addr().expect("an address"))
                    .expect("the test waits");
                let routes = Router::new().fallback(receive).with_state(own);
                axum::serve(listener, routes).await.expect("it serves");
            });
        });
        Self {
            address: address.recv().expect("the thread begins"),
            shared,
        }
    }

    /// Its address, as the variables want it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came until now.
    pub fn received(&self) -> Received {
        let received = self.shared.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What came, once `enough` says so.
    ///
    /// # Panics
    /// When it does not within 20 s.
    pub fn wait_for(&self, what: &str, enough: impl Fn(&Received) -> bool) -> Received {
        let begun = Instant::now();
        loop {
            let received = self.received();
            if enough(&received) {
                return received;
            }
            let late = begun.elapsed() > Duration::from_secs(20);
            assert!(!late, "no {what} came: {received:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    {
        let mut received = shared
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        received.requests += 1;
        if shared.manner == Manner::Takes {
            take(&mut received, uri.path(), &body);
        }
    }
    match shared.manner {
        Manner::Takes => (StatusCode::OK, Vec::new()),
        Manner::Refuses(status) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, b"not now".to_vec())
        }
        Manner::Hangs => std::future::pending().await,
        Manner::Babbles => (StatusCode::OK, vec![0xFF; 999]),
    }
}

fn take(received: &mut Received, path: &str, body: &[u8]) {
    let own = "what the exporter sends is a message";
    let mut resource = Vec::new();
    match path {
        "/v1/metrics" => {
            let request = ExportMetricsServiceRequest::decode(body).expect(own);
            let mut metrics = Vec::new();
            for part in request.resource_metrics {
                resource.extend(part.resource.into_iter().flat_map(|all| all.attributes));
                metrics.extend(part.scope_metrics.into_iter().flat_map(|all| all.metrics));
            }
            received.metrics.push(metrics);
        }
        "/v1/traces" => {
            let request = ExportTraceServiceRequest::decode(body).expect(own);
            for part in request.resource_spans {
                resource.extend(part.resource.into_iter().flat_map(|all| all.attributes));
                let spans = part.scope_spans.into_iter().flat_map(|all| all.spans);
                received.spans.extend(spans);
            }
        }
        "/v1/logs" => {
            let request = ExportLogsServiceRequest::decode(body).expect(own);
            for part in request.resource_logs {
                resource.extend(part.resource.into_iter().flat_map(|all| all.attributes));
                let logs = part.scope_logs.into_iter().flat_map(|all| all.log_records);
                received.logs.extend(logs);
            }
        }
        other => panic!("{other} is no address of OTLP"),
    }
    received.resource.extend(plain(&resource));
}

/// Attributes as text.
pub fn plain(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.clone());
        let text = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::DoubleValue(number)) => number.to_string(),
            Some(Value::BoolValue(truth)) => truth.to_string(),
            other => format!("{other:?}"),
        };
        (pair.key.clone(), text)
    };
    attributes.iter().map(text).collect()
}

/// The points of a metric: attributes and value.
///
/// # Panics
/// When it is neither a sum nor a gauge.
pub fn points(metric: &Metric) -> Vec<(BTreeMap<String, String>, f64)> {
    let points: &[NumberDataPoint] = match metric.data.as_ref() {
        Some(metric::Data::Gauge(gauge)) => &gauge.data_points,
        Some(metric::Data::Sum(sum)) => &sum.data_points,
        other => panic!("{}: {other:?}", metric.name),
    };
    let value = |point: &NumberDataPoint| match point.value {
        Some(number_data_point::Value::AsInt(number)) => number as f64,
        Some(number_data_point::Value::AsDouble(number)) => number,
        None => f64::NAN,
    };
    points
        .iter()
        .map(|point| (plain(&point.attributes), value(point)))
        .collect()
}

/// The value of one point of a metric, by its name and its attributes.
pub fn value(metrics: &[Metric], name: &str, attributes: &[(&str, &str)]) -> Option<f64> {
    let metric = metrics.iter().find(|metric| metric.name == name)?;
    let wanted: BTreeMap<_, _> = attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let found = points(metric).into_iter().find(|(own, _)| *own == wanted);
    found.map(|(_, value)| value)
}
