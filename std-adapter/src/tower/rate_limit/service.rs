//! [`RateLimited`].

use crate::rate_limit::RateLimit;
use crate::rate_limit::Turn;
use crate::tower::error::BoxError;
use crate::tower::rate_limit::ResponseFuture;
use crate::tower::reserving::Reserving;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A service that is called at a rate.
///
/// `poll_ready` waits for a token, as long as the limit says, and reserves it. A token that was reserved and not used is given back when
/// the service is dropped. A clone shares the rate and has none reserved. Where the wait would be too long, `poll_ready` is ready at
/// once and the response is the rejection, with when to come back.
#[derive(Debug)]
pub struct RateLimited<S> {
    inner: S,
    limit: RateLimit,
    reserved: Reserving<Turn>,
}

impl<S> RateLimited<S> {
    pub(super) fn new(inner: S, limit: RateLimit) -> Self {
        Self {
            inner,
            limit,
            reserved: Reserving::new(),
        }
    }
}

impl<S, R> Service<R> for RateLimited<S>
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
            Box::pin(async move { limit.turn(1).await }) as _
        };
        ready!(self.reserved.poll(context, ask));
        self.inner.poll_ready(context).map_err(Into::into)
    }

    /// # Panics
    /// When `poll_ready` was not asked before.
    fn call(&mut self, request: R) -> Self::Future {
        match self.reserved.take() {
            Some(Ok(turn)) => {
                turn.spend();
                ResponseFuture::admitted(self.inner.call(request))
            }
            Some(Err(rejected)) => ResponseFuture::rejected(rejected),
            None => panic!("poll_ready reserves a token, and must be called first"),
        }
    }
}

impl<S: Clone> Clone for RateLimited<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit.clone())
    }
}
