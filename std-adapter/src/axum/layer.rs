//! [`RequestLimitLayer`].

use crate::axum::limit::{RateLimited, RequestLimit};
use axum_core::response::{IntoResponse, Response};
use http::Request;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_layer::Layer;
use tower_service::Service;

/// Limits requests: those that are admitted learn in `RateLimit` what is left, the others get 429 with `Retry-After`.
#[derive(Clone, Debug)]
pub struct RequestLimitLayer {
    limit: RequestLimit,
}

impl RequestLimitLayer {
    /// Requests under this limit.
    pub fn new(limit: RequestLimit) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for RequestLimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            limit: self.limit.clone(),
        }
    }
}

/// A service whose requests are limited. A clone shares the limit.
#[derive(Clone, Debug)]
pub struct Limited<S> {
    inner: S,
    limit: RequestLimit,
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Limiting<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.limit.admit(&parts) {
            Ok(admitted) => Limiting {
                inner: Some(self.inner.call(Request::from_parts(parts, body))),
                admitted: Some(admitted),
                rejection: None,
            },
            Err(problem) => Limiting {
                inner: None,
                admitted: None,
                rejection: Some(problem.into_response()),
            },
        }
    }
}

pin_project! {
    /// The response on its way.
    #[derive(Debug)]
    pub struct Limiting<F> {
        #[pin]
        inner: Option<F>,
        admitted: Option<RateLimited>,
        rejection: Option<Response>,
    }
}

impl<F, T, E> Future for Limiting<F>
where
    F: Future<Output = Result<T, E>>,
    T: IntoResponse,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(rejection) = this.rejection.take() {
            return Poll::Ready(Ok(rejection));
        }
        let inner = this.inner.as_pin_mut().expect("polled after a rejection");
        let mut response = ready!(inner.poll(context))?.into_response();
        if let Some(admitted) = this.admitted.take() {
            admitted.describe(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
