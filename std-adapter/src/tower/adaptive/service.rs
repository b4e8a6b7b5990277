//! [`Adaptive`].

use crate::adaptive::{AdaptiveLimit, AdaptivePermit};
use crate::call::PolicyKind;
use crate::classify::{ByResult, Classify};
use crate::tower::error::BoxError;
use crate::tower::settling::Settling;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service under an adaptive limit. A clone shares it.
///
/// The place is taken in `call`: the latency that it learns from begins there.
#[derive(Clone, Debug)]
pub struct Adaptive<S, K = ByResult> {
    inner: S,
    limit: AdaptiveLimit,
    classify: K,
}

impl<S, K> Adaptive<S, K> {
    pub(super) fn new(inner: S, limit: AdaptiveLimit, classify: K) -> Self {
        Self {
            inner,
            limit,
            classify,
        }
    }
}

impl<S, R, K> Service<R> for Adaptive<S, K>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    K: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Settling<S::Future, AdaptivePermit, K>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let classify = self.classify.clone();
        match self.limit.try_acquire() {
            Ok(permit) => Settling::admitted(self.inner.call(request), permit, classify),
            Err(rejected) => Settling::rejected(PolicyKind::Adaptive, rejected, classify),
        }
    }
}
