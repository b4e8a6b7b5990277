//! [`Repeated`]: one request that may be passed on several times.

use crate::call::CallError;
use crate::tower::error::{BoxError, boxed, unboxed};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use tower_service::Service;

/// A response that is under way, whatever makes it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A service and a request, cloned for each attempt. The lock makes them `Sync`, which requests need not be.
pub(crate) struct Repeated<S, R>(Mutex<(S, R)>);

impl<S: Clone, R: Clone> Repeated<S, R> {
    pub(crate) fn new(inner: S, request: R) -> Self {
        Self(Mutex::new((inner, request)))
    }

    /// One attempt.
    pub(crate) fn attempt(
        &self,
    ) -> impl Future<Output = Result<S::Response, BoxError>> + Send + use<S, R>
    where
        S: Service<R> + Send,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: Send,
    {
        let (mut inner, request) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        async move {
            poll_fn(|context| inner.poll_ready(context))
                .await
                .map_err(Into::into)?;
            inner.call(request).await.map_err(Into::into)
        }
    }

    /// One attempt, and what a layer inside said known for what it is.
    pub(crate) fn judged(
        &self,
    ) -> impl Future<Output = Result<S::Response, CallError<BoxError>>> + Send + use<S, R>
    where
        S: Service<R> + Send,
        S::Future: Send,
        S::Error: Into<BoxError>,
        R: Send,
    {
        let attempt = self.attempt();
        async { attempt.await.map_err(unboxed) }
    }
}

/// A call's end, boxed.
pub(crate) async fn ended<T>(
    call: impl Future<Output = Result<T, CallError<BoxError>>>,
) -> Result<T, BoxError> {
    call.await.map_err(boxed)
}
