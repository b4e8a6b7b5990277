//! Faults by script: what goes wrong with which share of the requests, drawn from a seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::serve::Cut;
use crate::context::RequestContext;
use crate::problem::Problem;

/// The longest time that a request can be made to last, ms.
const MAX_MILLIS: u64 = 600_000;

/// What goes wrong. Rates are shares of the requests, 0 to 1; without any, nothing does. Setting a script begins its draws anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Where the draws begin.
    pub seed: u64,
    /// A slow request waits so long before anything is done, ms; at most 600,000.
    pub latency_ms: u64,
    /// How many are slow. Default: all.
    pub latency_rate: f64,
    /// The connection is closed; nothing is done.
    pub refuse_rate: f64,
    /// The connection stays open and silent; nothing is done.
    pub hang_rate: f64,
    /// Answered with `error_status`; nothing is done.
    pub error_rate: f64,
    /// 400 to 599. Default 503.
    pub error_status: u16,
    /// Sent with it as `Retry-After`, s.
    pub retry_after_s: Option<u64>,
    /// It is done, and the answer comes so much later, ms; at most 600,000.
    pub answer_delay_ms: u64,
    /// It is done, and the connection is closed instead of an answer.
    pub drop_rate: f64,
    /// Charges and parcels whose ids fall into this share are declined for good.
    pub decline_rate: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0,
            latency_rate: 1.0,
            refuse_rate: 0.0,
            hang_rate: 0.0,
            error_rate: 0.0,
            error_status: 503,
            retry_after_s: None,
            answer_delay_ms: 0,
            drop_rate: 0.0,
            decline_rate: 0.0,
        }
    }
}

impl Faults {
    fn check(&self) -> Result<(), Problem> {
        let rates = [
            ("latency_rate", self.latency_rate),
            ("refuse_rate", self.refuse_rate),
            ("hang_rate", self.hang_rate),
            ("error_rate", self.error_rate),
            ("drop_rate", self.drop_rate),
            ("decline_rate", self.decline_rate),
        ];
        let invalid = |detail| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, "invalid-faults", detail))
        };
        if let Some((name, rate)) = rates
            .into_iter()
            .find(|(_, rate)| !(0.0..=1.0).contains(rate))
        {
            return invalid(format!("{name}: {rate}: 0 to 1 is allowed"));
        }
        let spans = [
            ("latency_ms", self.latency_ms),
            ("answer_delay_ms", self.answer_delay_ms),
        ];
        if let Some((name, millis)) = spans.into_iter().find(|(_, millis)| *millis > MAX_MILLIS) {
            return invalid(format!("{name}: {millis}: 0 to {MAX_MILLIS} is allowed"));
        }
        if !(400..=599).contains(&self.error_status) {
            let status = self.error_status;
            return invalid(format!("error_status: {status}: 400 to 599 is allowed"));
        }
        Ok(())
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "draws, each by itself")]
struct Fate {
    is_slow: bool,
    is_refused: bool,
    hangs: bool,
    fails: bool,
    is_dropped: bool,
}

/// The script of a provider, and what it has seen.
#[derive(Clone)]
pub(super) struct Script {
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<(Faults, StdRng)>,
    received: AtomicU64,
}

impl Script {
    pub(super) fn new() -> Self {
        let (faults, draws) = (Faults::default(), StdRng::seed_from_u64(0));
        Self {
            shared: Arc::new(Shared {
                script: Mutex::new((faults, draws)),
                received: AtomicU64::new(0),
            }),
        }
    }

    fn set(&self, faults: Faults) {
        let draws = StdRng::seed_from_u64(faults.seed);
        *self.script() = (faults, draws);
    }

    fn script(&self) -> std::sync::MutexGuard<'_, (Faults, StdRng)> {
        let script = self.shared.script.lock();
        script.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what has this id is declined for good: the same for each request with it.
    pub(super) fn declines(&self, id: uuid::Uuid) -> bool {
        let rate = self.script().0.decline_rate;
        let (high, low) = id.as_u64_pair();
        let drawn = StdRng::seed_from_u64(high ^ low.rotate_left(32)).random::<f64>();
        drawn < rate
    }

