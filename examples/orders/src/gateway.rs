//! What clients talk to: one door before the services, and what is asked of everybody who comes through it.
//!
//! ```text
//! name and trace -> size of the headers -> who is it (401) -> how often (429) -> what matters most (503) -> how long (504)
//!   -> which service -> the body, whole (413, 408) -> retry (what may be repeated) -> the service's breaker + places -> the answer, streamed
//! ```
//!
//! `/health` is answered before all of it. The services verify tokens and owners again: the gateway is not their only friend.

mod admit;
mod forward;
mod limit;
mod through;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Router, middleware};
use fuseboard::redis::Engine;
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitState, LoadShedding};
use http::StatusCode;

use crate::auth::Tokens;
use crate::edge::Endpoint;
use crate::problem::Problem;
use limit::ClientLimit;
use upstream::Upstream;

pub(crate) use through::without;

/// What may be done to an order: each is a route.
const VERBS: [&str; 5] = ["pay", "ship", "deliver", "cancel", "refund"];

/// Settings of a [`Gateway`].
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Where what changes orders goes.
    pub command: Endpoint,
    /// Where what looks at orders goes.
    pub query: Endpoint,
    /// Requests a second for each client. Default 50.
    pub requests_per_second: u64,
    /// Requests of a client at once. Default 100.
    pub burst: u64,
    /// While the engine of the shared limits is away, each process admits this share of them, more than 0 and at most 1: one divided by
    /// the number of gateways. Default 0.5.
    pub local_share: f64,
    /// Requests under way at once; from three quarters of them on reads are shed, writes when all are taken. Default 512.
    pub max_in_flight: u32,
    /// Requests under way at each service. Default 256.
    pub max_in_flight_each: u32,
    /// The longest body, bytes. Default 256 KiB.
    pub max_body: u64,
    /// All headers of a request together, bytes. Default 16 KiB.
    pub max_headers: usize,
    /// The time for all of a request, to the last byte of the answer. Default 10 s.
    pub timeout: Duration,
    /// Each service's breaker. Default: half of at least 20 calls in 10 s failed; open for 1 s, twice as long each time, up to 10 s.
    pub breaker: CircuitBreakerConfig,
}

impl GatewaySettings {
    /// The defaults, before these services.
    pub fn new(command: Endpoint, query: Endpoint) -> Self {
        Self {
            command,
            query,
            requests_per_second: 50,
            burst: 100,
            local_share: 0.5,
            max_in_flight: 512,
            max_in_flight_each: 256,
            max_body: 256 * 1024,
            max_headers: 16 * 1024,
            timeout: Duration::from_secs(10),
            breaker: CircuitBreakerConfig {
                open_timeout: Duration::from_secs(1),
                open_backoff: 2.0,
                open_timeout_max: Duration::from_secs(10),
                open_jitter: 0.2,
                ..CircuitBreakerConfig::default()
            },
        }
    }
}

/// The door. A clone is another handle.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    tokens: Arc<Tokens>,
    limit: ClientLimit,
    shedding: LoadShedding,
    command: Upstream,
    query: Upstream,
    max_body: u64,
    max_headers: usize,
    timeout: Duration,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    unauthenticated: AtomicU64,
    limited: AtomicU64,
    shed: AtomicU64,
    too_large: AtomicU64,
    timed_out: AtomicU64,
    unavailable: AtomicU64,
}

/// What a [`Gateway`] has done, since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySnapshot {
    /// Requests that came, health aside.
    pub requests: u64,
    /// Answered 401.
    pub unauthenticated: u64,
    /// Answered 429.
    pub limited: u64,
    /// Answered 503 because others mattered more.
    pub shed: u64,
    /// Answered 408, 413 or 431, or 400 because the body broke off.
    pub too_large: u64,
    /// Answered 504.
    pub timed_out: u64,
    /// Answered 502 or 503 because the service behind was away or left alone.
    pub unavailable: u64,
    /// Requests under way, to the last byte of the answer.
    pub in_flight: u32,
    /// Of each service: its name, requests sent, and its breaker's state.
    pub services: [(String, u64, CircuitState); 2],
}

impl Gateway {
    /// With these settings. Limits are of this process, or shared with others through `engine`.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(
        settings: &GatewaySettings,
        tokens: Arc<Tokens>,
        engine: Option<&Engine>,
    ) -> anyhow::Result<Self> {
        /// The share of the places that reads may fill.
        const READS: f64 = 0.75;
        let limit = ClientLimit::new(settings, engine)?;
        let shedding =
            LoadShedding::fixed(settings.max_in_flight, READS).context("gateway: max_in_flight")?;
        Ok(Self {
            shared: Arc::new(Shared {
                tokens,
                limit,
                shedding,
                command: Upstream::new(&settings.command, settings)?,
                query: Upstream::new(&settings.query, settings)?,
                max_body: settings.max_body,
                max_headers: settings.max_headers,
                timeout: settings.timeout,
                counts: Counts::default(),
            }),
        })
    }

    /// Its routes. Serve them with `into_make_service_with_connect_info::<SocketAddr>()`, so that clients without a token are told
    /// apart by their addresses.
    pub fn routes(&self) -> Router {
        let mut routes = Router::new()
            .route("/orders", post(forward::to_command))
            .route("/orders/{id}", get(forward::to_query))
            .route("/users/{id}/orders", get(forward::to_query));
        for verb in VERBS {
            routes = routes.route(&format!("/orders/{{id}}/{verb}"), post(forward::to_command));
        }
        let routes = routes
            .fallback(async || {
                let detail = "There is no such route.";
                Problem::new(StatusCode::NOT_FOUND, "no-route", detail)
            })
            .method_not_allowed_fallback(async || {
                let detail = "This route has another method: see the header Allow.";
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
            })
            .with_state(self.clone())
            .layer(from_fn_with_state(self.clone(), admit::admit))
            .layer(middleware::from_fn(admit::name));
        routes.route("/health", get(async || "ok\n"))
    }

    /// The services' breakers: command, query.
    pub fn breakers(&self) -> [&CircuitBreaker; 2] {
        [self.shared.command.breaker(), self.shared.query.breaker()]
    }

    /// What it has done.
    pub fn snapshot(&self) -> GatewaySnapshot {
        // Relaxed: each is a number on its own.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.shared.counts;
        GatewaySnapshot {
            requests: read(&counts.requests),
            unauthenticated: read(&counts.unauthenticated),
            limited: read(&counts.limited),
            shed: read(&counts.shed),
            too_large: read(&counts.too_large),
            timed_out: read(&counts.timed_out),
            unavailable: read(&counts.unavailable),
            in_flight: self.shared.shedding.in_flight(),
            services: [self.shared.command.snapshot(), self.shared.query.snapshot()],
        }
    }
}

fn count(count: &AtomicU64) {
    // Relaxed: each is a number on its own.
    count.fetch_add(1, Ordering::Relaxed);
}
