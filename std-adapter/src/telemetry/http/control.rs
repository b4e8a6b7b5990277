//! [`Controls`]: what an operator asks of a breaker. With a token only, never by a form of another page, and always on record.

use super::Shared;
use crate::limiter::TokenBucketRateLimiter;
use crate::telemetry::registry::Steered;
use crate::telemetry::source::Verb;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use fuseboard_core::Rate;
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Attempts kept.
const KEPT: usize = 50;
/// Bytes of a request.
const BODY: usize = 4_096;
/// Where a browser says whose page asks.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may ask, and who has.
pub(super) struct Controls {
    token: Option<String>,
    /// How often a wrong token may be tried.
    tries: TokenBucketRateLimiter,
    records: Mutex<VecDeque<Record>>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: SystemTime,
    pub(super) board: Option<String>,
    pub(super) name: String,
    pub(super) verb: String,
    /// The address that asked, where the server tells it.
    pub(super) from: Option<String>,
    pub(super) result: &'static str,
}

/// Why nothing was done.
struct Refused(StatusCode, &'static str);

impl Controls {
    pub(super) fn new(token: Option<String>) -> Self {
        Self {
            token,
            tries: TokenBucketRateLimiter::new(Rate::per_second(1), 10),
            records: Mutex::default(),
        }
    }

    pub(super) fn are_on(&self) -> bool {
        self.token.is_some()
    }

    /// The last attempts, oldest first.
    pub(super) fn records(&self) -> Vec<Record> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().cloned().collect()
    }

    fn keep(&self, record: Record) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push_back(record);
        if records.len() > KEPT {
            records.pop_front();
        }
    }

    /// Whether the request comes from a page of ours, or from none, and knows the token.
    fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(token) = &self.token else {
            let why = "controls are off; start it with a token to have them";
            return Err(Refused(StatusCode::FORBIDDEN, why));
        };
        let is_foreign = text(&FETCH_SITE)
            .is_some_and(|site| site != "same-origin" && site != "none")
            || text(&ORIGIN).is_some_and(|origin| {
                let own = origin.split_once("://").map(|(_, host)| host);
                own != text(&HOST)
            });
        if is_foreign {
            return Err(Refused(
                StatusCode::FORBIDDEN,
                "the request comes from another page",
            ));
        }
        let is_json = text(&CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            let why = "the content type must be application/json";
            return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        if self.tries.available() == 0 {
            return Err(Refused(
                StatusCode::TOO_MANY_REQUESTS,
                "too many wrong tokens",
            ));
        }
        let given = text(&AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if given.is_some_and(|given| is_same(given.as_bytes(), token.as_bytes())) {
            return Ok(());
        }
        // Of many at once a few more get through than the bucket has; each is only one guess.
        let _ = self.tries.try_acquire();
        Err(Refused(
            StatusCode::UNAUTHORIZED,
            "the token is missing or wrong",
        ))
    }
}

/// Whether two secrets are the same, in a time that says nothing about where they differ.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(token)
        .fold(0, |differing, (one, other)| differing | (one ^ other));
    std::hint::black_box(differing) == 0 && given.len() == token.len()
}

pub(super) async fn control(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from = from.map(|ConnectInfo(address)| address.ip().to_string());
    let (parts, body) = request.into_parts();
    let allowed = shared.controls.check(&parts.headers);
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        let why = "the request is larger than 4 kB";
        return (StatusCode::PAYLOAD_TOO_LARGE, why).into_response();
    };
    let mut record = asked(&body);
    record.from = from;
    let result = allowed.and_then(|()| steer(&shared, &record));
    record.result = match &result {
        Ok(()) => "done",
        Err(Refused(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => "refused",
        Err(Refused(StatusCode::TOO_MANY_REQUESTS, _)) => "limited",
        Err(_) => "wrong",
    };
    shared.registry.tell_steered(&Steered {
        name: &record.name,
        board: record.board.as_deref(),
        verb: &record.verb,
        from: record.from.as_deref(),
        result: record.result,
    });
    shared.controls.keep(record);
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(Refused(status, why)) => (status, why).into_response(),
    }
}

/// What a request asks for; empty where it does not say.
fn asked(body: &Bytes) -> Record {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    // What is kept must not grow with what is sent.
    let text = |key: &str| {
        let text = body.get(key).and_then(Value::as_str);
        text.map(|text| text.chars().take(64).collect::<String>())
    };
    Record {
        at: SystemTime::now(),
        board: text("board"),
        name: text("name").unwrap_or_default(),
        verb: text("verb").unwrap_or_default(),
        from: None,
        result: "",
    }
}

fn steer(shared: &Shared, record: &Record) -> Result<(), Refused> {
    let verb = Verb::ALL
        .into_iter()
        .find(|verb| verb.as_str() == record.verb);
    let Some(verb) = verb else {
        let why = "verb must be force_open, disable, metrics_only or reset";
        return Err(Refused(StatusCode::BAD_REQUEST, why));
    };
    let found = shared
        .registry
        .steer(record.board.as_deref(), &record.name, verb);
    found
        .then_some(())
        .ok_or(Refused(StatusCode::NOT_FOUND, "no breaker has this name"))
}
