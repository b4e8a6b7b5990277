//! `RateLimit` and `RateLimit-Policy`, as in the IETF's draft-ietf-httpapi-ratelimit-headers-10 (2025), and `Retry-After`.

use fuseboard_core::Rate;
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::time::Duration;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whole seconds, so that who waits for them waits long enough.
pub(super) fn seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

pub(super) fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
}

/// The quota in words of the draft: so many units (`q`) in so many seconds (`w`), which are those in which an empty bucket fills.
pub(super) fn policy(name: &str, rate: Rate, burst: u64) -> Option<HeaderValue> {
    let units = u128::from(rate.units()).max(1);
    let fills = u128::from(burst) * u128::from(rate.per().get()) / units;
    let window = u64::try_from(fills.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
    HeaderValue::try_from(format!("\"{name}\";q={burst};w={}", window.max(1))).ok()
}

/// What is left, and where nothing is, when there is again.
pub(super) fn insert(
    headers: &mut HeaderMap,
    name: &str,
    policy: Option<&HeaderValue>,
    remaining: u64,
    reset: Option<Duration>,
) {
    if let Some(policy) = policy {
        headers.insert(RATE_LIMIT_POLICY, policy.clone());
    }
    let mut value = format!("\"{name}\";r={remaining}");
    if let Some(reset) = reset {
        value = format!("{value};t={}", seconds(reset));
    }
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(RATE_LIMIT, value);
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
        let policy = |rate, burst| policy("api", rate, burst).unwrap();
        assert_eq!(policy(Rate::per_second(10), 20), "\"api\";q=20;w=2");
        assert_eq!(policy(Rate::per_hour(1), 5), "\"api\";q=5;w=18000");
        assert_eq!(policy(Rate::per_second(1_000), 1), "\"api\";q=1;w=1");
    }
}
