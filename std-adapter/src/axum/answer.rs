//! [`Problem`]: what a policy says, as a response; [`AnswerLayer`]: for every policy inside.

use crate::axum::headers;
use crate::call::{CallError, PolicyKind};
use crate::tower::{BoxError, Refused, refused};
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use fuseboard_core::Reason;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// A response that explains itself: `application/problem+json` (RFC 9457), with `Retry-After` where a time is known.
#[derive(Clone, Debug)]
pub struct Problem {
    // A header map is large, and a rejection is the rare half of a result.
    parts: Box<Parts>,
}

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    headers: HeaderMap,
}

/// What a policy said, for the client:
///
/// | the policy | status |
/// |---|---|
/// | a rate limit is used up | 429 |
/// | any other rejection: a breaker is open, places are taken | 503 |
/// | a time limit is over | 504 |
/// | chaos | 500 |
pub fn problem(refused: &Refused) -> Problem {
    let (status, kind, title) = match refused {
        CallError::Rejected {
            policy: PolicyKind::RateLimit,
            reason: Reason::Limited | Reason::Never,
            ..
        } => (StatusCode::TOO_MANY_REQUESTS, QUOTA, "Too many requests"),
        CallError::Rejected { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            CAPACITY,
            "Service unavailable for now",
        ),
        CallError::TimedOut { .. } => (StatusCode::GATEWAY_TIMEOUT, BLANK, "No answer in time"),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            BLANK,
            "Internal server error",
        ),
    };
    let mut headers = HeaderMap::new();
    if let Some(wait) = refused.retry_after() {
        headers::retry_after(&mut headers, wait);
    }
    Problem {
        parts: Box::new(Parts {
            status,
            kind,
            title,
            detail: detail(refused),
            headers,
        }),
    }
}

/// The types of the IETF's draft-ietf-httpapi-ratelimit-headers-10.
const QUOTA: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
const BLANK: &str = "about:blank";

/// For the client, who is not to learn which dependency it is that fails.
fn detail(refused: &Refused) -> String {
    match refused {
        CallError::Rejected {
            retry_after: Some(wait),
            ..
        } => format!("Come back in {} s.", headers::seconds(*wait)),
        CallError::Rejected { .. } => String::from("Come back later."),
        CallError::TimedOut { .. } => String::from("It took too long; it may have been done."),
        _ => String::from("Something failed."),
    }
}

impl Problem {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.parts.status
    }

    /// Its headers besides `Content-Type`.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.parts.headers
    }

    /// A handler asked for a limit that its router has not.
    pub(super) fn unlimited() -> Self {
        Self::internal(
            "No RequestLimit is among the extensions of this router: add axum::Extension(limit).",
        )
    }

    fn internal(detail: &str) -> Self {
        Self {
            parts: Box::new(Parts {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                kind: BLANK,
                title: "Internal server error",
                detail: detail.to_owned(),
                headers: HeaderMap::new(),
            }),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts {
            status,
            kind,
            title,
            detail,
            headers,
        } = *self.parts;
        // None of these has a letter that JSON would want escaped.
        let body = format!(
            "{{\"type\":\"{kind}\",\"title\":\"{title}\",\"status\":{},\"detail\":\"{detail}\"}}\n",
            status.as_u16()
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

/// Answers for every policy inside of it: what it says becomes a [`problem`], any other error 500. So a router takes the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerLayer;

impl<S> Layer<S> for AnswerLayer {
    type Service = Answer<S>;

    fn layer(&self, inner: S) -> Answer<S> {
        Answer { inner }
    }
}

/// A service that always answers.
#[derive(Clone, Copy, Debug)]
pub struct Answer<S> {
    inner: S,
}

impl<S, R> Service<R> for Answer<S>
where
    S: Service<R>,
    S::Response: IntoResponse,
    S::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A service that is broken for good says so again when it is called.
        let _ = ready!(self.inner.poll_ready(context));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        Answering {
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The answer on its way.
    #[derive(Debug)]
    pub struct Answering<F> {
        #[pin]
        inner: F,
    }
}

impl<F, T, E> Future for Answering<F>
where
    F: Future<Output = Result<T, E>>,
    T: IntoResponse,
    E: Into<BoxError>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match ready!(self.project().inner.poll(context)) {
            Ok(response) => response.into_response(),
            Err(error) => {
                let error: BoxError = error.into();
                let problem = match refused(&*error) {
                    Some(refused) => problem(refused),
                    None => Problem::internal("Something failed."),
                };
                problem.into_response()
            }
        };
        Poll::Ready(Ok(answer))
    }
}
