//! [`BreakerLayer`].

use crate::breaker::CircuitBreaker;
use crate::classify::ByResult;
use crate::clock::CoarseClock;
use crate::tower::breaker::Guarded;
use tower_layer::Layer;

/// Puts a breaker around a service: every service that it makes, and every clone of one, shares it.
#[derive(Debug)]
pub struct BreakerLayer<K = ByResult, C = CoarseClock> {
    breaker: CircuitBreaker<C>,
    classify: K,
}

impl<C> BreakerLayer<ByResult, C> {
    /// Every `Err` of the service is a failure.
    pub fn new(breaker: CircuitBreaker<C>) -> Self {
        Self {
            breaker,
            classify: ByResult,
        }
    }
}

impl<K, C> BreakerLayer<K, C> {
    /// Another judgement of responses and errors.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> BreakerLayer<L, C> {
        BreakerLayer {
            breaker: self.breaker,
            classify,
        }
    }
}

impl<S, K: Clone, C> Layer<S> for BreakerLayer<K, C> {
    type Service = Guarded<S, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded::new(inner, self.breaker.clone(), self.classify.clone())
    }
}

impl<K: Clone, C> Clone for BreakerLayer<K, C> {
    fn clone(&self) -> Self {
        Self {
            breaker: self.breaker.clone(),
            classify: self.classify.clone(),
        }
    }
}
