//! [`Shed`].

use crate::call::PolicyKind;
use crate::classify::ByResult;
use crate::shedding::{LoadShedding, SheddingPermit};
use crate::tower::error::BoxError;
use crate::tower::settling::Settling;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service whose less important requests are rejected first. A clone shares the places.
///
/// The place is taken in `call`: before that nobody knows how important the request is.
#[derive(Clone, Debug)]
pub struct Shed<S, P> {
    inner: S,
    shedding: LoadShedding,
    priority: P,
}

impl<S, P> Shed<S, P> {
    pub(super) fn new(inner: S, shedding: LoadShedding, priority: P) -> Self {
        Self {
            inner,
            shedding,
            priority,
        }
    }
}

impl<S, R, P> Service<R> for Shed<S, P>
where
    S: Service<R>,
    S::Error: Into<BoxError>,
    P: Fn(&R) -> u8,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Settling<S::Future, SheddingPermit, ByResult>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.shedding.try_acquire((self.priority)(&request)) {
            Ok(permit) => Settling::admitted(self.inner.call(request), permit, ByResult),
            Err(rejected) => Settling::rejected(PolicyKind::Shedding, rejected, ByResult),
        }
    }
}