    /// The next draws. As many for each request, so that what one setting leads to does not depend on the others.
    fn next(&self) -> (Faults, Fate) {
        let (faults, draws) = &mut *self.script();
        let mut happens = |rate: f64| draws.random::<f64>() < rate;
        let fate = Fate {
            is_slow: happens(faults.latency_rate),
            is_refused: happens(faults.refuse_rate),
            hangs: happens(faults.hang_rate),
            fails: happens(faults.error_rate),
            is_dropped: happens(faults.drop_rate),
        };
        (faults.clone(), fate)
    }

    /// `work` under the script, beside what shows and sets it.
    pub(super) fn around(self, work: Router) -> Router {
        let settings = Router::new()
            .route("/faults", get(show).post(replace))
            .route("/stats", get(stats))
            .route("/health", get(async || "ok\n"))
            .with_state(self.clone());
        let work = work.layer(middleware::from_fn_with_state(self, strike));
        settings.merge(work)
    }
}

async fn show(State(script): State<Script>) -> Json<Faults> {
    Json(script.script().0.clone())
}

async fn replace(
    State(script): State<Script>,
    Json(faults): Json<Faults>,
) -> Result<Json<Faults>, Problem> {
    faults.check()?;
    script.set(faults.clone());
    Ok(Json(faults))
}

async fn stats(State(script): State<Script>) -> Json<serde_json::Value> {
    // Relaxed: a count, of nothing else that is read.
    let received = script.shared.received.load(Ordering::Relaxed);
    Json(json!({ "received": received }))
}

async fn strike(State(script): State<Script>, request: Request, next: Next) -> Response {
    // Relaxed: as above.
    script.shared.received.fetch_add(1, Ordering::Relaxed);
    let context = RequestContext::from_headers(request.headers());
    let (faults, fate) = script.next();
    if fate.is_refused {
        return Cut::response();
    }
    if fate.is_slow && faults.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    }
    if fate.hangs {
        return std::future::pending().await;
    }
    if fate.fails {
        let status = StatusCode::from_u16(faults.error_status);
        let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut problem = Problem::new(status, "on-purpose", "It was told to fail.");
        problem.retry_after = faults.retry_after_s.map(Duration::from_secs);
        return problem.into_response();
    }
    if context.deadline.is_some() && context.remaining(Duration::MAX).is_zero() {
        let detail = "The time that the request came with was over; nothing was done.";
        return Problem::new(StatusCode::GATEWAY_TIMEOUT, "too-late", detail).into_response();
    }
    let answer = next.run(request).await;
    if faults.answer_delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.answer_delay_ms)).await;
    }
    if fate.is_dropped {
        return Cut::response();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(faults: &Faults, requests: usize) -> Vec<Fate> {
        let script = Script::new();
        script.set(faults.clone());
        (0..requests).map(|_| script.next().1).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_again_and_another_gives_others() {
        let faults = Faults {
            seed: 7,
            hang_rate: 0.3,
            error_rate: 0.3,
            ..Faults::default()
        };
        let first = fates(&faults, 200);
        assert_eq!(first, fates(&faults, 200));
        let other = Faults {
            seed: 8,
            ..faults.clone()
        };
        assert_ne!(first, fates(&other, 200));
        // One more kind of fault leaves the others where they were.
        let more = Faults {
            drop_rate: 0.5,
            ..faults
        };
        let same = fates(&more, 200).into_iter().zip(&first);
        assert!(
            same.clone()
                .all(|(a, b)| (a.hangs, a.fails) == (b.hangs, b.fails))
        );
        let hanging = first.iter().filter(|fate| fate.hangs).count();
        assert!((30..=90).contains(&hanging), "{hanging} of 200 at 0.3");
    }

    #[test]
    fn a_script_that_makes_no_sense_is_refused_by_name() {
        for (faults, expected) in [
            (
                Faults {
                    hang_rate: 1.5,
                    ..Faults::default()
                },
                "hang_rate: 1.5: 0 to 1",
            ),
            (
                Faults {
                    drop_rate: f64::NAN,
                    ..Faults::default()
                },
                "drop_rate: NaN",
            ),
            (
                Faults {
                    error_status: 200,
                    ..Faults::default()
                },
                "error_status: 200: 400 to 599",
            ),
            (
                Faults {
                    latency_ms: 600_001,
                    ..Faults::default()
                },
                "latency_ms: 600001",
            ),
        ] {
            let detail = faults.check().unwrap_err().detail;
            assert!(detail.starts_with(expected), "{detail}");
        }
        assert!(Faults::default().check().is_ok());
    }
}
