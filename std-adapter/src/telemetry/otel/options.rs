//! [`TelemetryOptions`]: what is exported, where to and how; by default what the standard variables say.

use super::carrier::{Carrier, Patience};
use super::error::TelemetryError;
use super::latency::Latencies;
use super::{Running, SHUTDOWN, Telemetry, TransitionLogger, register_metrics};
use crate::telemetry::metrics::SCOPE;
use crate::telemetry::registry::Registry;
use opentelemetry::global;
use opentelemetry::logs::LoggerProvider;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_otlp::{
    LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::env;
use std::time::Duration;

/// The three kinds of telemetry: the part of their variables' names, and of their address.
const METRICS: Signal = Signal("metrics", "OTEL_METRICS_EXPORTER");
const TRACES: Signal = Signal("traces", "OTEL_TRACES_EXPORTER");
const LOGS: Signal = Signal("logs", "OTEL_LOGS_EXPORTER");

#[derive(Clone, Copy)]
struct Signal(&'static str, &'static str);

/// What to export where, when it is not what the standard variables say.
///
/// | variable | followed |
/// |---|---|
/// | `OTEL_SDK_DISABLED` | `true`: nothing is exported |
/// | `OTEL_METRICS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_LOGS_EXPORTER` | `otlp` (default) or `none` |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` and one for each signal | `http/protobuf` (default); `grpc` with feature `otlp-grpc` |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`, `_TIMEOUT` and one for each signal | as the standard says |
/// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_BSP_*`, `OTEL_BLRP_*`, `OTEL_TRACES_SAMPLER` | by the SDK |
#[derive(Clone, Debug)]
#[must_use = "options start nothing by themselves"]
pub struct TelemetryOptions {
    endpoint: Option<String>,
    service_name: Option<String>,
    bound: Duration,
    is_global: bool,
}

impl Default for TelemetryOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TelemetryOptions {
    /// What the standard variables say.
    pub fn new() -> Self {
        Self {
            endpoint: None,
            service_name: None,
            bound: SHUTDOWN,
            is_global: true,
        }
    }

    /// The collector's address, such as `http://collector:4318`, whatever the variables say.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// The service's name where `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` give none.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// How long a flush and the shutdown may take; 1.5 s by default.
    pub fn shutdown_bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Whether its providers and W3C's propagators become the global ones, which they do by default.
    pub fn global(mut self, is_global: bool) -> Self {
        self.is_global = is_global;
        self
    }

    /// Starts to export `registry`.
    ///
    /// # Errors
    /// What of the variables cannot be followed; nothing has been started then.
    pub fn start(self, registry: &Registry) -> Result<Telemetry, TelemetryError> {
        let mut running = Running {
            meters: None,
            tracers: None,
            loggers: None,
            patience: Patience::default(),
            #[cfg(feature = "otlp-grpc")]
            runtime: None,
        };
        let mut transitions = None;
        if !is_disabled() {
            self.build(&mut running, registry)?;
        }
        if let Some(meters) = &running.meters {
            register_metrics(registry, &meters.meter(SCOPE));
        }
        if let Some(loggers) = &running.loggers {
            transitions = Some(TransitionLogger::attach(registry, loggers.logger(SCOPE)));
        }
        if self.is_global {
            make_global(&running);
        }
        Ok(Telemetry {
            _registry: registry.clone(),
            _transitions: transitions,
            running: Some(running),
            bound: self.bound,
        })
    }

    #[cfg(feature = "otlp-grpc")]
    fn build(&self, running: &mut Running, registry: &Registry) -> Result<(), TelemetryError> {
        if ![METRICS, TRACES, LOGS]
            .iter()
            .any(|signal| signal.is_grpc())
        {
            return self.build_providers(running, registry);
        }
        let runtime = grpc_runtime()?;
        let built = {
            // Channels belong to the runtime in which they are made, whose threads are our own.
            let _inside = runtime.enter();
            self.build_providers(running, registry)
        };
        match built {
            Ok(()) => running.runtime = Some(runtime),
            // Dropping it would wait, which panics inside of another runtime.
            Err(_) => runtime.shutdown_background(),
        }
        built
    }

    #[cfg(not(feature = "otlp-grpc"))]
    fn build(&self, running: &mut Running, registry: &Registry) -> Result<(), TelemetryError> {
        self.build_providers(running, registry)
    }

    fn build_providers(
        &self,
        running: &mut Running,
        registry: &Registry,
    ) -> Result<(), TelemetryError> {
        let mut resource = Resource::builder();
        if let Some(name) = self.service_name.clone().filter(|_| !is_named()) {
            resource = resource.with_service_name(name);
        }
        let resource = resource.build();
        let patience = running.patience.clone();
        if METRICS.is_on()? {
            let builder = MetricExporter::builder();
            let exporter = match METRICS.protocol()? {
                #[cfg(feature = "otlp-grpc")]
                Protocol::Grpc => self.grpc(builder.with_tonic()).build(),
                _ => {
                    let more = Latencies::new(registry, &resource);
                    self.http(METRICS, builder.with_http(), &patience, Some(more))?
                }
                .build(),
            };
            let exporter = exporter.map_err(|error| METRICS.refused(&error))?;
            let builder = SdkMeterProvider::builder()
                .with_periodic_exporter(exporter)
                .with_resource(resource.clone());
            running.meters = Some(builder.build());
        }
        if TRACES.is_on()? {
            let builder = SpanExporter::builder();
            let exporter = match TRACES.protocol()? {
                #[cfg(feature = "otlp-grpc")]
                Protocol::Grpc => self.grpc(builder.with_tonic()).build(),
                _ => self
                    .http(TRACES, builder.with_http(), &patience, None)?
                    .build(),
            };
            let exporter = exporter.map_err(|error| TRACES.refused(&error))?;
            let builder = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource.clone());
            running.tracers = Some(builder.build());
        }
        if LOGS.is_on()? {
            let builder = LogExporter::builder();
            let exporter = match LOGS.protocol()? {
                #[cfg(feature = "otlp-grpc")]
                Protocol::Grpc => self.grpc(builder.with_tonic()).build(),
                _ => self
                    .http(LOGS, builder.with_http(), &patience, None)?
                    .build(),
            };
            let exporter = exporter.map_err(|error| LOGS.refused(&error))?;
            let builder = SdkLoggerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource.clone());
            running.loggers = Some(builder.build());
        }
        Ok(())
    }

    fn http<B: WithHttpConfig + WithExportConfig>(
        &self,
        signal: Signal,
        builder: B,
        patience: &Patience,
        more: Option<Latencies>,
    ) -> Result<B, TelemetryError> {
        let carrier = Carrier::new(signal.timeout(), patience, more);
        let carrier = carrier.map_err(|reason| signal.refused(&reason))?;
        let builder = builder
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(carrier);
        Ok(match &self.endpoint {
            Some(endpoint) => {
                let base = endpoint.trim_end_matches('/');
                builder.with_endpoint(format!("{base}/v1/{}", signal.0))
            }
            None => builder,
        })
    }

    #[cfg(feature = "otlp-grpc")]
    fn grpc<B: WithExportConfig>(&self, builder: B) -> B {
        match &self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint),
            None => builder,
        }
    }
}

