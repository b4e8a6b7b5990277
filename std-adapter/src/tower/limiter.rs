//! [`LimiterLayer`]: any [`Limiter`] before a service.

use crate::call::{CallError, PolicyKind};
use crate::limiter::Limiter;
use crate::tower::error::{BoxError, Refused};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Asks a [`Limiter`] before each request, in `call`: a request that is denied is answered with when to come back, and nobody waits. Every
/// service that it makes, and every clone of one, shares the limiter. (A line before a token bucket: `RateLimitLayer`.)
///
/// ```
/// # #[cfg(feature = "keyed")] {
/// use fuseboard::tower::LimiterLayer;
/// use fuseboard::{Keyed, Rate};
///
/// struct Query { tenant: String }
///
/// let limiter = Keyed::token_buckets(Rate::per_second(100), 10, 1_000)?;
/// let layer = LimiterLayer::new(limiter, |query: &Query| query.tenant.clone());
/// # let _ = layer;
/// # }
/// # Ok::<(), fuseboard::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct LimiterLayer<K> {
    limiter: Arc<dyn Limiter>,
    key: K,
}

impl<K> LimiterLayer<K> {
    /// Services under `limiter`; `key` says whose request it is.
    pub fn new(limiter: impl Limiter + 'static, key: K) -> Self {
        let limiter = Arc::new(limiter);
        Self { limiter, key }
    }
}

impl<K> fmt::Debug for LimiterLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterLayer")
            .field("quota", &self.limiter.quota())
            .finish_non_exhaustive()
    }
}

impl<S, K: Clone> Layer<S> for LimiterLayer<K> {
    type Service = LimitedByKey<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        LimitedByKey { inner, layer }
    }
}

/// A service whose requests a limiter admits or not. A clone shares the limiter.
#[derive(Clone, Debug)]
pub struct LimitedByKey<S, K> {
    inner: S,
    layer: LimiterLayer<K>,
}

impl<S, K, R> Service<R> for LimitedByKey<S, K>
where
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    K: Fn(&R) -> String,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (limiter, key) = (Arc::clone(&self.layer.limiter), (self.layer.key)(&request));
        // The one that was asked whether it is ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            match limiter.acquire(&key, 1).await.rejected() {
                None => inner.call(request).await.map_err(Into::into),
                Some(rejected) => {
                    let refused: Refused = CallError::rejected(PolicyKind::RateLimit, rejected);
                    Err(refused.into())
                }
            }
        })
    }
}
