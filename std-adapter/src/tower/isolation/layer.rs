//! [`IsolationLayer`].

use crate::isolation::TaskIsolation;
use crate::tower::isolation::Isolated;
use tower_layer::Layer;

/// Runs a service's responses on tasks of their own: every service that it makes, and every clone of one, shares the places.
#[derive(Clone, Debug)]
pub struct IsolationLayer {
    isolation: TaskIsolation,
}

impl IsolationLayer {
    /// Services under this policy.
    pub fn new(isolation: TaskIsolation) -> Self {
        Self { isolation }
    }
}

impl<S> Layer<S> for IsolationLayer {
    type Service = Isolated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Isolated::new(inner, self.isolation.clone())
    }
}
