//! Lints of timeouts, retries and hedges.

use super::{Check, Harm, Lint};
use crate::config::attempts::{HedgeSettings, RetryJitter, RetrySettings, TimeoutSettings};
use humantime::format_duration;

/// Those of timeouts.
pub(super) const OF_TIMEOUTS: [&Check<TimeoutSettings>; 1] = [&SLOW_BEYOND_TIMEOUT];
/// Those of retries.
pub(super) const OF_RETRIES: [&Check<RetrySettings>; 4] = [
    &RETRIES_WITHOUT_BUDGET,
    &RETRIES_IN_STEP,
    &BUDGET_WITHOUT_RATIO,
    &ATTEMPTS_BEYOND_DEADLINE,
];
/// Those of hedges.
pub(super) const OF_HEDGES: [&Check<HedgeSettings>; 1] = [&HEDGE_BEYOND_TIMEOUT];

pub(super) const SLOW_BEYOND_TIMEOUT: Check<TimeoutSettings> = Check {
    lint: Lint {
        id: "slow_beyond_timeout",
        when: "`attempt_limit` (or `limit`, where it is not given) is not above the `slow_call_duration` of the breaker of the same name",
        reason: "a call is cut off before it can be slow, so that none ever is",
        help: "lower slow_call_duration, or remove it: a call that is cut off counts as failed",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let limit = config.attempt_limit.unwrap_or(config.limit);
        let slow = seen
            .all
            .breakers
            .get(seen.name)?
            .config
            .slow_call_duration?;
        Harm::when(
            limit <= slow,
            if config.attempt_limit.is_some() {
                "attempt_limit"
            } else {
                "limit"
            },
            format!(
                "calls of breakers.{} are slow after {}",
                seen.name,
                format_duration(slow)
            ),
        )
    },
};

pub(super) const RETRIES_WITHOUT_BUDGET: Check<RetrySettings> = Check {
    lint: Lint {
        id: "retries_without_budget",
        when: "`max_attempts` is above 3 without `budget_ratio`",
        reason: "in an outage every caller makes all of its attempts, and what struggles gets a multiple of its load",
        help: "set budget_ratio to 0.2 or less",
    },
    find: |seen| {
        let config = &seen.policy.config;
        Harm::when(
            config.max_attempts > 3 && config.budget_ratio.is_none(),
            "max_attempts",
            format!(
                "{} times the load while all calls fail",
                config.max_attempts
            ),
        )
    },
};

pub(super) const RETRIES_IN_STEP: Check<RetrySettings> = Check {
    lint: Lint {
        id: "retries_in_step",
        when: "`jitter` is `none` or `max` is 0s, with more than one attempt",
        reason: "callers who failed together come back together, and fail together again",
        help: "use jitter = \"full\" and a pause",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let (is_bare, has_none) = (config.jitter == RetryJitter::None, config.max.is_zero());
        let field = if has_none { "max" } else { "jitter" };
        Harm::when(
            config.max_attempts > 1 && (is_bare || has_none),
            field,
            "the pauses of all callers are equal",
        )
    },
};

pub(super) const BUDGET_WITHOUT_RATIO: Check<RetrySettings> = Check {
    lint: Lint {
        id: "budget_without_ratio",
        when: "`budget_minimum_per_second` or `budget_ttl` without `budget_ratio`",
        reason: "there is a budget only where budget_ratio is given",
        help: "give budget_ratio, or remove the setting",
    },
    find: |seen| {
        let (config, given) = (&seen.policy.config, &seen.policy.given);
        let fields = ["budget_minimum_per_second", "budget_ttl"];
        let field = fields
            .into_iter()
            .find(|field| given.get(field).is_some_and(|placed| !placed.is_default))?;
        Harm::when(
            config.budget_ratio.is_none(),
            field,
            "retries have no budget",
        )
    },
};

pub(super) const ATTEMPTS_BEYOND_DEADLINE: Check<RetrySettings> = Check {
    lint: Lint {
        id: "attempts_beyond_deadline",
        when: "`initial` is not below `deadline`, without jitter that could shorten it",
        reason: "no attempt but the first is ever made",
        help: "raise deadline, or lower initial",
    },
    find: |seen| {
        let config = &seen.policy.config;
        let deadline = config.deadline?;
        Harm::when(
            config.max_attempts > 1
                && config.jitter != RetryJitter::Full
                && config.initial >= deadline,
            "deadline",
            format!("the first pause is {}", format_duration(config.initial)),
        )
    },
};

pub(super) const HEDGE_BEYOND_TIMEOUT: Check<HedgeSettings> = Check {
    lint: Lint {
        id: "hedge_beyond_timeout",
        when: "`delay` is not below the `attempt_limit` (or `limit`) of the timeout of the same name",
        reason: "a call is cut off before it is made a second time",
        help: "set delay to what nine of ten calls take",
    },
    find: |seen| {
        let timeout = &seen.all.timeouts.get(seen.name)?.config;
        let limit = timeout.attempt_limit.unwrap_or(timeout.limit);
        Harm::when(
            seen.policy.config.delay >= limit,
            "delay",
            format!("timeouts.{} is {}", seen.name, format_duration(limit)),
        )
    },
};
