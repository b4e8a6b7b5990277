//! Metrics, traces, logs, health and a live page, read from what breakers and limiters count anyway.
//!
//! A [`Registry`] knows what there is to observe. Everything else reads it when it is asked to: nothing is added to a call.
//!
//! ```
//! use fuseboard::telemetry::Registry;
//! use fuseboard::{CircuitBreaker, CircuitBreakerConfig};
//!
//! let registry = Registry::new();
//! let payments = CircuitBreaker::new("payments", CircuitBreakerConfig::default());
//! registry.add_breaker(&payments);
//!
//! let text = fuseboard::telemetry::prometheus_text(&registry.report());
//! assert!(text.contains(r#"fuseboard_circuit_breaker_state{fuseboard_name="payments",state="closed"} 1"#));
//! ```

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
mod boards;
mod changes;
#[cfg(feature = "http-endpoints")]
mod http;
mod lane;
mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod own;
mod points;
mod prometheus;
mod registry;
mod report;
mod source;

pub use crate::tally::{OUTCOMES, PolicyOutcomes, Tally};
pub use changes::Change;
#[cfg(feature = "http-endpoints")]
pub use http::{Endpoints, Health};
pub use lane::{LaneMetric, LaneReport, LaneValue};
pub use metrics::{Instrument, METRICS, Metric};
#[cfg(feature = "otel")]
pub use otel::{
    Telemetry, TelemetryError, TelemetryOptions, Traced, TransitionLogger, register_metrics,
};
pub use prometheus::prometheus_text;
pub use registry::Registry;
pub use report::{
    BreakerReport, BucketReport, BudgetReport, LimitReport, Report, TallyReport, ThrottleReport,
};
