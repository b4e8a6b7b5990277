//! [`RateLimitLayer`].

use crate::rate_limit::RateLimit;
use crate::tower::rate_limit::RateLimited;
use tower_layer::Layer;

/// Puts a rate limit around a service: every service that it makes, and every clone of one, shares it.
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    limit: RateLimit,
}

impl RateLimitLayer {
    /// Services under this limit.
    pub fn new(limit: RateLimit) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimited::new(inner, self.limit.clone())
    }
}
