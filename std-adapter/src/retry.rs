//! [`Retry`]: a call that failed is made again, within bounds.

mod backoff;
mod budget;
mod config;

pub use backoff::{Backoff, Jitter};
pub use budget::RetryBudget;
pub use config::RetryConfig;

use crate::call::CallError;
use crate::classify::{ByResult, Classify, judge};
use crate::random::Draws;
use crate::tally::{Tally, did};
use fuseboard_core::ConfigError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Makes a call again after a failure that may be repeated: after a growing, scattered pause, so often and so long at
/// most, and only while the budget lasts.
///
/// ```
/// use fuseboard::{Retry, RetryBudget, RetryConfig};
///
/// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let retry = Retry::new(RetryConfig {
///     max_attempts: 4,
///     // Shared by all callers of one dependency: retries are at most a fifth of its calls.
///     budget: Some(RetryBudget::default()),
///     ..Default::default()
/// })?;
/// let page = retry.call(fetch).await?;
/// # Ok(())
/// # }
/// ```
///
/// What may be repeated is for [`Classify`] to say, except that a breaker's rejection never is; [`call`](Self::call) repeats every error, so the operation must be
/// safe to repeat. A time that the dependency asked for (`Retry-After`) is waited for where it is longer than the pause,
/// and ends the retries where it is longer than `max_retry_after`. A clone shares budget and jitter.
///
/// # Cancellation
///
/// Dropped at any point, no further attempt is made. A retry that was withdrawn from the budget stays so.
#[derive(Clone, Debug)]
pub struct Retry {
    config: Arc<RetryConfig>,
    draws: Arc<Draws>,
    tally: Tally,
}

impl Retry {
    /// Retries by these settings.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn new(config: RetryConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            draws: Arc::new(Draws::new(config.jitter_seed)),
            config: Arc::new(config),
            tally: Tally::new::<did::Retry>(),
        })
    }

    /// The settings.
    pub fn config(&self) -> &RetryConfig {
        &self.config
    }

    /// What became of its calls, and their attempts.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes a call, and again after each error.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call<T, E, F>(&self, operation: impl FnMut() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_with(&ByResult, operation).await
    }

    /// Makes a call, and again while `classify` says that its end may be repeated.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call_with<T, E, F>(
        &self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let answer = self.run(classify, None, || {
            let attempt = operation();
            async { attempt.await.map_err(CallError::OperationFailed) }
        });
        match answer.await {
            Ok(value) => Ok(value),
            Err(CallError::OperationFailed(error)) => Err(error),
            Err(_) => unreachable!("nothing but the operation answers here"),
        }
    }

    /// Makes a call that blocks the thread, and again while `classify` says so; pauses put the thread to sleep.
    ///
    /// # Errors
    /// That of the last attempt.
    pub fn call_blocking<T, E>(
        &self,
        classify: &impl Classify<T, E>,
        mut operation: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let started = std::time::Instant::now();
        let mut pauses = self.begin();
        loop {
            let result = operation();
            let verdict = classify.classify(result.as_ref());
            match pauses.next(verdict, || started.elapsed(), None) {
                Some(pause) => std::thread::sleep(pause),
                None => return result,
            }
        }
    }

    /// As `call_with`, in a pipeline: other policies have their say, and nothing is begun after `deadline`.
    pub(crate) async fn run<T, E, F>(
        &self,
        classify: &impl Classify<T, E>,
        deadline: Option<Instant>,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, CallError<E>>>,
    {
        let started = Instant::now();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(started));
        let mut pauses = self.begin();
        loop {
            let answer = operation().await;
            let verdict = judge(classify, &answer);
            match pauses.next(verdict, || started.elapsed(), left) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return answer,
            }
        }
    }

    fn begin(&self) -> Pauses<'_> {
        if let Some(budget) = &self.config.budget {
            budget.deposit();
        }
        self.tally.attempt();
        Pauses {
            retry: self,
            attempts: 1,
            last: Duration::ZERO,
        }
    }
}

/// The pauses of one call.
struct Pauses<'a> {
    retry: &'a Retry,
    attempts: u32,
    last: Duration,
}

impl Pauses<'_> {
    /// How long to wait for the next attempt, or that there is none.
    fn next(
        &mut self,
        verdict: crate::Verdict,
        elapsed: impl FnOnce() -> Duration,
        left: Option<Duration>,
    ) -> Option<Duration> {
        let next = self.decide(verdict, elapsed, left);
        match next {
            Ok(_) => self.retry.tally.attempt(),
            Err(ended) => self.retry.tally.count(ended),
        }
        next.ok()
    }

    fn decide(
        &mut self,
        verdict: crate::Verdict,
        elapsed: impl FnOnce() -> Duration,
        left: Option<Duration>,
    ) -> Result<Duration, did::Retry> {
        let config = &*self.retry.config;
        if !verdict.is_repeatable {
            return Err(if self.attempts == 1 {
                did::Retry::Once
            } else {
                did::Retry::Repeated
            });
        }
        if self.attempts >= config.max_attempts {
            return Err(did::Retry::Exhausted);
        }
        let asked = verdict.retry_after.unwrap_or_default();
        if asked > config.max_retry_after {
            return Err(did::Retry::NoTime);
        }
        self.last = config
            .backoff
            .pause(self.attempts, self.last, &self.retry.draws);
        let pause = self.last.max(asked);
        let bound = config.deadline.into_iter().chain(left).min();
        if bound.is_some_and(|bound| elapsed().saturating_add(pause) >= bound) {
            return Err(did::Retry::NoTime);
        }
        // Asked last: what was not going to happen costs nobody a retry.
        if let Some(budget) = &config.budget
            && budget.withdraw().is_err()
        {
            return Err(did::Retry::NoBudget);
        }
        self.attempts += 1;
        Ok(pause)
    }
}
