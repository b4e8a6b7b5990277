//! A request on its way to a service, and the answer on its way back.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use fuseboard::CallError;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::admit::{address, timed_out, too_large};
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

async fn forward(gateway: &Gateway, upstream: &Upstream, request: Request) -> Response {
    let shared = &gateway.shared;
    let client = address(&request);
    let (parts, body) = request.into_parts();
    let context = parts.extensions.get::<RequestContext>();
    let context = context.cloned().unwrap_or_default();
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    // A key makes a repeated command the same command.
    let is_repeatable = is_read || parts.headers.contains_key(IDEMPOTENCY_KEY);
    let patience = context.remaining(shared.timeout) / 2;
    let body = match whole(shared.max_body, patience, body).await {
        Ok(body) => body,
        Err(problem) => {
            count(&shared.counts.too_large);
            return problem.into_response();
        }
    };
    let mut headers = passed_on(&parts.headers);
    // The client's library says it for the body that it sends.
    headers.remove(header::CONTENT_LENGTH);
    add_client(&mut headers, &client);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = upstream.send(is_repeatable, |client, url| {
        let mut headers = headers.clone();
        // What is left of the time at each attempt.
        context.insert_into(&mut headers);
        let request = client.request(parts.method.clone(), format!("{url}{path}"));
        let request = request.headers(headers);
        if body.is_empty() {
            request
        } else {
            request.body(body.clone())
        }
    });
    match sent.await {
        Ok(answer) => returned(answer),
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

/// The body, read whole before the service is asked: so a client that sends slowly or breaks off costs the service nothing, and says
/// nothing to its breaker.
async fn whole(most: u64, patience: Duration, body: Body) -> Result<Bytes, Problem> {
    let limit = usize::try_from(most).unwrap_or(usize::MAX);
    match timeout(patience, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(most)),
        Ok(Err(_)) => {
            let detail = "The body did not arrive whole.";
            Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", detail))
        }
        Err(_) => {
            let detail = format!("The body did not arrive within {patience:?}.");
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(status, "body-too-slow", detail))
        }
    }
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
pub(super) fn returned(answer: reqwest::Response) -> Response {
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
        problem.retry_after(error.retry_after().unwrap_or(Duration::from_secs(1)))
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
