//! [`once`]: one request passed on when the service is ready; [`Repeated`]: one that may be passed on several times.

use crate::call::CallError;
use crate::tower::error::{BoxError, unboxed};
use std::future::poll_fn;
#[cfg(feature = "retry")]
use std::sync::{Mutex, PoisonError};
use tower_service::Service;

/// Waits until the service is ready and calls it; what a layer inside said is known for what it is.
pub(crate) async fn once<S, R>(mut inner: S, request: R) -> Result<S::Response, CallError<BoxError>>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    // Boxed before the next await: the service's own error need not be `Send`.
    poll_fn(|context| inner.poll_ready(context))
        .await
        .map_err(|error| unboxed(error.into()))?;
    let response = inner.call(request).await;
    response.map_err(|error| unboxed(error.into()))
}

/// A service and a request, cloned for each attempt. The lock makes them `Sync`, which requests need not be.
#[cfg(feature = "retry")]
pub(crate) struct Repeated<S, R>(Mutex<(S, R)>);

#[cfg(feature = "retry")]
impl<S: Clone, R: Clone> Repeated<S, R> {
    pub(crate) fn new(inner: S, request: R) -> Self {
        Self(Mutex::new((inner, request)))
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
        let (inner, request) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        once(inner, request)
    }
}
