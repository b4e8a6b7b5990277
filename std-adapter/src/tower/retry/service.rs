//! [`Retried`].

use crate::classify::{ByResult, Classify};
use crate::retry::Retry;
use crate::tower::error::BoxError;
use crate::tower::repeated::Repeated;
use crate::tower::response::{BoxFuture, ended};
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose requests are made again. The request and the inner service are cloned for each attempt.
///
/// It is always ready: each attempt waits until the inner service is.
#[derive(Clone, Debug)]
pub struct Retried<S, K = ByResult> {
    inner: S,
    retry: Retry,
    classify: K,
}

impl<S, K> Retried<S, K> {
    pub(super) fn new(inner: S, retry: Retry, classify: K) -> Self {
        Self {
            inner,
            retry,
            classify,
        }
    }
}

impl<S, R, K> Service<R> for Retried<S, K>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    K: Classify<S::Response, BoxError> + Clone + Send + Sync + 'static,
    S::Response: Send,
    R: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let repeated = Repeated::new(self.inner.clone(), request);
        let (retry, classify) = (self.retry.clone(), self.classify.clone());
        Box::pin(async move {
            let call = retry.run(&classify, None, || repeated.judged());
            ended(call).await
        })
    }
}
