//! [`Concurrency`].

use crate::queue::ConcurrencyQueue;
use crate::queue::QueuePermit;
use crate::tower::concurrency::ResponseFuture;
use crate::tower::error::BoxError;
use crate::tower::reserving::Reserving;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A service with so many requests in flight at once.
///
/// `poll_ready` waits in line for a place and reserves it: so callers feel the pressure, and a load balancer sees it. A
/// place that was reserved and not used is given back when the service is dropped. A clone shares the places and has none reserved. Where
/// the line is full or the wait too long, `poll_ready` is ready and the response is the rejection.
///
/// A service that is kept ready and never called keeps its place: poll only what is about to be called.
#[derive(Debug)]
pub struct Concurrency<S> {
    inner: S,
    limit: ConcurrencyQueue,
    reserved: Reserving<QueuePermit>,
}

impl<S> Concurrency<S> {
    pub(super) fn new(inner: S, limit: ConcurrencyQueue) -> Self {
        Self {
            inner,
            limit,
            reserved: Reserving::new(),
        }
    }
}

impl<S, R> Service<R> for Concurrency<S>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let limit = &self.limit;
        let ask = || {
            let limit = limit.clone();
            Box::pin(async move { limit.acquire().await }) as _
        };
        ready!(self.reserved.poll(context, ask));
        self.inner.poll_ready(context).map_err(Into::into)
    }

    /// # Panics
    /// When `poll_ready` was not asked before.
    fn call(&mut self, request: R) -> Self::Future {
        match self.reserved.take() {
            Some(Ok(permit)) => ResponseFuture::admitted(self.inner.call(request), permit),
            Some(Err(rejected)) => ResponseFuture::rejected(rejected),
            None => panic!("poll_ready reserves a place, and must be called first"),
        }
    }
}

impl<S: Clone> Clone for Concurrency<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit.clone())
    }
}
