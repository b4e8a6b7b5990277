//! The service itself: all of it in one process, or the part of it that the command line names.

mod listen;
mod operate;
mod parts;
mod providers;
mod read;
mod shutdown;
mod stores;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::auth::{NewToken, Tokens, authenticated};
use crate::bus::{BusOptions, EventBus, InProcessBus};
use crate::context::in_context;
use crate::observe::{self, Observed};
use crate::problem::Problem;
use crate::settings::{Role, Settings};
use parts::Parts;
use providers::Provider;
use write::Providers;

pub use listen::{address_of, listen};
pub use operate::{Operation, operate};
pub use providers::{END_WITH_PARENT, end_with_parent};
pub use shutdown::{Stop, Stopper, told_to_end};

/// How long requests that are under way may take once it is told to end.
const UNDER_WAY: Duration = Duration::from_secs(15);

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

    // Whoever asks whether it is alive is answered from the first moment on.
    let health_routes = observed.routes(role);
    let on_operations = address_of(&operations)?;
    let stopped = stop.clone().stopped();
    let operating = tokio::spawn(async move {
        axum::serve(operations, health_routes)
            .with_graceful_shutdown(stopped)
            .await
    });

    let end = told_to_end(observed.health.clone(), settings.drain);
    let mut end = std::pin::pin!(end);
    let started = tokio::select! {
        started = Started::new(&settings, &observed, stop) => Some(started?),
        () = &mut end => None,
    };
    if let Some(started) = started {
        announce(
            role,
            &settings,
            &started,
            address_of(&clients)?,
            on_operations,
        );
        observed.health.set_started();
        serve(clients, started.routes, end).await?;
        stopper.stop();
        started.parts.end().await;
        for provider in started.providers {
            provider.kill().await?;
        }
    }
    stopper.stop();
    operating.await??;
    if let Some(telemetry) = telemetry {
        // It waits for the collector, which no thread of the runtime should.
        tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    }
    tracing::info!("ended");
    Ok(())
}

async fn serve(
    clients: TcpListener,
    routes: Router,
    end: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (stopper, stop) = Stopper::new();
    let serving = axum::serve(clients, routes).with_graceful_shutdown(stop.stopped());
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        served = &mut serving => return Ok(served?),
        () = end => stopper.stop(),
    }
    if let Ok(served) = timeout(UNDER_WAY, serving).await {
        return Ok(served?);
    }
    tracing::warn!("requests are still under way after {UNDER_WAY:?}: they are dropped");
    Ok(())
}

/// A process with all its parts at work.
struct Started {
    routes: Router,
    parts: Parts,
    /// Those that were started here.
    providers: Vec<Provider>,
    /// Tokens made just now: they are shown once.
    tokens: Vec<NewToken>,
}

impl Started {
    async fn new(settings: &Settings, observed: &Observed, stop: Stop) -> anyhow::Result<Self> {
        let (database, store) = stores::event_store(settings).await?;
        observed.registry.add_breaker(store.breaker());
        observed
            .registry
            .add_concurrency_queue("event-store", store.places());
        let counted = Arc::clone(&store);
        observed
            .lane
            .add(move || observe::lane::store(counted.snapshot()));
        let (tokens, fresh) = tokens(settings)?;

        let (mut started, mut payments) = (Vec::new(), settings.payment_providers.clone());
        if payments.is_empty() {
            for (provider, region) in providers::payment_regions(&settings.data).await? {
                started.push(provider);
                payments.push(region);
            }
        }
        let shipping = if let Some(url) = &settings.shipping_provider {
            url.to_string()
        } else {
            let carrier = providers::carrier(&settings.data).await?;
            let url = carrier.url.to_string();
            started.push(carrier);
            url
        };
        let providers = Providers { payments, shipping };

        let bus: Arc<dyn EventBus> = Arc::new(InProcessBus::new(BusOptions::default()));
        let mut parts = Parts::new(bus, stop);
        parts.watch_store(Arc::clone(&store) as Arc<_>, &observed.lane);
        let model = read::open(settings).await?;
        let projection = Arc::new(read::projection(&store, &model));
        let commands = write::start(
            &mut parts,
            &store,
            &providers,
            Arc::clone(&projection),
            observed,
        )?;
        let queries = read::start(&mut parts, &store, model, projection, observed)?;
        parts.at_end(async move { database.close().await });
        Ok(Self {
            routes: around(commands.merge(queries), observed, tokens),
            parts,
            providers: started,
            tokens: fresh,
        })
    }
}

/// What stands around all routes: a span, the request's context, and who asks.
fn around(routes: Router, observed: &Observed, tokens: Arc<Tokens>) -> Router {
    let routes = routes.fallback(|| async {
        let what = "there is nothing here; README.md of the orders example lists the routes";
        Problem::new(StatusCode::NOT_FOUND, "no-route", what)
    });
    let lane = Arc::clone(&observed.lane);
    in_context(authenticated(routes, tokens))
        .layer(from_fn_with_state(lane, observe::trace::traced))
}

/// Those of the file, or some for trying.
fn tokens(settings: &Settings) -> anyhow::Result<(Arc<Tokens>, Vec<NewToken>)> {
    if let Some(file) = &settings.tokens {
        return Ok((Arc::new(Tokens::read(file)?), Vec::new()));
    }
    std::fs::create_dir_all(&settings.data)?;
    let (tokens, fresh) = Tokens::read_or_generate(&settings.data.join("tokens.json"))?;
    Ok((Arc::new(tokens), fresh))
}

fn announce(
    role: Role,
    settings: &Settings,
    started: &Started,
    clients: SocketAddr,
    operations: SocketAddr,
) {
    println!("orders {}", role.name());
    println!("  clients     http://{clients}");
    println!("  operations  http://{operations}/  (dashboard, /metrics, /livez /readyz /startupz)");
    println!("  events in   {}", stores::shown(settings));
    for provider in &started.providers {
        println!("  provider    {} (started beside it)", provider.url);
    }
    for new in &started.tokens {
        let who = new.identity.user_id.map(|id| format!(", user {id}"));
        println!(
            "  token       {}{}: {}",
            new.identity.subject,
            who.unwrap_or_default(),
            new.token
        );
    }
    match started.tokens.first() {
        Some(new) => {
            println!("\nTry it:\n");
            println!(
                "  curl -i http://{clients}/orders -H 'Authorization: Bearer {}' \\\n    -H 'Content-Type: application/json' \\\n    \
                 -d '{{\"items\":[{{\"sku\":\"lamp\",\"quantity\":2,\"unit_price\":{{\"amount_minor\":1999,\"currency\":\"EUR\"}}}}]}}'",
                new.token
            );
        }
        None => println!(
            "  tokens      those that were made before; without {}, new ones are made and shown",
            settings
                .tokens
                .clone()
                .unwrap_or_else(|| settings.data.join("tokens.json"))
                .display()
        ),
    }
}
