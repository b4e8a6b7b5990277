//! [`Endpoints`]: Prometheus, health and the dashboard, as routes to mount in a service or to serve alone.

mod control;
mod feed;
mod health;
mod page;

pub use health::Health;

use super::prometheus::prometheus_text;
use super::registry::Registry;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use control::Controls;
use feed::Feed;
use std::sync::Arc;
use std::time::Duration;

/// Prometheus, health and the dashboard.
///
/// | route | answers |
/// |---|---|
/// | `/` | the dashboard, one page without anything from outside |
/// | `/metrics` | the metrics as Prometheus reads them |
/// | `/snapshot` | what the page shows, as JSON |
/// | `/events` | the same each second, as server-sent events |
/// | `/control` | `POST {"name", "board", "verb"}`: what an operator asks of a breaker, with a token only |
/// | `/livez`, `/readyz`, `/startupz` | health in Kubernetes' terms, from [`Health`] |
/// | `/health`, `/ready` | the states of all breakers; the same as `/readyz` |
///
/// Nothing is done while nobody asks. **Whoever reaches these routes can read them**: serve them on an address of their own, such as
/// loopback or the one that is scraped.
///
/// ```
/// use fuseboard::telemetry::{Endpoints, Registry};
///
/// # async fn serve() -> std::io::Result<()> {
/// let registry = Registry::new();
/// let routes = Endpoints::new(&registry).router();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9464").await?;
/// axum::serve(listener, routes).await
/// # }
/// ```
#[derive(Debug)]
#[must_use = "endpoints answer only as a router"]
pub struct Endpoints {
    registry: Registry,
    health: Health,
    title: String,
    token: Option<String>,
    interval: Duration,
}

/// What all routes share.
pub(super) struct Shared {
    registry: Registry,
    health: Health,
    feed: Feed,
    controls: Controls,
    interval: Duration,
}

impl Endpoints {
    /// Endpoints of all that `registry` observes, without controls, of a service that is ready.
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            health: Health::default(),
            title: "Fuseboard".to_owned(),
            token: None,
            interval: Duration::from_secs(1),
        }
    }

    /// Whether the service is started and ready.
    pub fn health(mut self, health: &Health) -> Self {
        self.health = health.clone();
        self
    }

    /// The page's title, such as the service's name.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Lets whoever knows `token` force breakers open, disable and reset them. An empty one lets nobody. Every attempt is on record.
    pub fn controls(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// How often the page is told what is new; 1 s by default, at least 50 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(50));
        self
    }

    /// The routes, for `axum::serve` or to be nested in a router of the service's own.
    pub fn router(self) -> Router {
        let shared = Arc::new(Shared {
            controls: Controls::new(self.token),
            feed: Feed::new(self.title),
            registry: self.registry,
            health: self.health,
            interval: self.interval,
        });
        Router::new()
            .route("/", get(page::page))
            .route("/metrics", get(metrics))
            .route("/snapshot", get(feed::snapshot))
            .route("/events", get(feed::events))
            .route("/control", post(control::control))
            .route("/livez", get(health::live))
            .route("/startupz", get(health::startup))
            .route("/readyz", get(health::ready))
            .route("/ready", get(health::ready))
            .route("/health", get(health::health))
            .layer(from_fn(guarded))
            .with_state(shared)
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
    let text = prometheus_text(&shared.registry.report());
    ([(CONTENT_TYPE, KIND)], text).into_response()
}

/// A value as an answer.
fn json(value: &serde_json::Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// What every answer says to a browser.
async fn guarded(request: axum::extract::Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        let value = axum::http::HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
