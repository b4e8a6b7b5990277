//! [`RequestLimitLayer`].

use crate::axum::limit::RequestLimit;
use axum_core::response::{IntoResponse, Response};
use http::Request;
use std::pin::Pin;
use std::task::{Context, Poll};
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

/// The response on its way.
pub type Limiting<E> = Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>;

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: IntoResponse,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Limiting<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let (limit, key) = (self.limit.clone(), self.limit.key(&parts));
        // The one that was asked whether it is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            match limit.admit_key(&key).await {
                Ok(admitted) => {
                    let request = Request::from_parts(parts, body);
                    let mut response = inner.call(request).await?.into_response();
                    admitted.describe(response.headers_mut());
                    Ok(response)
                }
                Err(problem) => Ok(problem.into_response()),
            }
        })
    }
}
