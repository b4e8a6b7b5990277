//! [`CoalesceLayer`].

use crate::call::CallError;
use crate::coalesce::Coalesce;
use crate::tally::Tally;
use crate::tower::coalesce::{Coalesced, SharedError};
use std::fmt;
use std::hash::Hash;
use tower_layer::Layer;

/// What a call's end is kept as, until all who wait have it.
pub(super) type Shared<T> = Result<T, CallError<SharedError>>;

/// Makes equal requests that come at the same time once: every service that it makes, and every clone of one, waits for the same calls.
///
/// `key` says which requests are equal; those without a key (what changes something, for one) are passed on each by itself. Everything
/// that the answer depends on belongs into the key, also whose request it is. Responses are cloned, so an HTTP body must have been read
/// (`Response<Bytes>`).
///
/// ```
/// use fuseboard::tower::{BoxError, CoalesceLayer};
/// use std::io;
/// use tower::{ServiceBuilder, service_fn};
///
/// let service = ServiceBuilder::new()
///     .layer(CoalesceLayer::new(|path: &&str| path.starts_with("/public/").then(|| (*path).to_owned())))
///     .service(service_fn(async |path: &'static str| Ok::<_, io::Error>(path.len())));
/// # let _ = tower::ServiceExt::<&'static str>::oneshot(service, "/public/news");
/// ```
pub struct CoalesceLayer<F, K, T> {
    calls: Coalesce<K, Shared<T>>,
    key: F,
}

impl<F, K: Clone + Eq + Hash, T: Clone> CoalesceLayer<F, K, T> {
    /// Requests with the same key at the same time are one call.
    pub fn new(key: F) -> Self {
        Self {
            calls: Coalesce::new(),
            key,
        }
    }

    /// Which requests of all its services were made.
    pub fn tally(&self) -> &Tally {
        self.calls.tally()
    }
}

impl<S, F: Clone, K, T> Layer<S> for CoalesceLayer<F, K, T> {
    type Service = Coalesced<S, F, K, T>;

    fn layer(&self, inner: S) -> Self::Service {
        Coalesced::new(inner, self.calls.clone(), self.key.clone())
    }
}

impl<F: Clone, K, T> Clone for CoalesceLayer<F, K, T> {
    fn clone(&self) -> Self {
        Self {
            calls: self.calls.clone(),
            key: self.key.clone(),
        }
    }
}

impl<F, K, T> fmt::Debug for CoalesceLayer<F, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CoalesceLayer").field(&self.calls).finish()
    }
}
