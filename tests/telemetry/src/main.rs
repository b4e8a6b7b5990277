//! A service whose dependency fails: what the tests start with variables of their own.
//!
//! `service RUNTIME`: in `current-thread`, `multi-thread` or `none`. It prints the slowest call and how long the shutdown took, in
//! microseconds.

use fuseboard::telemetry::{Registry, Telemetry, Traced};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig};
use opentelemetry::global;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

fn main() {
    let runtime = std::env::args().nth(1).unwrap_or_default();
    let registry = Registry::new();
    match runtime.as_str() {
        "current-thread" | "multi-thread" => {
            let mut builder = if runtime == "multi-thread" {
                Builder::new_multi_thread()
            } else {
                Builder::new_current_thread()
            };
            let runtime = builder.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let telemetry = Telemetry::start(&registry).expect("good variables");
                serve(&registry).await;
                finish(telemetry);
            });
        }
        "none" => {
            let telemetry = Telemetry::start(&registry).expect("good variables");
            let runtime = Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(serve(&registry));
            drop(runtime);
            finish(telemetry);
        }
        other => panic!("runtime is {other:?}; allowed: current-thread, multi-thread, none"),
    }
}

/// Twenty good calls, twenty bad ones, which open the breaker, and sixty that are rejected.
async fn serve(registry: &Registry) {
    let config = CircuitBreakerConfig {
        open_timeout: Duration::from_secs(3_600),
        ..CircuitBreakerConfig::default()
    };
    let breaker = CircuitBreaker::new("payments", config);
    registry.add_breaker(&breaker);
    let (quiet, spans) = (Traced::new(&breaker), Traced::new(&breaker).with_spans());
    let mut slowest = Duration::ZERO;
    for call in 0..100 {
        let begun = Instant::now();
        let operation = async { if call < 20 { Ok(call) } else { Err("broken") } };
        if call % 2 == 0 {
            let request = global::tracer("service").start("request");
            let context = opentelemetry::Context::current_with_span(request);
            let _ = quiet.call(operation).with_context(context).await;
        } else {
            let _ = spans.call(operation).await;
        }
        slowest = slowest.max(begun.elapsed());
    }
    println!("slowest call {}", slowest.as_micros());
}

fn finish(telemetry: Telemetry) {
    let begun = Instant::now();
    let all = telemetry.shutdown();
    println!("shutdown {} {all}", begun.elapsed().as_micros());
}
