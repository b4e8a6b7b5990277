//! [`Isolated`].

use crate::isolation::TaskIsolation;
use crate::tower::error::BoxError;
use crate::tower::response::{BoxFuture, ended};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose responses are made on tasks of their own.
///
/// The place is taken when the response is first polled.
#[derive(Clone, Debug)]
pub struct Isolated<S> {
    inner: S,
    isolation: TaskIsolation,
}

impl<S> Isolated<S> {
    pub(super) fn new(inner: S, isolation: TaskIsolation) -> Self {
        Self { inner, isolation }
    }
}

impl<S, R> Service<R> for Isolated<S>
where
    S: Service<R> + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let response = self.inner.call(request);
        let isolation = self.isolation.clone();
        Box::pin(async move {
            let response = async { response.await.map_err(Into::into) };
            ended(isolation.call::<_, BoxError, _>(response)).await
        })
    }
}
