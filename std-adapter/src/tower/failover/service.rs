//! [`FailedOver`].

use crate::breaker::CircuitBreaker;
use crate::classify::{ByResult, Classify};
use crate::clock::{Clock, CoarseClock};
use crate::failover::Failover;
use crate::tower::error::BoxError;
use crate::tower::repeated::once;
use crate::tower::response::{BoxFuture, ended};
use std::fmt;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service of several endpoints. The request and the inner service are cloned for each that is asked.
///
/// It is always ready: each attempt waits until the inner service is. An endpoint at which a layer inside rejects the request was not
/// asked: its breaker counts nothing, and the next one is.
pub struct FailedOver<S, A, D, K = ByResult, C: Clock = CoarseClock> {
    inner: S,
    endpoints: Failover<A, C>,
    direct: D,
    classify: K,
}

impl<S, A, D, K, C: Clock> FailedOver<S, A, D, K, C> {
    pub(super) fn new(inner: S, endpoints: Failover<A, C>, direct: D, classify: K) -> Self {
        Self {
            inner,
            endpoints,
            direct,
            classify,
        }
    }
}

impl<S, R, Q, A, D, K, C> Service<R> for FailedOver<S, A, D, K, C>
where
    S: Service<Q> + Clone + Send + 'static,
    S::Response: Send,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    D: Fn(&A, R) -> Q + Clone + Send + 'static,
    K: Classify<S::Response, BoxError> + Clone + Send + Sync + 'static,
    A: Send + Sync + 'static,
    C: Clock + Send + Sync + 'static,
    Q: Send + 'static,
    R: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (inner, direct) = (self.inner.clone(), self.direct.clone());
        let (endpoints, classify) = (self.endpoints.clone(), self.classify.clone());
        Box::pin(async move {
            let ask = move |address: &A| once(inner.clone(), direct(address, request.clone()));
            ended(endpoints.run(&classify, ask)).await
        })
    }
}

impl<S: Clone, A, D: Clone, K: Clone, C: Clock> Clone for FailedOver<S, A, D, K, C> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            self.endpoints.clone(),
            self.direct.clone(),
            self.classify.clone(),
        )
    }
}

impl<S: fmt::Debug, A, D, K, C: Clock> fmt::Debug for FailedOver<S, A, D, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .endpoints
            .breakers()
            .map(CircuitBreaker::name)
            .collect();
        f.debug_struct("FailedOver")
            .field("inner", &self.inner)
            .field("endpoints", &names)
            .finish_non_exhaustive()
    }
}
