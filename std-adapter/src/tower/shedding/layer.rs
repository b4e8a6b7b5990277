//! [`SheddingLayer`].

use crate::shedding::LoadShedding;
use crate::tower::shedding::Shed;
use tower_layer::Layer;

/// Puts load shedding around a service: every service that it makes, and every clone of one, shares the places.
#[derive(Clone, Debug)]
pub struct SheddingLayer<P> {
    shedding: LoadShedding,
    priority: P,
}

impl<P> SheddingLayer<P> {
    /// `priority` says how important a request is; 255 is shed last.
    pub fn new(shedding: LoadShedding, priority: P) -> Self {
        Self { shedding, priority }
    }
}

impl<S, P: Clone> Layer<S> for SheddingLayer<P> {
    type Service = Shed<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Shed::new(inner, self.shedding.clone(), self.priority.clone())
    }
}
