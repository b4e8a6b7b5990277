//! OpenTelemetry: metrics, traces and logs, by OTLP.
//!
//! ```no_run
//! use fuseboard::telemetry::{Registry, Telemetry};
//! use fuseboard::{CircuitBreaker, CircuitBreakerConfig};
//!
//! let registry = Registry::new();
//! let payments = CircuitBreaker::new("payments", CircuitBreakerConfig::default());
//! registry.add_breaker(&payments);
//! // To http://localhost:4318, or where `OTEL_EXPORTER_OTLP_ENDPOINT` says.
//! let telemetry = Telemetry::start(&registry)?;
//! // … serve …
//! telemetry.shutdown();
//! # Ok::<(), fuseboard::telemetry::TelemetryError>(())
//! ```

mod calls;
mod carrier;
mod error;
mod instruments;
mod latency;
mod options;
mod transitions;

pub use calls::Traced;
pub use error::TelemetryError;
pub use instruments::register_metrics;
pub use options::TelemetryOptions;
pub use transitions::TransitionLogger;

use super::registry::Registry;
use carrier::Patience;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long shutting down may take, unless another bound is chosen.
const SHUTDOWN: Duration = Duration::from_millis(1_500);

/// Metrics, traces and logs on their way to a collector, until it is shut down or dropped.
///
/// All work is done by threads of its own, so it may be started and shut down from a runtime with one thread, from one with many and
/// without any. A collector that is away, slow or broken costs a caller nothing: queues are bounded, and what does not
/// fit is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the export"]
pub struct Telemetry {
    /// What is exported lives at least as long.
    _registry: Registry,
    _transitions: Option<Arc<TransitionLogger>>,
    running: Option<Running>,
    bound: Duration,
}

/// What is given to the thread that shuts it down.
#[derive(Debug)]
struct Running {
    meters: Option<SdkMeterProvider>,
    tracers: Option<SdkTracerProvider>,
    loggers: Option<SdkLoggerProvider>,
    patience: Patience,
    #[cfg(feature = "otlp-grpc")]
    runtime: Option<tokio::runtime::Runtime>,
}

impl Telemetry {
    /// Exports `registry` as the standard `OTEL_*` variables say, and makes its providers and W3C's propagators the global ones.
    ///
    /// # Errors
    /// What of the variables cannot be followed.
    pub fn start(registry: &Registry) -> Result<Self, TelemetryError> {
        TelemetryOptions::new().start(registry)
    }

    /// Where the program's own metrics come from; `None`: metrics are not exported.
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.running.as_ref()?.meters.as_ref()
    }

    /// Where the program's own spans come from; `None`: traces are not exported.
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.running.as_ref()?.tracers.as_ref()
    }

    /// Where the program's own log records come from; `None`: logs are not exported.
    pub fn logger_provider(&self) -> Option<&SdkLoggerProvider> {
        self.running.as_ref()?.loggers.as_ref()
    }

    /// Sends what is waiting. It takes at most the bound of [`shutdown`](Self::shutdown). `true`: everything was taken by the collector.
    pub fn flush(&self) -> bool {
        let Some(running) = &self.running else {
            return true;
        };
        let (done, all) = mpsc::channel();
        let mut asked = 0;
        let mut ask = |flush: Box<dyn FnOnce() -> bool + Send>| {
            let done = done.clone();
            // A thread that cannot be made flushes nothing.
            let made = thread::Builder::new().spawn(move || {
                // Nobody waits any more: fine.
                let _ = done.send(flush());
            });
            asked += 1;
            made.is_ok()
        };
        let mut begun = true;
        if let Some(meters) = running.meters.clone() {
            begun &= ask(Box::new(move || meters.force_flush().is_ok()));
        }
        if let Some(tracers) = running.tracers.clone() {
            begun &= ask(Box::new(move || tracers.force_flush().is_ok()));
        }
        if let Some(loggers) = running.loggers.clone() {
            begun &= ask(Box::new(move || loggers.force_flush().is_ok()));
        }
        begun && all_in(&all, asked, self.bound)
    }

    /// Sends what is waiting and ends. It takes at most 1.5 s, or the bound that was chosen. `true`: everything was taken by the collector.
    pub fn shutdown(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        let Some(running) = self.running.take() else {
            return true;
        };
        running.patience.ends_at(Instant::now() + self.bound);
        let (done, all) = mpsc::channel();
        // The thread keeps what a slow collector still holds up, for as long as its requests have patience, and nobody waits for it.
        let made = thread::Builder::new()
            .name("fuseboard-shutdown".to_owned())
            .spawn(move || running.shut_down(&done));
        made.is_ok() && all_in(&all, 1, self.bound)
    }
}

impl Running {
    fn shut_down(self, done: &mpsc::Sender<bool>) {
        let (meters, tracers, loggers) = (self.meters, self.tracers, self.loggers);
        let mut good = true;
        thread::scope(|threads| {
            let own = [
                meters.map(|meters| threads.spawn(move || meters.shutdown().is_ok())),
                tracers.map(|tracers| threads.spawn(move || tracers.shutdown().is_ok())),
                loggers.map(|loggers| threads.spawn(move || loggers.shutdown().is_ok())),
            ];
            for thread in own.into_iter().flatten() {
                good &= thread.join().unwrap_or(false);
            }
        });
        #[cfg(feature = "otlp-grpc")]
        if let Some(runtime) = self.runtime {
            runtime.shutdown_background();
        }
        // Nobody waits any more: fine.
        let _ = done.send(good);
    }
}

/// Whether `count` answers come within `bound`, and all are good.
fn all_in(answers: &mpsc::Receiver<bool>, count: usize, bound: Duration) -> bool {
    let end = Instant::now() + bound;
    (0..count).fold(true, |good, _| {
        let rest = end.saturating_duration_since(Instant::now());
        good & answers.recv_timeout(rest).unwrap_or(false)
    })
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end();
    }
}
