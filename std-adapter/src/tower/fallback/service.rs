//! [`FallingBack`].

use crate::classify::{ByResult, Classify, judge};
use crate::fallback::{Fallback, stood_in};
use crate::tally::{Tally, did};
use crate::tower::error::{BoxError, unboxed};
use crate::tower::response::{BoxFuture, ended};
use fuseboard_core::Outcome;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service with a stand-in. The request is cloned for it.
#[derive(Debug)]
pub struct FallingBack<S, F, K = ByResult> {
    inner: S,
    fallback: Arc<F>,
    classify: K,
    tally: Tally,
}

impl<S, F, K> FallingBack<S, F, K> {
    pub(super) fn new(inner: S, fallback: Arc<F>, classify: K, tally: Tally) -> Self {
        Self {
            inner,
            fallback,
            classify,
            tally,
        }
    }
}

impl<S, R, F, K> Service<R> for FallingBack<S, F, K>
where
    S: Service<R>,
    S::Response: Send,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: Clone + Send + Sync + 'static,
    F: Fallback<R, S::Response, BoxError> + 'static,
    K: Classify<S::Response, BoxError> + Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let response = self.inner.call(request.clone());
        let (fallback, classify) = (Arc::clone(&self.fallback), self.classify.clone());
        let tally = self.tally.clone();
        Box::pin(async move {
            let answer = response.await.map_err(|error| unboxed(error.into()));
            let is_failure = match &answer {
                Err(error) if error.is_rejected() => true,
                _ => judge(&classify, &answer).outcome == Outcome::Failure,
            };
            if is_failure {
                let answer = fallback.answer(request, answer).await;
                tally.count(stood_in(&answer));
                return ended(async { answer }).await;
            }
            tally.count(did::Fallback::Own);
            if let Ok(response) = &answer {
                fallback.learn(&request, response);
            }
            ended(async { answer }).await
        })
    }
}

impl<S: Clone, F, K: Clone> Clone for FallingBack<S, F, K> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            Arc::clone(&self.fallback),
            self.classify.clone(),
            self.tally.clone(),
        )
    }
}
