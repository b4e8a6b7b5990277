//! How often each client may ask.

use std::time::Duration;

use anyhow::Context;
use fuseboard::redis::{
    Engine, FailurePolicy, LimiterOptions, TokenBucket, TokenBucketRateLimiter as SharedBucket,
};
use fuseboard::{Keyed, Rate, TokenBucketRateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::GatewaySettings;
use crate::problem::Problem;

/// As in the IETF's draft-ietf-httpapi-ratelimit-headers-10 (2025).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Clients that are told apart; further ones share one limit.
const MAX_CLIENTS: usize = 10_000;

/// A rate for each client.
pub(super) struct ClientLimit {
    buckets: Buckets,
    policy: HeaderValue,
}

enum Buckets {
    /// Of this process.
    Own(Keyed<TokenBucketRateLimiter>),
    /// On an engine; while that is away, a share of it here.
    Shared(SharedBucket),
}

/// What a client has left.
pub(super) struct Quota {
    policy: HeaderValue,
    /// None where nobody knows.
    remaining: Option<u64>,
    /// When there is some again, where there is none.
    reset: Option<Duration>,
}

impl ClientLimit {
    pub(super) fn new(settings: &GatewaySettings, engine: Option<&Engine>) -> anyhow::Result<Self> {
        let (units, burst) = (settings.requests_per_second, settings.burst);
        let rate = Rate::per_second(units);
        let buckets = match engine {
            None => {
                let buckets = Keyed::token_buckets(rate, burst, MAX_CLIENTS);
                Buckets::Own(buckets.context("gateway: requests_per_second and burst")?)
            }
            Some(engine) => {
                let bucket = TokenBucket::new(rate, burst)
                    .context("gateway: requests_per_second and burst")?;
                let away = FailurePolicy::LocalShare(settings.local_share);
                let options = LimiterOptions::new(away).prefix("orders-clients");
                let bucket = SharedBucket::on(engine, &bucket, options);
                Buckets::Shared(bucket.context("gateway: local_share")?)
            }
        };
        let window = burst.div_ceil(units.max(1)).max(1);
        let policy = HeaderValue::try_from(format!("\"client\";q={burst};w={window}"))?;
        Ok(Self { buckets, policy })
    }

    /// Takes one unit of a client's.
    pub(super) async fn take(&self, client: &str) -> Result<Quota, (Problem, Quota)> {
        let quota = |remaining, reset| Quota {
            policy: self.policy.clone(),
            remaining,
            reset,
        };
        let wait = match &self.buckets {
            Buckets::Own(buckets) => {
                let bucket = buckets.get(client);
                match bucket.try_acquire() {
                    Ok(()) => return Ok(quota(Some(bucket.available()), None)),
                    Err(rejected) => rejected.retry_after.map(Duration::from),
                }
            }
            Buckets::Shared(bucket) => {
                let decision = bucket.check(client).await;
                if decision.is_allowed {
                    return Ok(quota(decision.remaining, None));
                }
                decision.retry_after
            }
        };
        let wait = wait.unwrap_or(Duration::from_secs(1));
        let detail = "You ask more often than you may: see the headers RateLimit and Retry-After.";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail);
        Err((problem.retry_after(wait), quota(Some(0), Some(wait))))
    }
}

impl Quota {
    /// Says so in an answer.
    pub(super) fn insert_into(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT_POLICY, self.policy);
        let Some(remaining) = self.remaining else {
            return;
        };
        let mut value = format!("\"client\";r={remaining}");
        if let Some(reset) = self.reset {
            // Whole seconds, and never too early.
            let seconds = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
            value = format!("{value};t={seconds}");
        }
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(RATE_LIMIT, value);
        }
    }
}
