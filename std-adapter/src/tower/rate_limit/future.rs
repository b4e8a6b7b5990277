//! [`ResponseFuture`].

use crate::call::{CallError, PolicyKind};
use crate::tower::error::{BoxError, boxed};
use fuseboard_core::Rejected;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The response of a service whose token is spent.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        rejected: Option<Rejected>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn admitted(inner: F) -> Self {
        Self {
            inner: Some(inner),
            rejected: None,
        }
    }

    pub(super) fn rejected(rejected: Rejected) -> Self {
        Self {
            inner: None,
            rejected: Some(rejected),
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(rejected) = this.rejected.take() {
            let error = CallError::rejected(PolicyKind::RateLimit, rejected);
            return Poll::Ready(Err(boxed(error)));
        }
        let inner = this.inner.as_pin_mut().expect("polled after a rejection");
        inner.poll(context).map_err(Into::into)
    }
}
