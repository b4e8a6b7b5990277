//! [`Chaotic`].

use crate::chaos::Chaos;
use crate::tower::error::{BoxError, unboxed};
use crate::tower::response::{BoxFuture, ended};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service that fails on purpose, while chaos is on.
#[derive(Clone, Debug)]
pub struct Chaotic<S> {
    inner: S,
    chaos: Chaos,
}

impl<S> Chaotic<S> {
    pub(super) fn new(inner: S, chaos: Chaos) -> Self {
        Self { inner, chaos }
    }
}

impl<S, R> Service<R> for Chaotic<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The service that was made ready is the one that is called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let chaos = self.chaos.clone();
        Box::pin(ended(async move {
            chaos.strike().await?;
            let response = inner.call(request).await;
            response.map_err(|error| unboxed(error.into()))
        }))
    }
}
