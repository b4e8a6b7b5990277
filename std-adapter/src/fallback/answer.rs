//! [`Fallback`]: what stands in for an answer.

use crate::call::CallError;
use crate::fallback::Service;

/// What stands in when a service has no answer.
pub trait Fallback<Request, T, E>: Send + Sync {
    /// An answer in the place of `failed`, which is an error, or a value that the classification calls a failure.
    fn answer(
        &self,
        request: Request,
        failed: Result<T, CallError<E>>,
    ) -> impl Future<Output = Result<T, CallError<E>>> + Send;

    /// The service has answered well.
    fn learn(&self, request: &Request, value: &T) {
        let _ = (request, value);
    }
}

/// The same value each time.
#[derive(Clone, Copy, Debug)]
pub struct OrValue<T>(pub T);

impl<R: Send, T: Clone + Send + Sync, E: Send> Fallback<R, T, E> for OrValue<T> {
    async fn answer(&self, _: R, _: Result<T, CallError<E>>) -> Result<T, CallError<E>> {
        Ok(self.0.clone())
    }
}

/// A function of the request and of what the service said.
#[derive(Clone, Copy, Debug)]
pub struct OrElse<F>(pub F);

impl<R, T, E, F, A> Fallback<R, T, E> for OrElse<F>
where
    R: Send,
    T: Send,
    E: Send,
    F: Fn(R, Result<T, CallError<E>>) -> A + Send + Sync,
    A: Future<Output = Result<T, CallError<E>>> + Send,
{
    fn answer(
        &self,
        request: R,
        failed: Result<T, CallError<E>>,
    ) -> impl Future<Output = Result<T, CallError<E>>> + Send {
        (self.0)(request, failed)
    }
}

/// A second service.
#[derive(Clone, Copy, Debug)]
pub struct OrService<S>(pub S);

impl<R, T, E, S> Fallback<R, T, E> for OrService<S>
where
    R: Send,
    T: Send,
    E: Send,
    S: Service<R, Response = T, Error = E>,
{
    async fn answer(&self, request: R, _: Result<T, CallError<E>>) -> Result<T, CallError<E>> {
        self.0
            .call(request)
            .await
            .map_err(CallError::OperationFailed)
    }
}
