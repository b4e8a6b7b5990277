//! [`Lint`]: settings that are legal and do harm, each with the reason.

mod attempts;
mod breaker;
mod limits;

use crate::config::Config;
use crate::config::finding::{Finding, Severity};
use crate::config::policy::{Kind, Policy};

/// A kind of warning: settings that are allowed, and will probably do harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Its name; it stays the same between versions.
    pub id: &'static str,
    /// When it is found.
    pub when: &'static str,
    /// Why that does harm.
    pub reason: &'static str,
    /// What to do.
    pub help: &'static str,
}

/// Every lint, in the order of the documentation.
pub const LINTS: [Lint; 23] = [
    breaker::ONE_FAILURE_OPENS.lint,
    breaker::THRESHOLD_LOW.lint,
    breaker::THRESHOLD_ALL.lint,
    breaker::OPEN_BRIEFLY.lint,
    breaker::BACKOFF_WITHOUT_ROOM.lint,
    breaker::SLOW_BEYOND_WINDOW.lint,
    breaker::SLOW_BELOW_CLOCK.lint,
    breaker::LEASE_BELOW_SLOW.lint,
    breaker::MANY_PROBES.lint,
    breaker::WITHOUT_EFFECT.lint,
    breaker::MINIMUM_CAPPED.lint,
    breaker::RATE_BELOW_MINIMUM.lint,
    breaker::PROBES_BEYOND_LIMIT.lint,
    limits::BURST_OF_ONE.lint,
    limits::BURST_HIDES_RATE.lint,
    limits::BURST_BEYOND_LIMIT.lint,
    limits::CONCURRENCY_OF_ONE.lint,
    attempts::SLOW_BEYOND_TIMEOUT.lint,
    attempts::RETRIES_WITHOUT_BUDGET.lint,
    attempts::RETRIES_IN_STEP.lint,
    attempts::BUDGET_WITHOUT_RATIO.lint,
    attempts::ATTEMPTS_BEYOND_DEADLINE.lint,
    attempts::HEDGE_BEYOND_TIMEOUT.lint,
];

/// A lint and how it is found.
struct Check<T: 'static> {
    lint: Lint,
    find: fn(&Seen<'_, T>) -> Option<Harm>,
}

/// What a check sees.
struct Seen<'a, T> {
    policy: &'a Policy<T>,
    name: &'a str,
    all: &'a Config,
}

/// The setting that does harm, and how, in figures.
struct Harm {
    field: &'static str,
    how: String,
}

impl Harm {
    fn when(is_so: bool, field: &'static str, how: impl Into<String>) -> Option<Self> {
        is_so.then(|| Self {
            field,
            how: how.into(),
        })
    }
}

/// All that is found in a configuration.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    look(config, &breaker::ALL, &mut found);
    look(config, &limits::OF_RATES, &mut found);
    look(config, &limits::OF_CONCURRENCY, &mut found);
    look(config, &attempts::OF_TIMEOUTS, &mut found);
    look(config, &attempts::OF_RETRIES, &mut found);
    look(config, &attempts::OF_HEDGES, &mut found);
    found
}

fn look<T: Kind>(all: &Config, checks: &[&Check<T>], found: &mut Vec<Finding>) {
    for (name, policy) in T::of(all) {
        let seen = Seen { policy, name, all };
        for check in checks {
            if let Some(harm) = (check.find)(&seen) {
                found.push(finding(&seen, &check.lint, harm));
            }
        }
    }
}

fn finding<T: Kind>(seen: &Seen<'_, T>, lint: &Lint, harm: Harm) -> Finding {
    let subject = seen.policy.subject(seen.name, harm.field);
    let source = &seen.all.source;
    Finding {
        severity: Severity::Warning,
        id: lint.id,
        file: source.file.clone(),
        place: source.text.as_deref().map(|text| subject.span.place(text)),
        path: subject.path,
        value: subject.value,
        message: harm.how,
        reason: Some(lint.reason.to_owned()),
        help: Some(lint.help.to_owned()),
    }
}
