//! [`TimeoutLayer`].

use crate::timeout::Timeout;
use crate::tower::timeout::TimedService;
use tower_layer::Layer;

/// Puts a time limit around a service.
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    timeout: Timeout,
}

impl TimeoutLayer {
    /// Services whose responses have so long.
    pub fn new(timeout: Timeout) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimedService::new(inner, self.timeout.clone())
    }
}
