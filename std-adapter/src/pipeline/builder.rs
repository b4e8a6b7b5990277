//! [`PipelineBuilder`].

use crate::adaptive::AdaptiveLimit;
use crate::breaker::CircuitBreaker;
use crate::call::PolicyKind;
use crate::chaos::Chaos;
use crate::classify::ByResult;
use crate::clock::Clock;
use crate::hedge::Hedge;
use crate::limiter::ConcurrencyLimit;
use crate::pipeline::admission::{Admission, Places};
use crate::pipeline::order::{self, Seen};
use crate::pipeline::stage::Stage;
use crate::pipeline::{Parts, Pipeline, PipelineError};
use crate::queue::ConcurrencyQueue;
use crate::rate_limit::RateLimit;
use crate::retry::{Retry, RetryConfig};
use crate::shedding::LoadShedding;
use crate::throttle::ClientThrottle;
use crate::timeout::Timeout;
use fuseboard_core::ConfigError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The policies of a [`Pipeline`], the outermost first. All mistakes are told by [`build`](Self::build).
#[must_use]
pub struct PipelineBuilder<K = ByResult> {
    stages: Vec<Stage>,
    seen: Vec<Seen>,
    error: Option<PipelineError>,
    classify: K,
}

impl PipelineBuilder {
    pub(super) fn new() -> Self {
        Self {
            stages: Vec::new(),
            seen: Vec::new(),
            error: None,
            classify: ByResult,
        }
    }
}

impl<K> PipelineBuilder<K> {
    /// What counts as a failure, and what may be repeated, for all policies. Default [`ByResult`]: every `Err` is a failure
    /// that may be repeated.
    pub fn classify<L>(self, classify: L) -> PipelineBuilder<L> {
        PipelineBuilder {
            stages: self.stages,
            seen: self.seen,
            error: self.error,
            classify,
        }
    }

    /// A time limit for everything inside: outside of a retry for all attempts together, inside for each.
    pub fn timeout(self, limit: Duration) -> Self {
        let timeout = Timeout::new(limit).map(Stage::Timeout);
        self.add(PolicyKind::Timeout, limit, timeout)
    }

    /// Further attempts after failures that may be repeated.
    pub fn retry(self, config: RetryConfig) -> Self {
        let retry = Retry::new(config).map(Stage::Retry);
        self.add(PolicyKind::Retry, Duration::ZERO, retry)
    }

    /// A second attempt beside one that is slow.
    pub fn hedge(self, hedge: Hedge) -> Self {
        let delay = hedge.delay();
        self.add(PolicyKind::Hedge, delay, Ok(Stage::Hedge(hedge)))
    }

    /// Faults made on purpose, in the dependency's place: the last policy.
    pub fn chaos(self, chaos: Chaos) -> Self {
        self.add(PolicyKind::Chaos, Duration::ZERO, Ok(Stage::Chaos(chaos)))
    }

    /// A circuit breaker.
    pub fn breaker<C: Clock + Send + Sync + 'static>(mut self, breaker: CircuitBreaker<C>) -> Self {
        let admission = self.admission(PolicyKind::Breaker, |other| other.breaker.is_none());
        admission.breaker = Some(Box::new(breaker));
        self
    }

    /// Throttling at the client: the share of calls that the backend would refuse is not made.
    pub fn throttle(mut self, throttle: ClientThrottle) -> Self {
        let admission = self.admission(PolicyKind::Throttle, |other| other.throttle.is_none());
        admission.throttle = Some(throttle);
        self
    }

    /// A rate, waited for as long as the limit says.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        let admission = self.admission(PolicyKind::RateLimit, |other| other.rate.is_none());
        admission.rate = Some(limit);
        self
    }

    /// So many calls at once, and a line of those that wait.
    pub fn concurrency(self, queue: ConcurrencyQueue) -> Self {
        self.places(PolicyKind::Concurrency, Places::Queue(queue))
    }

    /// So many calls at once, and no line; also of all processes together, on a board.
    pub fn concurrency_limit(self, limit: ConcurrencyLimit) -> Self {
        self.places(PolicyKind::Concurrency, Places::Limit(limit))
    }

    /// As many calls at once as the dependency bears.
    pub fn adaptive(self, limit: AdaptiveLimit) -> Self {
        self.places(PolicyKind::Adaptive, Places::Adaptive(limit))
    }

    /// So many calls at once, the last places for the most important.
    pub fn shedding(self, shedding: LoadShedding) -> Self {
        self.places(PolicyKind::Shedding, Places::Shedding(shedding))
    }

    /// The pipeline.
    ///
    /// # Errors
    /// The first setting that is out of its range, else the first pair of policies in an order that defeats itself.
    pub fn build(self) -> Result<Pipeline<K>, PipelineError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        order::check(&self.seen)?;
        Ok(Pipeline {
            parts: Arc::new(Parts {
                stages: self.stages.into(),
                warnings: order::warnings(&self.seen),
                classify: self.classify,
            }),
        })
    }

    fn places(mut self, kind: PolicyKind, places: Places) -> Self {
        let admission = self.admission(kind, |other| other.places.is_none());
        admission.places = Some(places);
        self
    }

    /// The admission next to it, if that has room; else one of its own.
    fn admission(
        &mut self,
        kind: PolicyKind,
        has_room: impl Fn(&Admission) -> bool,
    ) -> &mut Admission {
        let time = Duration::ZERO;
        self.seen.push(Seen { kind, time });
        match self.stages.last() {
            Some(Stage::Admission(neighbour)) if has_room(neighbour) => {}
            _ => self.stages.push(Stage::Admission(Admission::default())),
        }
        match self.stages.last_mut() {
            Some(Stage::Admission(admission)) => admission,
            _ => unreachable!("it was pushed above"),
        }
    }

    fn add(mut self, kind: PolicyKind, time: Duration, stage: Result<Stage, ConfigError>) -> Self {
        self.seen.push(Seen { kind, time });
        match stage {
            Ok(stage) => self.stages.push(stage),
            Err(error) => {
                let policy = kind;
                self.error
                    .get_or_insert(PipelineError::Setting { policy, error });
            }
        }
        self
    }
}

impl<K> fmt::Debug for PipelineBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.stages).finish()
    }
}
