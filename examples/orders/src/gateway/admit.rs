//! Who is let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fuseboard::SheddingPermit;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Gateway, count};
use crate::auth::authenticate;
use crate::context::{REQUEST_ID, RequestContext, TRACEPARENT};
use crate::problem::Problem;

/// When to come back to a gateway that has no place.
const LATER: Duration = Duration::from_secs(1);
/// The most headers of a request.
const MAX_HEADER_LINES: usize = 64;
/// The longest name that a client may give a request, in bytes.
const MAX_REQUEST_ID: usize = 64;

/// Sheds reads first: what was not looked at can be looked at later.
const READ: u8 = 0;
/// Sheds writes last: money and parcels depend on them.
pub(super) const WRITE: u8 = 255;

/// Gives every request a name and a trace, and says the name in the answer.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let headers = request.headers_mut();
    let given = headers.get(REQUEST_ID).filter(|id| is_name(id.as_bytes()));
    let id = given.cloned().unwrap_or_else(|| {
        let id = Uuid::now_v7().to_string();
        // Hexadecimal digits and hyphens.
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    });
    headers.insert(REQUEST_ID, id.clone());
    let trace = headers.get(TRACEPARENT);
    if !trace.is_some_and(|trace| is_trace(trace.as_bytes()))
        && let Ok(trace) = HeaderValue::try_from(new_trace())
    {
        headers.insert(TRACEPARENT, trace);
    }
    let mut answer = next.run(request).await;
    answer.headers_mut().insert(REQUEST_ID, id);
    answer
}

fn is_name(name: &[u8]) -> bool {
    let is_plain = |letter: &u8| letter.is_ascii_alphanumeric() || b"-_.".contains(letter);
    (1..=MAX_REQUEST_ID).contains(&name.len()) && name.iter().all(is_plain)
}

/// `00-{32 digits}-{16 digits}-{2 digits}`, as the W3C's trace context has it, and neither id is zero.
fn is_trace(trace: &[u8]) -> bool {
    let parts: Vec<&[u8]> = trace.split(|letter| *letter == b'-').collect();
    let is_hex = |part: &[u8], length| {
        let is_digit = |letter: &u8| letter.is_ascii_digit() || (b'a'..=b'f').contains(letter);
        part.len() == length && part.iter().all(is_digit)
    };
    let is_zero = |part: &[u8]| part.iter().all(|letter| *letter == b'0');
    match parts[..] {
        [version, trace, span, flags] => {
            version == b"00"
                && is_hex(trace, 32)
                && is_hex(span, 16)
                && is_hex(flags, 2)
                && !is_zero(trace)
                && !is_zero(span)
        }
        _ => false,
    }
}

fn new_trace() -> String {
    let span = rand::random::<u64>().max(1);
    format!("00-{}-{span:016x}-01", Uuid::new_v4().simple())
}

/// Lets a request in, or says why not.
pub(super) async fn admit(
    State(gateway): State<Gateway>,
    mut request: Request,
    next: Next,
) -> Response {
    let shared = Arc::clone(&gateway.shared);
    let counts = &shared.counts;
    count(&counts.requests);
    if is_too_much(request.headers(), shared.max_headers) {
        count(&counts.too_large);
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let most = shared.max_headers;
        let detail =
            format!("At most {MAX_HEADER_LINES} headers with {most} bytes together are allowed.");
        return Problem::new(status, "headers-too-large", detail).into_response();
    }
    let identity = authenticate(&shared.tokens, request.headers());
    let client = match &identity {
        Ok(identity) => format!("subject:{}", identity.subject),
        // So that nobody can try tokens without end.
        Err(_) => format!("address:{}", address(&request)),
    };
    let quota = match shared.limit.take(&client).await {
        Ok(quota) => quota,
        Err((problem, quota)) => {
            count(&counts.limited);
            let mut answer = problem.into_response();
            quota.insert_into(answer.headers_mut());
            return answer;
        }
    };
    let mut answer = match identity {
        Err(problem) => {
            count(&counts.unauthenticated);
            problem.into_response()
        }
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            within_limits(&gateway, request, next).await
        }
    };
    quota.insert_into(answer.headers_mut());
    answer
}

async fn within_limits(gateway: &Gateway, mut request: Request, next: Next) -> Response {
    let shared = &gateway.shared;
    if content_length(request.headers()).is_some_and(|length| length > shared.max_body) {
        count(&shared.counts.too_large);
        return too_large(shared.max_body).into_response();
    }
    let priority = match *request.method() {
        Method::GET | Method::HEAD => READ,
        _ => WRITE,
    };
    let Ok(permit) = shared.shedding.try_acquire(priority) else {
        count(&shared.counts.shed);
        let detail = "There is more to do than can be done: come back in a moment.";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shed", detail);
        return problem.retry_after(LATER).into_response();
    };
    let mut context = RequestContext::from_headers(request.headers());
    let deadline = Instant::now() + context.remaining(shared.timeout);
    context.deadline = Some(deadline);
    request.extensions_mut().insert(context);
    let Ok(answer) = timeout_at(deadline, next.run(request)).await else {
        count(&shared.counts.timed_out);
        return timed_out().into_response();
    };
    until(deadline, permit, answer)
}

/// The answer, whose body holds the request's place until its last byte, and has as long as the request has.
pub(super) fn until(deadline: Instant, permit: SheddingPermit, answer: Response) -> Response {
    answer.map(|body| {
        let pieces = body.into_data_stream();
        let pieces =
            futures_util::stream::unfold(Some((pieces, permit)), move |state| async move {
                let (mut pieces, permit) = state?;
                match timeout_at(deadline, pieces.next()).await {
                    Ok(piece) => piece.map(|piece| (piece, Some((pieces, permit)))),
                    // The connection is closed: what was sent is not the whole.
                    Err(_) => Some((Err(axum::Error::new(TooSlow)), None)),
                }
            });
        Body::from_stream(pieces)
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the answer took longer than a request may")]
struct TooSlow;

pub(super) fn timed_out() -> Problem {
    let detail = "It took too long. Something that was to be changed may have been: send it again with the same Idempotency-Key.";
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timed-out", detail)
}

pub(super) fn too_large(most: u64) -> Problem {
    let detail = format!("A body of at most {most} bytes is allowed.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn is_too_much(headers: &HeaderMap, most: usize) -> bool {
    let bytes =
        |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    headers.len() > MAX_HEADER_LINES || headers.iter().map(bytes).sum::<usize>() > most
}

pub(super) fn address(request: &Request) -> String {
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
    connected.map_or_else(
        || "unknown".to_owned(),
        |ConnectInfo(address)| address.ip().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trace_of_the_w3cs_shape_is_gone_on_with() {
        assert!(is_trace(new_trace().as_bytes()));
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_trace(good.as_bytes()));
        for wrong in [
            "",
            &good[1..],
            &good.replace("00-", "ff-"),
            &good.to_uppercase(),
            &good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &good.replace("b7ad6b7169203331", &"0".repeat(16)),
            &format!("{good}-x"),
        ] {
            assert!(!is_trace(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_could_spoil_a_log_is_not_taken_over() {
        for (name, expected) in [
            ("a-1_b.c", true),
            (&*"x".repeat(64), true),
            ("", false),
            (&*"x".repeat(65), false),
            ("a b", false),
            ("a\"b", false),
        ] {
            assert_eq!(is_name(name.as_bytes()), expected, "{name}");
        }
    }
}
