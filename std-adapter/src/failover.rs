//! [`Failover`]: endpoints that stand in for each other, each with a breaker of its own.

mod ejection;

use crate::breaker::{CircuitBreaker, CircuitBreakerConfig};
use crate::call::{CallError, PolicyKind};
use crate::classify::{ByResult, Classify, judge};
use crate::clock::{Clock, CoarseClock};
use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Reason};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// In which order endpoints are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailoverOrder {
    /// As they were given: the first one (the nearest region) whenever it can be asked.
    #[default]
    Preferred,
    /// Each call begins with the next one, so that all are used alike.
    RoundRobin,
    /// The endpoint of this number (from 0, past the last one again from the first), then those after it: for a second call beside one
    /// that is slow, so that it asks elsewhere. Set it on a clone, which shares the breakers.
    StartingAt(usize),
}

/// Asks one endpoint, and the next one when that fails or is being left alone.
///
/// Each endpoint has a breaker: one that keeps failing is *ejected* while its breaker is open. At most `max_ejected` of the
/// endpoints are, by default half: when more of them fail, it is rather the network or the request, and those that opened last are asked
/// all the same.
///
/// ```
/// use fuseboard::{CircuitBreakerConfig, Failover};
///
/// # async fn get(host: &str) -> std::io::Result<String> { Ok(host.to_owned()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let regions = Failover::new(["eu-west", "us-east"], CircuitBreakerConfig::default())?;
/// let page = regions.call(|host| get(host)).await?;
/// # Ok(())
/// # }
/// ```
///
/// A call that went wrong at one endpoint is made at another only where its end may be repeated. Dropped at any point, all permits are
/// given back. A clone shares endpoints and breakers.
#[derive(Debug)]
pub struct Failover<A, C: Clock = CoarseClock> {
    shared: Arc<Shared<A, C>>,
    order: FailoverOrder,
    max_ejected: f64,
}

#[derive(Debug)]
struct Shared<A, C: Clock> {
    endpoints: Box<[Endpoint<A, C>]>,
    next: AtomicUsize,
    tally: Tally,
}

#[derive(Debug)]
struct Endpoint<A, C: Clock> {
    address: A,
    breaker: CircuitBreaker<C>,
}

impl<A: AsRef<str>> Failover<A> {
    /// Endpoints, the preferred one first, each with a breaker of this configuration and of its own name.
    ///
    /// # Errors
    /// `endpoints` where there is none, or the first setting that is out of its range.
    pub fn new(
        endpoints: impl IntoIterator<Item = A>,
        config: CircuitBreakerConfig,
    ) -> Result<Self, ConfigError> {
        Self::with_clock(endpoints, config, CoarseClock)
    }
}

impl<A: AsRef<str>, C: Clock + Clone> Failover<A, C> {
    /// The same on a clock of the caller's choice.
    ///
    /// # Errors
    /// As [`new`](Failover::new).
    pub fn with_clock(
        endpoints: impl IntoIterator<Item = A>,
        config: CircuitBreakerConfig,
        clock: C,
    ) -> Result<Self, ConfigError> {
        let endpoint = |address: A| {
            let breaker = CircuitBreaker::with_clock(address.as_ref(), config, clock.clone())?;
            Ok(Endpoint { address, breaker })
        };
        let endpoints: Box<[_]> = endpoints
            .into_iter()
            .map(endpoint)
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            let allowed = "at least 1 endpoint to ask";
            return Err(ConfigError::integer("endpoints", 0, allowed));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                endpoints,
                next: AtomicUsize::new(0),
                tally: Tally::new::<did::Failover>(),
            }),
            order: FailoverOrder::Preferred,
            max_ejected: 0.5,
        })
    }
}

impl<A, C: Clock> Failover<A, C> {
    /// Another order. Default [`FailoverOrder::Preferred`].
    #[must_use]
    pub fn order(mut self, order: FailoverOrder) -> Self {
        self.order = order;
        self
    }

    /// The share of the endpoints that may be ejected at once, 0 to 1, rounded down but never less than one of several. Default 0.5.
    ///
    /// # Errors
    /// `max_ejected` where it is not 0 to 1.
    pub fn max_ejected(mut self, share: f64) -> Result<Self, ConfigError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(ConfigError::decimal("max_ejected", share, "0 to 1"));
        }
        self.max_ejected = share;
        Ok(self)
    }

    /// The breaker of each endpoint, in the order given.
    pub fn breakers(&self) -> impl Iterator<Item = &CircuitBreaker<C>> {
        self.shared
            .endpoints
            .iter()
            .map(|endpoint| &endpoint.breaker)
    }

    /// What became of its calls, and the endpoints that were asked for them.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Asks the endpoints until one answers; every error is a failure of the endpoint.
    ///
    /// # Errors
    /// That of the endpoint that was asked last; a rejection where none could be asked.
    pub async fn call<'a, T, E, F>(
        &'a self,
        operation: impl FnMut(&'a A) -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_with(&ByResult, operation).await
    }

    /// Asks the endpoints until one gives an answer that `classify` does not want repeated.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with<'a, T, E, F>(
        &'a self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut(&'a A) -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.run(classify, |address| {
            let attempt = operation(address);
            async { attempt.await.map_err(CallError::OperationFailed) }
        })
        .await
    }

    /// As `call_with`, where other policies have had their say at each endpoint: one that they rejected was not asked.
    pub(crate) async fn run<'a, T, E, F>(
        &'a self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut(&'a A) -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, CallError<E>>>,
    {
        let endpoints = &self.shared.endpoints;
        let first = match self.order {
            FailoverOrder::Preferred => 0,
            FailoverOrder::StartingAt(number) => number % endpoints.len(),
            // Relaxed: it only spreads the calls.
            FailoverOrder::RoundRobin => self.shared.next.fetch_add(1, Ordering::Relaxed),
        };
        let mut last = None;
        let mut retry_after: Option<Duration> = None;
        for step in 0..endpoints.len() {
            let index = first.wrapping_add(step) % endpoints.len();
            let endpoint = &endpoints[index];
            let permit = match endpoint.breaker.try_acquire() {
                Ok(permit) => Some(permit),
                Err(_) if !self.may_be_ejected(index) => None,
                Err(rejected) => {
                    let after = rejected.retry_after.map(Duration::from);
                    retry_after = retry_after.into_iter().chain(after).min();
                    continue;
                }
            };
            self.shared.tally.attempt();
            let answer = operation(&endpoint.address).await;
            if answer.as_ref().is_err_and(CallError::is_rejected) {
                drop(permit);
                last.get_or_insert(answer);
                continue;
            }
            let verdict = judge(classify, &answer);
            if let Some(permit) = permit {
                permit.settle(verdict.outcome);
            }
            if !verdict.is_repeatable {
                self.shared.tally.count(if step == 0 {
                    did::Failover::First
                } else {
                    did::Failover::Other
                });
                return answer;
            }
            last = Some(answer);
        }
        self.shared.tally.count(match &last {
            Some(answer) if !answer.as_ref().is_err_and(CallError::is_rejected) => {
                did::Failover::Failed
            }
            _ => did::Failover::Rejected,
        });
        last.unwrap_or(Err(CallError::Rejected {
            policy: PolicyKind::Failover,
            reason: Reason::Open,
            retry_after,
        }))
    }
}

impl<A, C: Clock> Clone for Failover<A, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            order: self.order,
            max_ejected: self.max_ejected,
        }
    }
}
