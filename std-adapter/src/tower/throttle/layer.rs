//! [`ThrottleLayer`].

use crate::classify::ByResult;
use crate::throttle::ClientThrottle;
use crate::tower::throttle::Throttled;
use tower_layer::Layer;

/// Puts a client throttle around a service: every service that it makes, and every clone of one, shares it.
#[derive(Clone, Debug)]
pub struct ThrottleLayer<K = ByResult> {
    throttle: ClientThrottle,
    classify: K,
}

impl ThrottleLayer {
    /// Every `Err` counts as refused, but for what policies inside reject.
    pub fn new(throttle: ClientThrottle) -> Self {
        Self {
            throttle,
            classify: ByResult,
        }
    }
}

impl<K> ThrottleLayer<K> {
    /// Another judgement of responses and errors: failures were refused, successes accepted.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> ThrottleLayer<L> {
        ThrottleLayer {
            throttle: self.throttle,
            classify,
        }
    }
}

impl<S, K: Clone> Layer<S> for ThrottleLayer<K> {
    type Service = Throttled<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Throttled::new(inner, self.throttle.clone(), self.classify.clone())
    }
}
