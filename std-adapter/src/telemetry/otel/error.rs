//! [`TelemetryError`]: why nothing is exported.

/// Why the export could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A setting cannot be followed.
    #[error("{field} is {found:?}; allowed: {allowed}")]
    Setting {
        /// The variable.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be, and what to do.
        allowed: &'static str,
    },
    /// The exporter refused its settings, such as an endpoint that is no address.
    #[error("no exporter for {signal}: {reason}; look at the variables OTEL_EXPORTER_OTLP_*")]
    Exporter {
        /// Metrics, traces or logs.
        signal: &'static str,
        /// Why.
        reason: String,
    },
}
