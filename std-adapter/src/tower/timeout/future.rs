//! [`ResponseFuture`].

use crate::tally::did;
use crate::timeout::Timeout;
use crate::tower::error::{BoxError, Refused};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Sleep, sleep};

pin_project! {
    /// The response of a service that has so long.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        #[pin]
        sleep: Sleep,
        timeout: Timeout,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, timeout: Timeout) -> Self {
        Self {
            inner,
            sleep: sleep(timeout.limit()),
            timeout,
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
        // First the response: one that comes at the very moment of the limit has come.
        if let Poll::Ready(result) = this.inner.poll(context) {
            this.timeout.tally().count(did::Timeout::Ended);
            return Poll::Ready(result.map_err(Into::into));
        }
        this.sleep.poll(context).map(|()| {
            this.timeout.tally().count(did::Timeout::TimedOut);
            let limit = this.timeout.limit();
            Err(Box::new(Refused::TimedOut { limit }) as BoxError)
        })
    }
}
