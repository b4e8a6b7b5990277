//! [`Health`]: whether the service itself can work, which a dependency's open breaker does not decide.

use super::Shared;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Whether a service is started, ready and alive; a clone is another handle of the same.
///
/// Readiness is the service's own: a breaker that is open does not take it away, else all instances would leave at the moment at which one
/// dependency fails, and with them all that still works.
///
/// ```
/// use fuseboard::telemetry::Health;
///
/// let health = Health::starting();
/// // … migrate, warm up …
/// health.set_started();
/// health.add_check("database", || Ok(()));
/// // When the service is told to end:
/// health.set_draining();
/// ```
#[derive(Clone)]
pub struct Health {
    shared: Arc<Own>,
}

struct Own {
    is_started: AtomicBool,
    is_draining: AtomicBool,
    checks: Mutex<Vec<(String, Check)>>,
}

impl Default for Health {
    /// Of a service that is started and ready.
    fn default() -> Self {
        let health = Self::starting();
        health.set_started();
        health
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Health {{ problems: {:?} }}", self.problems())
    }
}

impl Health {
    /// Of a service that is not started yet.
    pub fn starting() -> Self {
        Self {
            shared: Arc::new(Own {
                is_started: AtomicBool::new(false),
                is_draining: AtomicBool::new(false),
                checks: Mutex::default(),
            }),
        }
    }

    /// From now on it is started.
    pub fn set_started(&self) {
        // Relaxed, as all here: a flag that publishes nothing else.
        self.shared.is_started.store(true, Ordering::Relaxed);
    }

    /// From now on it wants no new requests; those under way go on.
    pub fn set_draining(&self) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
    }

    /// Asks `check` whenever somebody asks whether the service is ready: what it cannot work without, and no other instance could do better.
    /// It must not block. `Err`: why not.
    pub fn add_check(
        &self,
        name: impl Into<String>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let mut checks = self
            .shared
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        checks.push((name.into(), Arc::new(check)));
    }

    /// Whether it is started.
    pub fn is_started(&self) -> bool {
        self.shared.is_started.load(Ordering::Relaxed)
    }

    /// Why it is not ready; empty: it is.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if !self.is_started() {
            problems.push(("startup".to_owned(), "not finished".to_owned()));
        }
        if self.shared.is_draining.load(Ordering::Relaxed) {
            problems.push(("shutdown".to_owned(), "draining".to_owned()));
        }
        // The lock is not held while they are asked.
        let checks = self
            .shared
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for (name, check) in checks {
            if let Err(why) = check() {
                problems.push((name, why));
            }
        }
        problems
    }
}

/// Whoever can answer this is alive.
pub(super) async fn live() -> Response {
    answer(true, Map::new())
}

pub(super) async fn startup(State(shared): State<Arc<Shared>>) -> Response {
    answer(shared.health.is_started(), Map::new())
}

pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let problems = shared.health.problems();
    let is_ready = problems.is_empty();
    let problems = problems.into_iter().map(|(name, why)| (name, why.into()));
    let more = [("problems".to_owned(), Value::Object(problems.collect()))];
    answer(is_ready, more.into_iter().filter(|_| !is_ready).collect())
}

/// Alive, and what the breakers say: also of an open one the service may be healthy.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let report = shared.registry.report();
    let states = report.breakers.iter().map(|breaker| {
        let name = match &breaker.board {
            Some(board) => format!("{board}/{}", breaker.name),
            None => breaker.name.clone(),
        };
        (name, breaker.snapshot.state.as_str().into())
    });
    let more = [(
        "circuit_breakers".to_owned(),
        Value::Object(states.collect()),
    )];
    answer(true, more.into_iter().collect())
}

fn answer(is_good: bool, more: Map<String, Value>) -> Response {
    let (status, word) = if is_good {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    let mut body = json!({ "status": word });
    if let Some(body) = body.as_object_mut() {
        body.extend(more);
    }
    (status, super::json(&body)).into_response()
}
