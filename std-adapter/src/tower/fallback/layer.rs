//! [`FallbackLayer`].

use crate::classify::ByResult;
use crate::tally::{Tally, did};
use crate::tower::fallback::FallingBack;
use std::sync::Arc;
use tower_layer::Layer;

/// Puts a stand-in behind a service: see [`Fallback`](crate::Fallback). Every service that it makes, and every clone of one, shares it.
#[derive(Debug)]
pub struct FallbackLayer<F, K = ByResult> {
    fallback: Arc<F>,
    classify: K,
    tally: Tally,
}

impl<F> FallbackLayer<F> {
    /// Every `Err` is a failure.
    pub fn new(fallback: F) -> Self {
        Self {
            fallback: Arc::new(fallback),
            classify: ByResult,
            tally: Tally::new::<did::Fallback>(),
        }
    }
}

impl<F, K> FallbackLayer<F, K> {
    /// Another judgement of responses and errors.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> FallbackLayer<F, L> {
        FallbackLayer {
            fallback: self.fallback,
            classify,
            tally: self.tally,
        }
    }

    /// Who answered the requests of all its services.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl<S, F, K: Clone> Layer<S> for FallbackLayer<F, K> {
    type Service = FallingBack<S, F, K>;

    fn layer(&self, inner: S) -> Self::Service {
        FallingBack::new(
            inner,
            Arc::clone(&self.fallback),
            self.classify.clone(),
            self.tally.clone(),
        )
    }
}

impl<F, K: Clone> Clone for FallbackLayer<F, K> {
    fn clone(&self) -> Self {
        Self {
            fallback: Arc::clone(&self.fallback),
            classify: self.classify.clone(),
            tally: self.tally.clone(),
        }
    }
}