impl Signal {
    fn is_on(self) -> Result<bool, TelemetryError> {
        match text(self.1).as_deref() {
            None | Some("otlp") => Ok(true),
            Some("none") => Ok(false),
            Some(other) => Err(TelemetryError::Setting {
                field: self.1,
                found: other.to_owned(),
                allowed: "otlp or none; other exporters are added to the providers by the program",
            }),
        }
    }

    /// The variable of this signal, else the one of all.
    fn variable(self, name: &str) -> Option<String> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", self.0.to_uppercase());
        text(&own).or_else(|| text(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    fn protocol(self) -> Result<Protocol, TelemetryError> {
        match self.variable("PROTOCOL").as_deref() {
            None | Some("http/protobuf") => Ok(Protocol::HttpBinary),
            #[cfg(feature = "otlp-grpc")]
            Some("grpc") => Ok(Protocol::Grpc),
            Some(other) => Err(TelemetryError::Setting {
                field: "OTEL_EXPORTER_OTLP_PROTOCOL",
                found: other.to_owned(),
                allowed: "http/protobuf, or grpc where the program was built with feature `otlp-grpc`",
            }),
        }
    }

    #[cfg(feature = "otlp-grpc")]
    fn is_grpc(self) -> bool {
        matches!(self.protocol(), Ok(Protocol::Grpc))
    }

    fn timeout(self) -> Duration {
        let milliseconds = self.variable("TIMEOUT").and_then(|text| text.parse().ok());
        milliseconds.map_or(Duration::from_secs(10), Duration::from_millis)
    }

    fn refused(self, reason: &dyn ToString) -> TelemetryError {
        TelemetryError::Exporter {
            signal: self.0,
            reason: reason.to_string(),
        }
    }
}

/// A variable that is set to something: empty is unset, as the standard says.
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_disabled() -> bool {
    text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether the standard variables name the service.
fn is_named() -> bool {
    text("OTEL_SERVICE_NAME").is_some()
        || text("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="))
}

/// Channels work on a thread of their own, whatever the program's runtime does.
#[cfg(feature = "otlp-grpc")]
fn grpc_runtime() -> Result<tokio::runtime::Runtime, TelemetryError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("fuseboard-otlp")
        .enable_all()
        .build()
        .map_err(|reason| METRICS.refused(&reason))
}

fn make_global(running: &Running) {
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]));
    if let Some(meters) = &running.meters {
        global::set_meter_provider(meters.clone());
    }
    if let Some(tracers) = &running.tracers {
        global::set_tracer_provider(tracers.clone());
    }
}
