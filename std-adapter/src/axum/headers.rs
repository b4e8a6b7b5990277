//! `RateLimit` and `RateLimit-Policy`, as in the IETF's draft-ietf-httpapi-ratelimit-headers-10 (2025), `Retry-After`, and the older three.

use crate::limiter::{Decision, Quota};
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::time::Duration;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Whole seconds, so that who waits for them waits long enough.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

pub(super) fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
}

/// The quota in words of the draft: so many units (`q`) in so many seconds (`w`), rounded up. The draft knows no part of a second, and a
/// second would promise too little: a shorter window is left out.
pub(super) fn policy(name: &str, quota: Quota) -> Option<HeaderValue> {
    let Quota { limit, window } = quota;
    let mut value = format!("\"{name}\";q={limit}");
    if window >= Duration::from_secs(1) {
        value = format!("{value};w={}", seconds(window));
    }
    HeaderValue::try_from(value).ok()
}

/// What is left, and for whoever was denied, when there is more. Where nobody knows what is left, only the policy.
pub(super) fn insert(
    headers: &mut HeaderMap,
    name: &str,
    policy: Option<&HeaderValue>,
    decision: &Decision,
) {
    if let Some(policy) = policy {
        headers.insert(RATE_LIMIT_POLICY, policy.clone());
    }
    let Some(remaining) = decision.remaining else {
        return;
    };
    let mut value = format!("\"{name}\";r={remaining}");
    if let (false, Some(wait)) = (decision.is_allowed, decision.retry_after) {
        value = format!("{value};t={}", seconds(wait));
    }
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(RATE_LIMIT, value);
    }
}

/// The three that everybody had before there was a draft.
pub(super) fn insert_old(headers: &mut HeaderMap, decision: &Decision) {
    headers.insert(X_LIMIT, HeaderValue::from(decision.limit));
    if let Some(remaining) = decision.remaining {
        headers.insert(X_REMAINING, HeaderValue::from(remaining));
        headers.insert(X_RESET, HeaderValue::from(seconds(decision.reset_after)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_whole_seconds_waits_long_enough() {
        for (millis, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn a_policy_is_what_the_draft_says() {
        let policy = |limit, millis| {
            let window = Duration::from_millis(millis);
            policy("api", Quota { limit, window }).unwrap()
        };
        assert_eq!(policy(20, 2_000), "\"api\";q=20;w=2");
        assert_eq!(policy(5, 18_000_001), "\"api\";q=5;w=18001");
        assert_eq!(policy(1, 999), "\"api\";q=1");
    }
}
