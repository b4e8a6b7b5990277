//! [`TimedService`].

use crate::timeout::Timeout;
use crate::tower::error::BoxError;
use crate::tower::timeout::ResponseFuture;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose responses have so long, counted from `call`; waiting until it is ready does not count.
#[derive(Clone, Debug)]
pub struct TimedService<S> {
    inner: S,
    timeout: Timeout,
}

impl<S> TimedService<S> {
    pub(super) fn new(inner: S, timeout: Timeout) -> Self {
        Self { inner, timeout }
    }
}

impl<S, R> Service<R> for TimedService<S>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.timeout.clone())
    }
}
