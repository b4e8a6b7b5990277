//! What operators see: logs ([`log`]), traces ([`trace`]), and the numbers of the event store and what follows it ([`lane`]), beside what
//! the policies count anyway. All of it stands on the operations port or goes to a collector; nothing of it on the clients' port.

mod duration;
pub mod lane;
pub mod log;
pub mod trace;

use std::sync::Arc;

use fuseboard::telemetry::{Endpoints, Health, Registry, Telemetry, TelemetryOptions};

use crate::settings::{LogFormat, Role};

pub use duration::{APPEND_BUCKETS, AppendDuration};

/// What everything in the process reports to.
#[derive(Clone)]
pub struct Observed {
    /// The policies, and the lane.
    pub registry: Registry,
    /// Whether the process is started and ready.
    pub health: Health,
    /// The lane's numbers.
    pub lane: Arc<lane::Lane>,
}

impl Observed {
    /// Of a process that starts.
    pub fn starting() -> Self {
        let registry = Registry::new();
        let lane = Arc::new(lane::Lane::default());
        lane.attach(&registry);
        Self {
            registry,
            health: Health::starting(),
            lane,
        }
    }

    /// Prometheus, health and the dashboard.
    pub fn routes(&self, role: Role) -> axum::Router {
        Endpoints::new(&self.registry)
            .health(&self.health)
            .title(format!("orders: {}", role.name()))
            .router()
    }
}

/// Logs to standard error, and traces and metrics to a collector when `OTEL_EXPORTER_OTLP_ENDPOINT` names one. What is given back
/// must be shut down in the end, for the last of it to arrive.
pub fn start(
    observed: &Observed,
    role: Role,
    format: LogFormat,
) -> anyhow::Result<Option<Telemetry>> {
    const COLLECTORS: [&str; 3] = [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    ];
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let telemetry = if COLLECTORS.iter().any(is_set) {
        let name = match role {
            Role::Everything => "orders".to_owned(),
            part => format!("orders-{}", part.name()),
        };
        Some(
            TelemetryOptions::new()
                .service_name(name)
                .start(&observed.registry)?,
        )
    } else {
        None
    };
    log::install(
        format,
        telemetry.as_ref().and_then(Telemetry::tracer_provider),
    );
    Ok(telemetry)
}
