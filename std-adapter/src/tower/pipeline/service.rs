//! [`Piped`].

use crate::classify::{ByResult, Classify};
use crate::pipeline::{CallOptions, Pipeline};
use crate::tower::error::BoxError;
use crate::tower::repeated::Repeated;
use crate::tower::response::{BoxFuture, ended};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service under a pipeline. The request and the inner service are cloned for each attempt.
///
/// It is always ready, and everything is asked for in its response, as one: what the pipeline admits together could not be reserved
/// together in `poll_ready`.
#[derive(Debug)]
pub struct Piped<S, K = ByResult> {
    inner: S,
    pipeline: Pipeline<K>,
}

impl<S, K> Piped<S, K> {
    pub(super) fn new(inner: S, pipeline: Pipeline<K>) -> Self {
        Self { inner, pipeline }
    }
}

impl<S, R, K> Service<R> for Piped<S, K>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Clone + Send + 'static,
    K: Classify<S::Response, BoxError> + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let repeated = Repeated::new(self.inner.clone(), request);
        let pipeline = self.pipeline.clone();
        Box::pin(async move {
            let options = CallOptions::default();
            let attempt = || repeated.judged();
            ended(pipeline.run(pipeline.classification(), options, &attempt)).await
        })
    }
}

impl<S: Clone, K> Clone for Piped<S, K> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.pipeline.clone())
    }
}
