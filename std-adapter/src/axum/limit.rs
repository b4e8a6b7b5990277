//! [`RequestLimit`]: a rate for each client; [`RateLimited`]: a request that was admitted by it.

use crate::axum::answer::{Problem, problem};
use crate::axum::headers;
use crate::call::{CallError, PolicyKind};
use crate::keyed::Keyed;
use crate::limiter::TokenBucketRateLimiter;
use crate::tower::Refused;
use axum_core::extract::FromRequestParts;
use fuseboard_core::{ConfigError, Rate};
use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

type Key = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// How often a client may ask. Give it to a [`RequestLimitLayer`](crate::axum::RequestLimitLayer), or as an extension to the router, for handlers
/// that ask for [`RateLimited`].
///
/// A clone is another handle of the same limit.
#[derive(Clone)]
pub struct RequestLimit {
    name: Arc<str>,
    rate: Rate,
    burst: u64,
    policy: Option<HeaderValue>,
    all: TokenBucketRateLimiter,
    each: Option<(Key, Arc<Keyed<TokenBucketRateLimiter>>)>,
}

impl RequestLimit {
    /// For all clients together. The name is what the headers call it: letters, digits and `-`.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range, or `name` where it has other letters.
    pub fn new(name: &str, rate: Rate, burst: u64) -> Result<Self, ConfigError> {
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
            rate,
            burst,
            policy: headers::policy(name, rate, burst),
            all: TokenBucketRateLimiter::try_new(rate, burst)?,
            each: None,
        })
    }

    /// For each client, whom `key` tells apart (by an API key, an address, a tenant), at most so many of them; see [`Keyed`] for who makes room. Clients
    /// without a key share what all would have.
    ///
    /// # Errors
    /// `max_keys` where it is 0.
    pub fn for_each(
        mut self,
        max_keys: usize,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let buckets = Keyed::token_buckets(self.rate, self.burst, max_keys)?;
        self.each = Some((Arc::new(key), Arc::new(buckets)));
        Ok(self)
    }

    /// Takes one token for a request.
    ///
    /// # Errors
    /// 429, with when to come back.
    pub fn admit(&self, parts: &Parts) -> Result<RateLimited, Problem> {
        let key = self.each.as_ref().and_then(|(key, buckets)| {
            let key = key(parts)?;
            Some(buckets.get(&key))
        });
        let bucket = key.as_ref().unwrap_or(&self.all);
        match bucket.try_acquire() {
            Ok(()) => Ok(RateLimited {
                remaining: bucket.available(),
                limit: self.clone(),
            }),
            Err(rejected) => {
                let refused: Refused = CallError::rejected(PolicyKind::RateLimit, rejected);
                let wait = refused.retry_after();
                let mut problem = problem(&refused);
                self.describe(problem.headers_mut(), 0, wait);
                Err(problem)
            }
        }
    }

    fn describe(&self, headers: &mut HeaderMap, remaining: u64, reset: Option<Duration>) {
        headers::insert(headers, &self.name, self.policy.as_ref(), remaining, reset);
    }
}

impl fmt::Debug for RequestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLimit")
            .field("name", &self.name)
            .field("rate", &self.rate)
            .field("burst", &self.burst)
            .finish_non_exhaustive()
    }
}

/// A request that was admitted by the router's [`RequestLimit`]: ask for it in a handler, and the request is limited.
#[derive(Clone, Debug)]
pub struct RateLimited {
    remaining: u64,
    limit: RequestLimit,
}

impl RateLimited {
    /// What is left to this client now.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Says so in the headers of a response.
    pub fn describe(&self, headers: &mut HeaderMap) {
        self.limit.describe(headers, self.remaining, None);
    }
}

impl<S: Sync> FromRequestParts<S> for RateLimited {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<RequestLimit>().cloned() {
            Some(limit) => limit.admit(parts),
            None => Err(Problem::unlimited()),
        }
    }
}
