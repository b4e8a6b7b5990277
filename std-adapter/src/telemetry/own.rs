//! Policies that this process was given, as sources.

use super::changes::{Change, Changes};
use super::report::{BreakerReport, BucketReport, LimitReport, Report, TallyReport};
use super::source::{Source, Verb};
use crate::breaker::CircuitBreaker;
use crate::clock::Clock;
use crate::limiter::TokenBucketRateLimiter;
use crate::tally::Tally;
use std::sync::Arc;

/// A breaker, on a board or not.
pub(super) struct OwnBreaker<C> {
    pub(super) breaker: CircuitBreaker<C>,
    pub(super) changes: Arc<Changes>,
}

impl<C: Clock + Send + Sync> Source for OwnBreaker<C> {
    fn kind(&self) -> &'static str {
        "breaker"
    }

    fn name(&self) -> &str {
        self.breaker.name()
    }

    fn read(&self, report: &mut Report, found: &mut Vec<Change>) {
        let snapshot = self.breaker.snapshot();
        // After the snapshot, so that no change in it is of a later time.
        let now = self.breaker.clock().now();
        if self.breaker.is_on_board() {
            found.extend(self.changes.looked(&snapshot, now));
        }
        let breaker = BreakerReport::new(
            self.name(),
            None,
            snapshot,
            self.breaker.core_config(),
            &self.changes,
            now,
        );
        report.breakers.push(BreakerReport {
            latency: self.breaker.latency(),
            ..breaker
        });
    }

    fn steer(&self, board: Option<&str>, name: &str, verb: Verb) -> bool {
        if board.is_some() || name != self.name() {
            return false;
        }
        match verb {
            Verb::ForceOpen => self.breaker.force_open(),
            Verb::Disable => self.breaker.disable(),
            Verb::MetricsOnly => self.breaker.metrics_only(),
            Verb::Reset => self.breaker.reset(),
        }
        true
    }
}

/// A token bucket.
pub(super) struct OwnBucket<C> {
    pub(super) name: String,
    pub(super) bucket: TokenBucketRateLimiter<C>,
}

impl<C: Clock + Send + Sync> Source for OwnBucket<C> {
    fn kind(&self) -> &'static str {
        "bucket"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        report.buckets.push(BucketReport {
            name: self.name.clone(),
            board: None,
            available: self.bucket.available(),
            burst: self.bucket.burst(),
        });
    }
}

/// A concurrency limit.
pub(super) struct OwnLimit {
    pub(super) name: String,
    /// Places taken, and places in all.
    pub(super) read: Box<dyn Fn() -> (u32, u32) + Send + Sync>,
    pub(super) tally: Tally,
}

impl Source for OwnLimit {
    fn kind(&self) -> &'static str {
        "limit"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        let (in_flight, limit) = (self.read)();
        report.limits.push(LimitReport {
            name: self.name.clone(),
            board: None,
            in_flight,
            limit,
        });
        report.tallies.push(tallied(&self.name, &self.tally));
    }
}

/// What policies count, under one name: one policy's, or those of a pipeline.
pub(super) struct OwnTallies {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) tallies: Vec<Tally>,
}

impl Source for OwnTallies {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        let read = self.tallies.iter().map(|tally| tallied(&self.name, tally));
        report.tallies.extend(read);
    }
}

fn tallied(name: &str, tally: &Tally) -> TallyReport {
    TallyReport {
        name: name.to_owned(),
        policy: tally.policy(),
        outcomes: tally.outcomes().collect(),
        attempts: tally.attempts(),
    }
}

/// A client throttle.
#[cfg(feature = "throttle")]
pub(super) struct OwnThrottle {
    pub(super) name: String,
    pub(super) throttle: crate::ClientThrottle,
}

#[cfg(feature = "throttle")]
impl Source for OwnThrottle {
    fn kind(&self) -> &'static str {
        "throttle"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        report.throttles.push(super::report::ThrottleReport {
            name: self.name.clone(),
            rejection_share: self.throttle.rejection_share(),
        });
        let tally = tallied(&self.name, self.throttle.tally());
        report.tallies.push(tally);
    }
}

/// A retry budget.
#[cfg(feature = "retry")]
pub(super) struct OwnBudget {
    pub(super) name: String,
    pub(super) budget: crate::RetryBudget,
}

#[cfg(feature = "retry")]
impl Source for OwnBudget {
    fn kind(&self) -> &'static str {
        "budget"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, _: &mut Vec<Change>) {
        report.budgets.push(super::report::BudgetReport {
            name: self.name.clone(),
            available: self.budget.available(),
        });
    }
}
