//! [`FailoverLayer`].

use crate::breaker::CircuitBreaker;
use crate::classify::ByResult;
use crate::clock::{Clock, CoarseClock};
use crate::failover::Failover;
use crate::tower::failover::FailedOver;
use std::fmt;
use tower_layer::Layer;

/// Asks one endpoint, and the next one when that fails: every service that it makes, and every clone of one, shares the endpoints' breakers.
///
/// `direct` makes of an endpoint and a request what the inner service takes: the same request with another authority, or a pair of both.
///
/// ```
/// use fuseboard::tower::FailoverLayer;
/// use fuseboard::{CircuitBreakerConfig, Failover};
/// use std::io;
/// use tower::{ServiceBuilder, service_fn};
///
/// let regions = Failover::new(["http://eu-west", "http://us-east"], CircuitBreakerConfig::default())?;
/// let service = ServiceBuilder::new()
///     .layer(FailoverLayer::new(regions, |region: &&str, path: String| format!("{region}{path}")))
///     .service(service_fn(async |url: String| Ok::<_, io::Error>(url)));
/// # let _ = tower::ServiceExt::<String>::oneshot(service, String::new());
/// # Ok::<(), fuseboard::ConfigError>(())
/// ```
pub struct FailoverLayer<A, D, K = ByResult, C: Clock = CoarseClock> {
    endpoints: Failover<A, C>,
    direct: D,
    classify: K,
}

impl<A, D, C: Clock> FailoverLayer<A, D, ByResult, C> {
    /// Every `Err` is a failure of its endpoint, after which the next one is asked.
    pub fn new(endpoints: Failover<A, C>, direct: D) -> Self {
        Self {
            endpoints,
            direct,
            classify: ByResult,
        }
    }
}

impl<A, D, K, C: Clock> FailoverLayer<A, D, K, C> {
    /// Another judgement of responses and errors: the next endpoint is asked after what may be repeated.
    #[must_use]
    pub fn classify<L>(self, classify: L) -> FailoverLayer<A, D, L, C> {
        FailoverLayer {
            endpoints: self.endpoints,
            direct: self.direct,
            classify,
        }
    }
}

impl<S, A, D: Clone, K: Clone, C: Clock> Layer<S> for FailoverLayer<A, D, K, C> {
    type Service = FailedOver<S, A, D, K, C>;

    fn layer(&self, inner: S) -> Self::Service {
        FailedOver::new(
            inner,
            self.endpoints.clone(),
            self.direct.clone(),
            self.classify.clone(),
        )
    }
}

impl<A, D: Clone, K: Clone, C: Clock> Clone for FailoverLayer<A, D, K, C> {
    fn clone(&self) -> Self {
        Self {
            endpoints: self.endpoints.clone(),
            direct: self.direct.clone(),
            classify: self.classify.clone(),
        }
    }
}

impl<A, D, K, C: Clock> fmt::Debug for FailoverLayer<A, D, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.endpoints.breakers().map(CircuitBreaker::name);
        f.debug_list().entries(names).finish()
    }
}
