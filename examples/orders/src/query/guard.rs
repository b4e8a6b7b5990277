//! [`Guard`]: the policies between the query service and its database.

use std::time::Duration;

use fuseboard::{
    Backoff, CallError, CircuitBreaker, CircuitBreakerConfig, Classify, ConcurrencyQueue,
    ConfigError, Jitter, Pipeline, PipelineError, PolicyKind, RetryBudget, RetryConfig, Verdict,
};

use super::{QueryError, QueryOptions, ReadModelError};

/// A second try within a budget, under a breaker, a limit of places and two time limits.
pub struct Guard {
    pipeline: Pipeline<ByReadModelError>,
    breaker: CircuitBreaker,
    places: ConcurrencyQueue,
    open_timeout: Duration,
}

/// That there is no read model yet says nothing against the database.
struct ByReadModelError;

impl<T> Classify<T, ReadModelError> for ByReadModelError {
    fn classify(&self, result: Result<&T, &ReadModelError>) -> Verdict {
        match result {
            Ok(_) => Verdict::SUCCESS,
            Err(ReadModelError::Unavailable(_)) => Verdict::FAILURE,
            Err(ReadModelError::Missing | ReadModelError::Corrupt(_)) => Verdict::IGNORED,
        }
    }
}

impl Guard {
    pub(super) fn new(options: QueryOptions) -> Result<Self, PipelineError> {
        let config = CircuitBreakerConfig {
            open_timeout: options.open_timeout,
            open_backoff: 2.0,
            open_timeout_max: options.open_timeout * 8,
            open_jitter: 0.2,
            record_latency: true,
            ..CircuitBreakerConfig::default()
        };
        let breaker =
            CircuitBreaker::try_new("read-model", config).map_err(setting(PolicyKind::Breaker))?;
        let places = ConcurrencyQueue::new(options.concurrency)
            .map_err(setting(PolicyKind::Concurrency))?
            .max_waiting(options.concurrency as usize)
            .max_wait(options.timeout);
        let retry = RetryConfig {
            max_attempts: 2,
            backoff: Backoff {
                initial: Duration::from_millis(20),
                max: Duration::from_millis(100),
                factor: 2.0,
                jitter: Jitter::Full,
            },
            budget: Some(RetryBudget::default()),
            ..RetryConfig::default()
        };
        let pipeline = Pipeline::builder()
            .classify(ByReadModelError)
            .timeout(options.timeout * 2)
            .retry(retry)
            .breaker(breaker.clone())
            .concurrency(places.clone())
            .timeout(options.timeout)
            .build()?;
        Ok(Self {
            pipeline,
            breaker,
            places,
            open_timeout: options.open_timeout,
        })
    }

    /// Its breaker, for telemetry and the dashboard.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// Its limit of concurrent questions.
    pub fn places(&self) -> &ConcurrencyQueue {
        &self.places
    }

    pub(super) async fn ask<T, F>(&self, question: impl Fn() -> F + Sync) -> Result<T, QueryError>
    where
        T: Send,
        F: Future<Output = Result<T, ReadModelError>> + Send,
    {
        self.pipeline.call(question).await.map_err(|error| {
            tracing::debug!(%error, "the read model was asked in vain");
            let retry_after = error.retry_after().unwrap_or(self.open_timeout);
            match error {
                CallError::TimedOut { .. } => QueryError::TimedOut,
                CallError::OperationFailed(ReadModelError::Corrupt(reason)) => {
                    tracing::error!(reason, "the read model is damaged");
                    QueryError::Damaged
                }
                _ => QueryError::Unavailable { retry_after },
            }
        })
    }
}

fn setting(policy: PolicyKind) -> impl FnOnce(ConfigError) -> PipelineError {
    move |error| PipelineError::Setting { policy, error }
}
