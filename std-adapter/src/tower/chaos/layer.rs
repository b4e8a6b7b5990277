//! [`ChaosLayer`].

use crate::chaos::Chaos;
use crate::tower::chaos::Chaotic;
use tower_layer::Layer;

/// Puts faults in a service's place: every service that it makes, and every clone of one, shares the draws and the switch.
#[derive(Clone, Debug)]
pub struct ChaosLayer {
    chaos: Chaos,
}

impl ChaosLayer {
    /// Services under this policy.
    pub fn new(chaos: Chaos) -> Self {
        Self { chaos }
    }
}

impl<S> Layer<S> for ChaosLayer {
    type Service = Chaotic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Chaotic::new(inner, self.chaos.clone())
    }
}
