//! [`Throttled`].

use crate::call::PolicyKind;
use crate::classify::{ByResult, Classify};
use crate::throttle::{ClientThrottle, ThrottlePermit};
use crate::tower::error::BoxError;
use crate::tower::settling::Settling;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service under a client throttle. A clone shares it.
///
/// It is asked in `call`, so that a service that is kept ready draws nothing.
#[derive(Clone, Debug)]
pub struct Throttled<S, K = ByResult> {
    inner: S,
    throttle: ClientThrottle,
    classify: K,
}

impl<S, K> Throttled<S, K> {
    pub(super) fn new(inner: S, throttle: ClientThrottle, classify: K) -> Self {
        Self {
            inner,
            throttle,
            classify,
        }
    }
}

impl<S, R, K> Service<R> for Throttled<S, K>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    K: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Settling<S::Future, ThrottlePermit, K>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.classify.clone();
        match self.throttle.try_acquire() {
            Ok(permit) => Settling::admitted(self.inner.call(request), permit, classify),
            Err(rejected) => Settling::rejected(PolicyKind::Throttle, rejected, classify),
        }
    }
}
