//! [`RequestLimit`]: a rate for each client; [`RateLimited`]: a request that was admitted by it.

use crate::axum::answer::{Problem, problem};
use crate::axum::headers;
use crate::call::{CallError, PolicyKind};
use crate::keyed::Keyed;
use crate::limiter::{Decision, Limiter, TokenBucketRateLimiter};
use crate::tower::Refused;
use axum_core::extract::FromRequestParts;
use fuseboard_core::{ConfigError, Rate};
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use std::fmt;
use std::sync::Arc;

type Key = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// How often a client may ask. Give it to a [`RequestLimitLayer`](crate::axum::RequestLimitLayer), or as an extension to the router, for handlers
/// that ask for [`RateLimited`].
///
/// Any [`Limiter`] will do: one of this process, of this host's board, or one that all hosts share. A clone is another handle of the same limit.
#[derive(Clone)]
pub struct RequestLimit {
    name: Arc<str>,
    limiter: Arc<dyn Limiter>,
    policy: Option<HeaderValue>,
    key: Option<Key>,
    has_old_headers: bool,
}

impl RequestLimit {
    /// A token bucket of this process, for all clients together. The name is what the headers call it: letters, digits and `-`.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range, or `name` where it has other letters.
    pub fn new(name: &str, rate: Rate, burst: u64) -> Result<Self, ConfigError> {
        Self::with_limiter(name, TokenBucketRateLimiter::try_new(rate, burst)?)
    }

    /// A token bucket of this process for each client, whom `key` tells apart (by an API key, an address, a tenant), for at most `max_keys`
    /// of them; see [`Keyed`] for who makes room. Clients without a key share one.
    ///
    /// # Errors
    /// As [`new`](Self::new); `max_keys` where it is 0.
    pub fn for_each(
        name: &str,
        rate: Rate,
        burst: u64,
        max_keys: usize,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let buckets = Keyed::token_buckets(rate, burst, max_keys)?;
        Ok(Self::with_limiter(name, buckets)?.keyed_by(key))
    }

    /// Whatever `limiter` says: [`keyed_by`](Self::keyed_by) tells it who asks.
    ///
    /// # Errors
    /// `name` where it is no name for a header.
    pub fn with_limiter(name: &str, limiter: impl Limiter + 'static) -> Result<Self, ConfigError> {
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(ConfigError::conflict(
                "name",
                "no name for a header",
                "letters, digits and -",
            ));
        }
        Ok(Self {
            name: name.into(),
            policy: headers::policy(name, limiter.quota()),
            limiter: Arc::new(limiter),
            key: None,
            has_old_headers: false,
        })
    }

    /// Tells clients apart: by an API key, an address, a tenant. Those without a key share one limit.
    #[must_use]
    pub fn keyed_by(
        mut self,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// Says the same also in `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (seconds from now until all of it is there
    /// again), for clients that know only these.
    #[must_use]
    pub fn with_old_headers(mut self) -> Self {
        self.has_old_headers = true;
        self
    }

    /// Takes one unit for a request.
    ///
    /// # Errors
    /// 429, with when to come back; 503 where the engine that was to decide is away and its failure policy denied.
    pub async fn admit(&self, parts: &Parts) -> Result<RateLimited, Problem> {
        self.admit_key(&self.key(parts)).await
    }

    /// Who asks.
    pub(super) fn key(&self, parts: &Parts) -> String {
        let key = self.key.as_ref().and_then(|key| key(parts));
        key.unwrap_or_default()
    }

    pub(super) async fn admit_key(&self, key: &str) -> Result<RateLimited, Problem> {
        let decision = self.limiter.acquire(key, 1).await;
        let Some(rejected) = decision.rejected() else {
            let limit = self.clone();
            return Ok(RateLimited { decision, limit });
        };
        let refused: Refused = CallError::rejected(PolicyKind::RateLimit, rejected);
        let mut problem = problem(&refused);
        self.describe(problem.headers_mut(), &decision);
        Err(problem)
    }

    fn describe(&self, headers: &mut HeaderMap, decision: &Decision) {
        headers::insert(headers, &self.name, self.policy.as_ref(), decision);
        if self.has_old_headers {
            headers::insert_old(headers, decision);
        }
    }
}

impl fmt::Debug for RequestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLimit")
            .field("name", &self.name)
            .field("quota", &self.limiter.quota())
            .finish_non_exhaustive()
    }
}

/// A request that was admitted by the router's [`RequestLimit`]: ask for it in a handler, and the request is limited.
#[derive(Clone, Debug)]
pub struct RateLimited {
    decision: Decision,
    limit: RequestLimit,
}

impl RateLimited {
    /// What is left to this client now; 0 where nobody knows.
    pub fn remaining(&self) -> u64 {
        self.decision.remaining.unwrap_or(0)
    }

    /// All that the limiter said.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Says so in the headers of a response.
    pub fn describe(&self, headers: &mut HeaderMap) {
        self.limit.describe(headers, &self.decision);
    }
}

impl<S: Sync> FromRequestParts<S> for RateLimited {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<RequestLimit>().cloned() {
            Some(limit) => limit.admit(parts).await,
            None => Err(Problem::unlimited()),
        }
    }
}
