//! Log lines on standard error, and spans on their way to a collector.
//!
//! What is logged names orders, never people or tokens: a body, a header or an address with a password is in no event here, and a test
//! that reads all that a service said looks for them.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::settings::LogFormat;

/// What is said when `RUST_LOG` says nothing: a driver's every statement is not.
const USUAL: &str =
    "info,sqlx=warn,hyper=warn,reqwest=warn,opentelemetry=warn,opentelemetry_sdk=warn";

/// Takes all events of the process. A second call changes nothing.
pub fn install(format: LogFormat, spans: Option<&SdkTracerProvider>) {
    let chosen = std::env::var("RUST_LOG").unwrap_or_default();
    let chosen = if chosen.is_empty() {
        USUAL.to_owned()
    } else {
        chosen
    };
    let filter = EnvFilter::try_new(&chosen).unwrap_or_else(|error| {
        // There is no log yet to say it in.
        eprintln!("orders: RUST_LOG is {chosen:?}: {error}; logging at info");
        EnvFilter::new(USUAL)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let lines = match format {
        LogFormat::Text => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(is_terminal).boxed()
        }
        LogFormat::Json => lines.json().boxed(),
    };
    let spans = spans.map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("orders"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Our own spans: those of the exporter's client would make more of themselves.
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target().starts_with("orders")
            }))
    });
    // Somebody else's subscriber, in tests, stays.
    let _ = tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(filter))
        .try_init();
}
