//! Lints of rate limits and concurrency limits.

use super::{Check, Harm, Lint};
use crate::config::policy::{ConcurrencyConfig, RateLimitAlgorithm, RateLimitConfig};
use fuseboard_core::Nanos;

/// Those of rate limits.
pub(super) const OF_RATES: [&Check<RateLimitConfig>; 3] =
    [&BURST_OF_ONE, &BURST_HIDES_RATE, &BURST_BEYOND_LIMIT];
/// Those of concurrency limits.
pub(super) const OF_CONCURRENCY: [&Check<ConcurrencyConfig>; 1] = [&CONCURRENCY_OF_ONE];

/// The burst of a token bucket.
fn burst(config: &RateLimitConfig) -> Option<u64> {
    let is_bucket = config.algorithm == RateLimitAlgorithm::TokenBucket;
    is_bucket.then(|| config.effective_burst())
}

pub(super) const BURST_OF_ONE: Check<RateLimitConfig> = Check {
    lint: Lint {
        id: "burst_of_one",
        when: "`burst` is 1 at ten or more a second",
        reason: "requests never come evenly, so that far less than the rate is admitted",
        help: "use a burst of what may come within a tenth of a second at least",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let interval = config.rate.per().get() / config.rate.units().max(1);
        Harm::when(
            burst(config)? == 1 && interval <= Nanos::from_millis(100).get(),
            "burst",
            "two requests at the same moment are one too many",
        )
    },
};

pub(super) const BURST_HIDES_RATE: Check<RateLimitConfig> = Check {
    lint: Lint {
        id: "burst_hides_rate",
        when: "`burst` is more than 100 times the units of `rate`",
        reason: "whoever comes after a quiet time sees no limit, and the dependency gets all of it at once",
        help: "lower burst to what the dependency bears at one moment",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let burst = burst(config)?;
        let periods = burst / config.rate.units().max(1);
        Harm::when(
            burst > config.rate.units().saturating_mul(100),
            "burst",
            format!("{periods} periods of the rate at once"),
        )
    },
};

pub(super) const BURST_BEYOND_LIMIT: Check<RateLimitConfig> = Check {
    lint: Lint {
        id: "burst_beyond_limit",
        when: "`burst` is more than 10 times the concurrency limit of the same name",
        reason: "a burst is admitted by the rate and refused by the limit, and takes tokens for nothing",
        help: "lower burst, or raise the limit",
    },
    find: |seen| {
        let burst = burst(&seen.policy.config)?;
        let limit = seen.all.concurrency.get(seen.name)?.config.limit;
        Harm::when(
            burst > u64::from(limit).saturating_mul(10),
            "burst",
            format!("concurrency.{} admits {limit} at once", seen.name),
        )
    },
};

pub(super) const CONCURRENCY_OF_ONE: Check<ConcurrencyConfig> = Check {
    lint: Lint {
        id: "concurrency_of_one",
        when: "`limit` is 1",
        reason: "calls that overlap are refused, not queued, so that one slow call shuts out all others",
        help: "use the calls a second times the seconds that one takes, and some more",
    },
    find: |seen| Harm::when(seen.policy.config.limit == 1, "limit", "one call at a time"),
};
