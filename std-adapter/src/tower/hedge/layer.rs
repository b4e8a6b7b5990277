//! [`HedgeLayer`].

use crate::classify::ByResult;
use crate::hedge::Hedge;
use crate::tower::hedge::Hedged;
use tower_layer::Layer;

/// Puts hedging around a service: every service that it makes, and every clone of one, shares its budget.
#[derive(Clone, Debug)]
pub struct HedgeLayer<K = ByResult> {
    hedge: Hedge,
    classify: K,
}

impl HedgeLayer {
    /// Every `Err` is waited out as long as an attempt is left.
    pub fn new(hedge: Hedge) -> Self {
        Self {
            hedge,
            classify: ByResult,
        }
    }
}

impl<K> HedgeLayer<K> {
    /// Another judgement of responses and errors.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> HedgeLayer<L> {
        HedgeLayer {
            hedge: self.hedge,
            classify,
        }
    }
}

impl<S, K: Clone> Layer<S> for HedgeLayer<K> {
    type Service = Hedged<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedged::new(inner, self.hedge.clone(), self.classify.clone())
    }
}
