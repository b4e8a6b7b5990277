//! The tables of timeouts, retries and hedges.

use crate::config::attempts::{HedgeSettings, RetryJitter, RetrySettings, TimeoutSettings};
use crate::config::setting::{Section, Setting, Take};

/// `[timeouts.NAME]`.
pub(in crate::config) const TIMEOUTS: Section<TimeoutSettings> = Section {
    name: "timeouts",
    about: "A timeout: how long a call may take.",
    settings: &[
        Setting::new(
            "limit",
            Take::Span {
                from_zero: false,
                set: |to, span| to.limit = span,
            },
            None,
            "How long a call may take, all its attempts together.",
        ),
        Setting::new(
            "attempt_limit",
            Take::Span {
                from_zero: false,
                set: |to, span| to.attempt_limit = Some(span),
            },
            Some("only `limit` counts"),
            "How long each attempt may take; below `limit`.",
        ),
    ],
};

/// `[retries.NAME]`.
pub(in crate::config) const RETRIES: Section<RetrySettings> = Section {
    name: "retries",
    about: "Retries: a call that failed is made again, within bounds.",
    settings: &[
        Setting::new(
            "max_attempts",
            Take::Count {
                least: 1,
                most: 1_000,
                set: |to, attempts| to.max_attempts = attempts as u32,
            },
            Some("3"),
            "Attempts in all, the first included.",
        ),
        Setting::new(
            "initial",
            Take::Span {
                from_zero: true,
                set: |to, span| to.initial = span,
            },
            Some("\"100ms\""),
            "The first pause.",
        ),
        Setting::new(
            "factor",
            Take::Factor {
                least: 1.0,
                most: 100.0,
                set: |to, factor| to.factor = factor,
            },
            Some("2.0"),
            "How many times as long each pause is as the one before.",
        ),
        Setting::new(
            "max",
            Take::Span {
                from_zero: true,
                set: |to, span| to.max = span,
            },
            Some("\"20s\""),
            "The longest pause; at least `initial`.",
        ),
        Setting::new(
            "jitter",
            Take::Word {
                words: &["full", "decorrelated", "none"],
                set: |to, word| {
                    to.jitter = match word {
                        "decorrelated" => RetryJitter::Decorrelated,
                        "none" => RetryJitter::None,
                        _ => RetryJitter::Full,
                    };
                },
            },
            Some("\"full\""),
            "How pauses are scattered. `full`: anywhere between nothing and the pause. `decorrelated`: between `initial` and `factor` times the pause before. `none`: not at all.",
        ),
        Setting::new(
            "deadline",
            Take::Span {
                from_zero: false,
                set: |to, span| to.deadline = Some(span),
            },
            Some("only `max_attempts` counts"),
            "No attempt is begun this long after the first one.",
        ),
        Setting::new(
            "max_retry_after",
            Take::Span {
                from_zero: true,
                set: |to, span| to.max_retry_after = span,
            },
            Some("\"1m\""),
            "The longest time that a dependency may ask to be left alone (`Retry-After`); longer, and its error is returned at once.",
        ),
        Setting::new(
            "budget_ratio",
            Take::Factor {
                least: 0.0,
                most: 1_000.0,
                set: |to, ratio| to.budget_ratio = Some(ratio),
            },
            Some("each call may use all its attempts"),
            "Retries for each call, of all callers together: 0.2 allows one for five calls. Given, there is a budget.",
        ),
        Setting::new(
            "budget_minimum_per_second",
            Take::Count {
                least: 0,
                most: u32::MAX as u64,
                set: |to, retries| to.budget_minimum_per_second = retries as u32,
            },
            Some("10"),
            "Retries a second that the budget allows beside that.",
        ),
        Setting::new(
            "budget_ttl",
            Take::Span {
                from_zero: false,
                set: |to, span| to.budget_ttl = span,
            },
            Some("\"10s\""),
            "After this time the budget has forgotten calls and retries; at least 100ms.",
        ),
    ],
};

/// `[hedges.NAME]`.
pub(in crate::config) const HEDGES: Section<HedgeSettings> = Section {
    name: "hedges",
    about: "A hedge: a call that takes long is made a second time beside the first.",
    settings: &[
        Setting::new(
            "delay",
            Take::Span {
                from_zero: false,
                set: |to, span| to.delay = span,
            },
            None,
            "When the next attempt begins.",
        ),
        Setting::new(
            "max_attempts",
            Take::Count {
                least: 2,
                most: 100,
                set: |to, attempts| to.max_attempts = attempts as u32,
            },
            Some("2"),
            "Attempts in all, the first included.",
        ),
    ],
};
