//! [`ConcurrencyLayer`].

use crate::queue::ConcurrencyQueue;
use crate::tower::concurrency::Concurrency;
use tower_layer::Layer;

/// Puts a limit of places, and its line, around a service: every service that it makes, and every clone of one, shares it.
#[derive(Clone, Debug)]
pub struct ConcurrencyLayer {
    limit: ConcurrencyQueue,
}

impl ConcurrencyLayer {
    /// Services under this limit.
    pub fn new(limit: ConcurrencyQueue) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = Concurrency<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Concurrency::new(inner, self.limit.clone())
    }
}
