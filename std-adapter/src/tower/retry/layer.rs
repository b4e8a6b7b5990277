//! [`RetryLayer`].

use crate::classify::ByResult;
use crate::retry::Retry;
use crate::tower::retry::Retried;
use tower_layer::Layer;

/// Puts retries around a service: every service that it makes, and every clone of one, shares budget and jitter.
#[derive(Clone, Debug)]
pub struct RetryLayer<K = ByResult> {
    retry: Retry,
    classify: K,
}

impl RetryLayer {
    /// Every `Err` is a failure that may be repeated: for requests that are safe to repeat.
    pub fn new(retry: Retry) -> Self {
        Self {
            retry,
            classify: ByResult,
        }
    }
}

impl<K> RetryLayer<K> {
    /// Another judgement of responses and errors.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> RetryLayer<L> {
        RetryLayer {
            retry: self.retry,
            classify,
        }
    }
}

impl<S, K: Clone> Layer<S> for RetryLayer<K> {
    type Service = Retried<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Retried::new(inner, self.retry.clone(), self.classify.clone())
    }
}
