//! The service itself: all of it in one process, or the part of it that the command line names.

mod front;
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
use reqwest::Url;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::auth::{NewToken, Tokens, authenticated};
use crate::bus::{BusOptions, EventBus, InProcessBus, RedisBus, RedisBusOptions};
use crate::context::in_context;
use crate::observe::lane::Lane;
use crate::observe::{self, Observed};
use crate::problem::Problem;
use crate::settings::{self, Role, Settings};
use crate::store::GuardedStore;
use parts::Parts;
use providers::Provider;
use write::Providers;

pub use listen::{address_of, listen};
pub use operate::{Operation, operate};
pub use providers::{END_WITH_PARENT, end_with_parent};
pub use shutdown::{Stop, Stopper, told_to_end};

/// How long requests that are under way may take once it is told to end.
const UNDER_WAY: Duration = Duration::from_secs(15);

/// Where a gateway finds the services.
#[derive(Debug, Clone, clap::Args)]
pub struct Services {
    /// Where the command service listens.
    #[arg(long = "command-url", env = "ORDERS_COMMAND_URL", value_name = "URL", default_value = "http://127.0.0.1:8081", value_parser = settings::http_url)]
    pub command: Url,
    /// Where the query service listens.
    #[arg(long = "query-url", env = "ORDERS_QUERY_URL", value_name = "URL", default_value = "http://127.0.0.1:8082", value_parser = settings::http_url)]
    pub query: Url,
}

/// Services in several processes share what they keep.
fn whole(role: Role, settings: &Settings) -> anyhow::Result<()> {
    let shared = settings.places.postgres.is_some() && settings.places.redis.is_some();
    if matches!(role, Role::Command | Role::Query) && !shared {
        anyhow::bail!(
            "`orders {}` needs --postgres and --redis: a file and a bus in the process are for one process, `orders serve`",
            role.name()
        );
    }
    Ok(())
}

/// Serves until it is told to end.
///
/// # Errors
/// A port is taken, or what it needs to begin is not there.
pub async fn run(role: Role, settings: Settings, services: Option<Services>) -> anyhow::Result<()> {
    whole(role, &settings)?;
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
        started = Started::new(role, &settings, services, &observed, stop) => Some(started?),
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
    // Clients without a token are told apart by where they come from.
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
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
    async fn new(
        role: Role,
        settings: &Settings,
        services: Option<Services>,
        observed: &Observed,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let (tokens, fresh) = tokens(settings)?;
        let mut parts = Parts::new(bus(settings, observed)?, stop);
        let mut started = Vec::new();
        let (mut commands, mut queries) = (None, None);
        if role != Role::Gateway {
            let (database, store) = stores::event_store(&settings.places).await?;
            observe_store(&store, observed);
            parts.watch_store(Arc::clone(&store) as Arc<_>, &observed.lane);
            let model = read::open(&settings.places).await?;
            let projection = Arc::new(read::projection(&store, &model));
            if role != Role::Query {
                let providers = providers(settings, &mut started).await?;
                let checkpoint = Arc::clone(&projection);
                let routes = write::start(
                    &mut parts,
                    &store,
                    &providers,
                    checkpoint,
                    settings.idempotency_retention,
                    observed,
                )?;
                commands = Some(routes);
            }
            if role != Role::Command {
                let routes = read::start(&mut parts, &store, model, projection, observed)?;
                queries = Some(routes);
            }
            parts.at_end(async move { database.close().await });
        }
        // Behind the gateway of this process requests were counted by it.
        let lane = if role == Role::Everything {
            Arc::default()
        } else {
            Arc::clone(&observed.lane)
        };
        let service = |routes: Router| around_service(routes, &lane, Arc::clone(&tokens));
        let routes = match (commands, queries, services) {
            (Some(commands), Some(queries), _) => {
                let inside = Services {
                    command: parts.serve_inside(service(commands)).await?,
                    query: parts.serve_inside(service(queries)).await?,
                };
                front::start(settings, &inside, &tokens, observed)?
            }
            (Some(routes), None, _) | (None, Some(routes), _) => service(routes),
            (None, None, Some(services)) => front::start(settings, &services, &tokens, observed)?,
            (None, None, None) => anyhow::bail!("a gateway needs the addresses of its services"),
        };
        Ok(Self {
            routes,
            parts,
            providers: started,
            tokens: fresh,
        })
    }
}

fn observe_store(store: &Arc<GuardedStore>, observed: &Observed) {
    observed.registry.add_breaker(store.breaker());
    observed
        .registry
        .add_concurrency_queue("event-store", store.places());
    let counted = Arc::clone(store);
    observed
        .lane
        .add(move || observe::lane::store(counted.snapshot()));
}

/// Those of the settings; what is missing is started.
async fn providers(settings: &Settings, started: &mut Vec<Provider>) -> anyhow::Result<Providers> {
    let mut payments = settings.payment_providers.clone();
    if payments.is_empty() {
        for (provider, region) in providers::payment_regions(&settings.places.data).await? {
            started.push(provider);
            payments.push(region);
        }
    }
    let shipping = if let Some(url) = &settings.shipping_provider {
        url.to_string()
    } else {
        let carrier = providers::carrier(&settings.places.data).await?;
        let url = carrier.url.to_string();
        started.push(carrier);
        url
    };
    Ok(Providers { payments, shipping })
}

/// Redis, or one in the process.
fn bus(settings: &Settings, observed: &Observed) -> anyhow::Result<Arc<dyn EventBus>> {
    let Some(url) = &settings.places.redis else {
        return Ok(Arc::new(InProcessBus::new(BusOptions::default())));
    };
    let bus = RedisBus::open(url.reveal(), &RedisBusOptions::default())?;
    observed.registry.add_breaker(bus.breaker());
    Ok(Arc::new(bus))
}

/// What stands around a service's routes: a span, the request's context, and who asks, also behind the gateway.
fn around_service(routes: Router, lane: &Arc<Lane>, tokens: Arc<Tokens>) -> Router {
    let routes = routes.fallback(|| async {
        let what = "there is nothing here; README.md of the orders example lists the routes";
        Problem::new(StatusCode::NOT_FOUND, "no-route", what)
    });
    let layer = from_fn_with_state(Arc::clone(lane), observe::trace::traced);
    in_context(authenticated(routes, tokens)).layer(layer)
}

/// Those of the file, or some for trying.
fn tokens(settings: &Settings) -> anyhow::Result<(Arc<Tokens>, Vec<NewToken>)> {
    if let Some(file) = &settings.tokens {
        return Ok((Arc::new(Tokens::read(file)?), Vec::new()));
    }
    std::fs::create_dir_all(&settings.places.data)?;
    let (tokens, fresh) = Tokens::read_or_generate(&settings.places.data.join("tokens.json"))?;
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
    if role != Role::Gateway {
        println!("  events in   {}", stores::shown(&settings.places));
    }
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
        None => match &settings.tokens {
            Some(file) => println!("  tokens      those of {}", file.display()),
            None => println!(
                "  tokens      those that were made before; without {}, new ones are made and shown",
                settings.places.data.join("tokens.json").display()
            ),
        },
    }
}
