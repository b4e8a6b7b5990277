//! [`AdaptiveLayer`].

use crate::adaptive::AdaptiveLimit;
use crate::classify::ByResult;
use crate::tower::adaptive::Adaptive;
use tower_layer::Layer;

/// Puts an adaptive limit around a service: every service that it makes, and every clone of one, shares it.
#[derive(Clone, Debug)]
pub struct AdaptiveLayer<K = ByResult> {
    limit: AdaptiveLimit,
    classify: K,
}

impl AdaptiveLayer {
    /// A response is a latency sample, a timeout inside says that the limit is too high, any other error says nothing.
    pub fn new(limit: AdaptiveLimit) -> Self {
        Self {
            limit,
            classify: ByResult,
        }
    }
}

impl<K> AdaptiveLayer<K> {
    /// Another judgement of responses and errors: only successes are samples.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> AdaptiveLayer<L> {
        AdaptiveLayer {
            limit: self.limit,
            classify,
        }
    }
}

impl<S, K: Clone> Layer<S> for AdaptiveLayer<K> {
    type Service = Adaptive<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Adaptive::new(inner, self.limit.clone(), self.classify.clone())
    }
}
