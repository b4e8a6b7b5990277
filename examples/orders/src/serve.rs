//! The service itself: all of it in one process, or the part of it that the command line names.

mod listen;
mod shutdown;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;

pub use listen::{address_of, listen};
pub use shutdown::{Stop, Stopper, told_to_end};

use crate::observe::{self, Observed};
use crate::problem::Problem;
use crate::settings::{Role, Settings};

/// Serves until it is told to end.
///
/// # Errors
/// A port is taken, or what it needs to begin is not there.
pub async fn run(role: Role, settings: Settings) -> anyhow::Result<()> {
    let clients = listen(settings.address(role), "--port").await?;
    let operations = listen(settings.operations_address(role), "--operations-port").await?;
    let observed = Observed::starting();
    let telemetry = observe::start(&observed, role, settings.log)?;
    let (stopper, stop) = Stopper::new();

    let health_routes = observed.routes(role);
    let on_operations = address_of(&operations)?;
    let operating = tokio::spawn(async move {
        let served = axum::serve(operations, health_routes).with_graceful_shutdown(stop.stopped());
        served.await
    });

    let routes = routes(&observed);
    announce(role, &address_of(&clients)?, &on_operations);
    observed.health.set_started();
    let end = told_to_end(observed.health.clone(), settings.drain);
    axum::serve(clients, routes)
        .with_graceful_shutdown(end)
        .await?;
    stopper.stop();
    operating.await??;
    if let Some(telemetry) = telemetry {
        // It waits for the collector, which no thread of the runtime should.
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    }
    tracing::info!("ended");
    Ok(())
}

fn routes(observed: &Observed) -> Router {
    Router::new()
        .fallback(|| async {
            let what = "there is nothing here; README.md of the orders example lists the routes";
            Problem::new(StatusCode::NOT_FOUND, "no-route", what)
        })
        .layer(from_fn_with_state(
            observed.lane.clone(),
            observe::trace::traced,
        ))
}

fn announce(role: Role, clients: &std::net::SocketAddr, operations: &std::net::SocketAddr) {
    println!("orders {}", role.name());
    println!("  clients     http://{clients}");
    println!("  operations  http://{operations}/  (dashboard, /metrics, /livez /readyz /startupz)");
}
