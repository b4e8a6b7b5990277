//! [`Guarded`].

use crate::breaker::{CircuitBreaker, Permit};
use crate::call::PolicyKind;
use crate::classify::{ByResult, Classify};
use crate::clock::{Clock, CoarseClock};
use crate::tower::error::BoxError;
use crate::tower::settling::Settling;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service under a breaker. A clone shares it.
///
/// It is as ready as the inner service, also while the breaker is open: `poll_ready` cannot say "not now", and a probe's place that was
/// reserved there might never be used. The permit is taken in `call`, whose response is the rejection.
#[derive(Debug)]
pub struct Guarded<S, K = ByResult, C = CoarseClock> {
    inner: S,
    breaker: CircuitBreaker<C>,
    classify: K,
}

impl<S, K, C> Guarded<S, K, C> {
    pub(super) fn new(inner: S, breaker: CircuitBreaker<C>, classify: K) -> Self {
        Self {
            inner,
            breaker,
            classify,
        }
    }
}

impl<S, R, K, C> Service<R> for Guarded<S, K, C>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    K: Classify<S::Response, BoxError> + Clone,
    C: Clock,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Settling<S::Future, Permit<C>, K>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.classify.clone();
        match self.breaker.try_acquire() {
            Ok(permit) => Settling::admitted(self.inner.call(request), permit, classify),
            Err(rejected) => Settling::rejected(PolicyKind::Breaker, rejected, classify),
        }
    }
}

impl<S: Clone, K: Clone, C> Clone for Guarded<S, K, C> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            breaker: self.breaker.clone(),
            classify: self.classify.clone(),
        }
    }
}
