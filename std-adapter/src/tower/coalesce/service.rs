//! [`Coalesced`].

use crate::call::CallError;
use crate::coalesce::Coalesce;
use crate::tower::coalesce::SharedError;
use crate::tower::coalesce::layer::Shared;
use crate::tower::error::BoxError;
use crate::tower::repeated::once;
use crate::tower::response::{BoxFuture, ended};
use std::fmt;
use std::hash::Hash;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose equal requests at the same time are one call. A clone shares the calls under way.
///
/// It is always ready: the call that is made waits until the inner service is. When whoever makes it is dropped, another of those who wait
/// makes its own.
pub struct Coalesced<S, F, K, T> {
    inner: S,
    calls: Coalesce<K, Shared<T>>,
    key: F,
}

impl<S, F, K, T> Coalesced<S, F, K, T> {
    pub(super) fn new(inner: S, calls: Coalesce<K, Shared<T>>, key: F) -> Self {
        Self { inner, calls, key }
    }
}

impl<S, R, F, K> Service<R> for Coalesced<S, F, K, S::Response>
where
    S: Service<R> + Clone + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    F: Fn(&R) -> Option<K>,
    K: Clone + Eq + Hash + Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let key = (self.key)(&request);
        let call = once(self.inner.clone(), request);
        let Some(key) = key else {
            return Box::pin(ended(call));
        };
        let calls = self.calls.clone();
        Box::pin(ended(async move {
            let shared = async {
                let answer = call.await;
                answer.map_err(|error| error.map_inner(SharedError::new))
            };
            let answer = calls.call(key, || shared).await;
            answer.map_err(|error: CallError<SharedError>| error.map_inner(BoxError::from))
        }))
    }
}

impl<S: Clone, F: Clone, K, T> Clone for Coalesced<S, F, K, T> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.calls.clone(), self.key.clone())
    }
}

impl<S: fmt::Debug, F, K, T> fmt::Debug for Coalesced<S, F, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced")
            .field("inner", &self.inner)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}
