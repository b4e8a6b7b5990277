//! A request on its way to a service, and the answer on its way back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use fuseboard::CallError;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::admit::{address, content_length, timed_out, too_large};
use super::upstream::Upstream;
use super::{Gateway, count};
use crate::context::RequestContext;
use crate::problem::Problem;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is between two neighbours only (RFC 9110, 7.6.1), what the client's library sets by itself, and what is ours to say.
const NOT_PASSED_ON: [&str; 12] = [
    "connection",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-timeout-ms",
];

/// To the service that changes orders.
pub(super) async fn to_command(State(gateway): State<Gateway>, request: Request) -> Response {
    forward(&gateway, &gateway.shared.command, request).await
}

/// To the service that shows them.
pub(super) async fn to_query(State(gateway): State<Gateway>, request: Request) -> Response {
    forward(&gateway, &gateway.shared.query, request).await
}

/// What is sent on, so that it can be sent more than once where that is safe.
enum Payload {
    /// All of it.
    Whole(Bytes),
    /// As it comes in: once.
    Streamed(Mutex<Option<reqwest::Body>>),
}

async fn forward(gateway: &Gateway, upstream: &Upstream, request: Request) -> Response {
    let shared = &gateway.shared;
    let client = address(&request);
    let (parts, body) = request.into_parts();
    let context = parts.extensions.get::<RequestContext>();
    let context = context.cloned().unwrap_or_default();
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    // A key makes a repeated command the same command.
    let is_repeatable = is_read || parts.headers.contains_key(IDEMPOTENCY_KEY);
    let is_over = Arc::new(AtomicBool::new(false));
    let payload = match payload(shared.max_body, is_read, is_repeatable, body, &is_over).await {
        Ok(payload) => payload,
        Err(answer) => {
            count(&shared.counts.too_large);
            return *answer;
        }
    };
    let mut headers = passed_on(&parts.headers);
    let length = content_length(&parts.headers);
    if length.is_none() || matches!(payload, Payload::Whole(_)) {
        headers.remove(header::CONTENT_LENGTH);
    }
    add_client(&mut headers, &client);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = upstream.send(is_repeatable, |client, url| {
        let mut headers = headers.clone();
        // What is left of the time at each attempt.
        context.insert_into(&mut headers);
        let request = client.request(parts.method.clone(), format!("{url}{path}"));
        let request = request.headers(headers);
        match &payload {
            Payload::Whole(bytes) if bytes.is_empty() => request,
            Payload::Whole(bytes) => request.body(bytes.clone()),
            Payload::Streamed(body) => {
                let body = body.lock().unwrap_or_else(PoisonError::into_inner).take();
                request.body(body.unwrap_or_default())
            }
        }
    });
    match sent.await {
        Ok(answer) => returned(answer),
        // Relaxed: it was set before the error came about, in the same task.
        Err(_) if is_over.load(Ordering::Relaxed) => {
            count(&shared.counts.too_large);
            too_large(shared.max_body).into_response()
        }
        Err(error) => {
            let problem = why_not(upstream.name(), &error);
            count(if problem.status == StatusCode::GATEWAY_TIMEOUT {
                &shared.counts.timed_out
            } else {
                &shared.counts.unavailable
            });
            problem.into_response()
        }
    }
}

/// The body: read whole where it may be sent twice, else streamed, and in both cases no longer than is allowed.
async fn payload(
    most: u64,
    is_read: bool,
    is_repeatable: bool,
    body: Body,
    is_over: &Arc<AtomicBool>,
) -> Result<Payload, Box<Response>> {
    if is_read {
        return Ok(Payload::Whole(Bytes::new()));
    }
    if is_repeatable {
        let limit = usize::try_from(most).unwrap_or(usize::MAX);
        let whole = axum::body::to_bytes(body, limit).await;
        return match whole {
            Ok(whole) => Ok(Payload::Whole(whole)),
            Err(_) => Err(Box::new(too_large(most).into_response())),
        };
    }
    let is_over = Arc::clone(is_over);
    let mut length = 0_u64;
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        length += piece.len() as u64;
        if length > most {
            // Relaxed: it is read after the error that follows, in the same task.
            is_over.store(true, Ordering::Relaxed);
            return Err(std::io::Error::other("longer than is allowed"));
        }
        Ok(piece)
    });
    let body = reqwest::Body::wrap_stream(pieces);
    Ok(Payload::Streamed(Mutex::new(Some(body))))
}

/// The headers that go on to the next one, in either direction.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = headers.clone();
    // `Connection` names more of them.
    let named = headers.get_all(header::CONNECTION).iter();
    let named = named.filter_map(|value| value.to_str().ok());
    for name in named.flat_map(|names| names.split(',')) {
        passed.remove(name.trim());
    }
    for name in NOT_PASSED_ON {
        passed.remove(name);
    }
    passed
}

/// Who it was, behind those who said it before.
fn add_client(headers: &mut HeaderMap, client: &str) {
    let before = headers
        .get(FORWARDED_FOR)
        .and_then(|value| value.to_str().ok());
    let chain = before.map_or_else(|| client.to_owned(), |before| format!("{before}, {client}"));
    if let Ok(chain) = HeaderValue::try_from(chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
}

/// The service's answer, streamed.
fn returned(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), passed_on(answer.headers()));
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What the client is told where the service has no answer.
fn why_not(service: &str, error: &CallError<reqwest::Error>) -> Problem {
    let unavailable = |detail: &str| {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.retry_after(
            error
                .retry_after()
                .unwrap_or(std::time::Duration::from_secs(1)),
        )
    };
    match error {
        CallError::Rejected { policy, .. } => {
            tracing::debug!(service, %policy, "not forwarded");
            unavailable("The service behind is left alone for a moment.")
        }
        CallError::TimedOut { .. } => timed_out(),
        CallError::OperationFailed(error) if error.is_connect() => {
            tracing::warn!(service, %error, "cannot be reached");
            unavailable("The service behind cannot be reached; nothing was done.")
        }
        CallError::OperationFailed(_) | CallError::Injected => {
            tracing::warn!(service, %error, "gave no answer");
            let detail = "The service behind broke off. Something that was to be changed may have been: send it again with the same Idempotency-Key.";
            Problem::new(StatusCode::BAD_GATEWAY, "broken-off", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("connection", "x-also"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("host", "evil.example"),
            ("expect", "100-continue"),
            ("x-private", "1"),
            ("x-also", "1"),
            ("x-request-timeout-ms", "999999"),
            ("authorization", "Bearer x"),
            ("accept", "*/*"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let passed = passed_on(&headers);
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "authorization"]);
    }

    #[test]
    fn who_it_came_from_is_added_behind_the_others() {
        let mut headers = HeaderMap::new();
        add_client(&mut headers, "10.0.0.1");
        add_client(&mut headers, "10.0.0.2");
        assert_eq!(headers[FORWARDED_FOR], "10.0.0.1, 10.0.0.2");
    }
}
