//! What a registry is given to observe.

use super::Registry;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::board::Board;
use crate::breaker::CircuitBreaker;
use crate::clock::Clock;
use crate::limiter::{ConcurrencyLimit, TokenBucketRateLimiter};
use crate::tally::Tally;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::telemetry::boards::BoardSource;
use crate::telemetry::changes::Changes;
use crate::telemetry::lane::{Lane, LaneMetric, LaneValue};
#[cfg(feature = "retry")]
use crate::telemetry::own::OwnBudget;
#[cfg(feature = "throttle")]
use crate::telemetry::own::OwnThrottle;
use crate::telemetry::own::{OwnBreaker, OwnBucket, OwnLimit, OwnTallies};
use fuseboard_core::Transition;
use std::sync::Arc;

impl Registry {
    /// Observes a breaker, and its changes from now on.
    pub fn add_breaker<C>(&self, breaker: &CircuitBreaker<C>)
    where
        C: Clock + Send + Sync + 'static,
    {
        let now = breaker.clock().now();
        let changes = Arc::new(Changes::new(breaker.name(), None, &breaker.snapshot(), now));
        // The listener must keep neither the breaker alive nor the registry.
        let (kept, watchers) = (Arc::clone(&changes), Arc::downgrade(&self.inner.watchers));
        breaker.on_transition(move |transition: &Transition| {
            // The clock is the breaker's own, and the listener runs at the change.
            if let Some(change) = kept.told(transition, transition.at, None)
                && let Some(watchers) = watchers.upgrade()
            {
                watchers.tell(&change);
            }
        });
        self.add(OwnBreaker {
            breaker: breaker.clone(),
            changes,
        });
    }

    /// Observes a token bucket, under a name of its own.
    pub fn add_token_bucket<C>(&self, name: &str, bucket: &TokenBucketRateLimiter<C>)
    where
        C: Clock + Send + Sync + 'static,
    {
        self.add(OwnBucket {
            name: name.to_owned(),
            bucket: bucket.clone(),
        });
    }

    /// Observes a concurrency limit, under a name of its own.
    pub fn add_concurrency_limit(&self, name: &str, limit: &ConcurrencyLimit) {
        let limit = limit.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            tally: limit.tally().clone(),
            read: Box::new(move || (limit.in_flight(), limit.limit())),
        });
    }

    /// Observes a concurrency limit with a line before it, under a name of its own: those who wait are no calls yet.
    #[cfg(feature = "concurrency")]
    pub fn add_concurrency_queue(&self, name: &str, queue: &crate::ConcurrencyQueue) {
        let queue = queue.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            tally: queue.tally().clone(),
            read: Box::new(move || (queue.in_flight(), queue.limit())),
        });
    }

    /// Observes a limit that finds itself, under a name of its own.
    #[cfg(feature = "adaptive")]
    pub fn add_adaptive_limit(&self, name: &str, limit: &crate::AdaptiveLimit) {
        let limit = limit.clone();
        self.add(OwnLimit {
            name: name.to_owned(),
            tally: limit.tally().clone(),
            read: Box::new(move || (limit.in_flight(), limit.limit())),
        });
    }

    /// Observes a retry budget, under a name of its own.
    #[cfg(feature = "retry")]
    pub fn add_retry_budget(&self, name: &str, budget: &crate::RetryBudget) {
        self.add(OwnBudget {
            name: name.to_owned(),
            budget: budget.clone(),
        });
    }

    /// Observes what a policy counts of its calls, under a name of its own; policies of different kinds around the same calls may
    /// share it. Limits of places and throttles are better added as what they are, which brings their tallies too.
    pub fn add_tally(&self, name: &str, tally: &Tally) {
        self.add(OwnTallies {
            kind: tally.policy().as_str(),
            name: name.to_owned(),
            tallies: vec![tally.clone()],
        });
    }

    /// Observes what all policies of a pipeline count, but for its breaker, under a name of its own. Of two of a kind, such as two
    /// timeouts, the calls are added up.
    #[cfg(feature = "pipeline")]
    pub fn add_pipeline<K>(&self, name: &str, pipeline: &crate::Pipeline<K>) {
        self.add(OwnTallies {
            kind: "pipeline",
            name: name.to_owned(),
            tallies: pipeline.tallies(),
        });
    }

    /// Observes a client throttle, under a name of its own.
    #[cfg(feature = "throttle")]
    pub fn add_throttle(&self, name: &str, throttle: &crate::ClientThrottle) {
        self.add(OwnThrottle {
            name: name.to_owned(),
            throttle: throttle.clone(),
        });
    }

    /// Observes all that is on a board and all that will be, under a name of the board's own. What other processes do is found when
    /// the registry is read: then of several changes of state between two readings only the last is seen.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub fn add_board(&self, name: &str, board: &Board) {
        self.add(BoardSource::new(name, board));
    }

    /// Shows and exports numbers of the program's own, under a name of their own: `read` is asked at each reading, must not block, and may
    /// give several values of one of `metrics`, with attributes that tell them apart.
    pub fn add_lane(
        &self,
        name: &str,
        metrics: &'static [&'static LaneMetric],
        read: impl Fn() -> Vec<LaneValue> + Send + Sync + 'static,
    ) {
        self.add(Lane {
            name: name.to_owned(),
            metrics,
            read: Box::new(read),
        });
    }
}
