//! [`Pipeline`]: several policies around a call, in order.

mod admission;
mod builder;
mod error;
mod order;
mod run;
mod stage;
mod timer;

pub use builder::PipelineBuilder;
pub use error::PipelineError;
pub use order::OrderWarning;

use crate::call::CallError;
use crate::classify::{ByResult, Classify};
use crate::tally::Tally;
use run::Context;
use stage::Stage;
use std::fmt;
use std::sync::Arc;

/// Policies around a call, the outermost first.
///
/// ```
/// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, Pipeline, RetryConfig};
/// use std::time::Duration;
///
/// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pipeline = Pipeline::builder()
///     .timeout(Duration::from_secs(5)) // for all attempts
///     .retry(RetryConfig::default())
///     .breaker(CircuitBreaker::new("pages", CircuitBreakerConfig::default()))
///     .timeout(Duration::from_secs(1)) // for each
///     .build()?;
/// let page = pipeline.call(|| fetch()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # The order
///
/// Recommended, from outside in:
///
/// | | why there |
/// |---|---|
/// | `timeout` of the whole | the caller's patience covers everything, pauses and queues included |
/// | `shedding` | what is rejected anyway should cost nothing before |
/// | `retry` | each attempt asks everything below again, so retries end when the breaker opens, and count against the limits; a rejection by those is repeated after its time |
/// | `hedge` | a hedged attempt is an attempt, and asks everything below too |
/// | `breaker`, `throttle`, `rate_limit`, `concurrency` or `adaptive` | side by side they are asked as one, see below |
/// | `timeout` of an attempt | a call that hangs is a failure that the breaker counts and the retry repeats |
/// | `chaos` | it stands for the dependency: whatever it does, everything else sees |
///
/// A fallback stands outside of all: see [`FallbackService`](crate::FallbackService), or match on the error. Orders that defeat themselves are errors of
/// [`build`](PipelineBuilder::build); doubtful ones are [`warnings`](Self::warnings).
///
/// # Admission as one
///
/// A breaker, a throttle, a rate limit and a limit of places that stand side by side admit all together, or it is as if none had been asked: whoever
/// rejects, the places, the tokens and the probe's place are given back. The breaker is looked at first and asked last, so that a limit never costs it a
/// probe. Where an inner policy rejects before the operation was called, the outer ones are given back too.
///
/// # Deadlines
///
/// A timeout is known to everything inside it: no retry pauses for what could not begin in time, and a breaker counts a call
/// that an outer timeout cut off, if it had at least half of that time; what had less says nothing.
///
/// # Cost and cancellation
///
/// One small allocation for each policy (those side by side are one) and call. A clone is another handle. Dropped at any point,
/// everything that was held is given back.
pub struct Pipeline<K = ByResult> {
    parts: Arc<Parts<K>>,
}

struct Parts<K> {
    stages: Box<[Stage]>,
    warnings: Box<[OrderWarning]>,
    classify: K,
}

/// What one call asks for beside its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// For shedding: 255 is shed last. Default 128.
    pub priority: u8,
    /// Tokens of a rate limit. Default 1.
    pub cost: u64,
    /// Whether it is safe to make it again; if not, neither a retry nor a hedge does, whatever its end. Default `true`.
    pub is_repeatable: bool,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            priority: 128,
            cost: 1,
            is_repeatable: true,
        }
    }
}

impl Pipeline {
    /// Policies to be added, the outermost first.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::new()
    }
}

impl<K> Pipeline<K> {
    /// Makes a call; `operation` is called once for each attempt.
    ///
    /// # Errors
    /// Which policy rejected it, that it took too long, or the last attempt's own error.
    pub async fn call<T, E, F>(&self, operation: impl Fn() -> F + Sync) -> Result<T, CallError<E>>
    where
        T: Send,
        E: Send,
        F: Future<Output = Result<T, E>> + Send,
        K: Classify<T, E> + Sync,
    {
        self.call_with(CallOptions::default(), operation).await
    }

    /// As [`call`](Self::call), with a priority and a cost.
    ///
    /// # Errors
    /// As `call`.
    pub async fn call_with<T, E, F>(
        &self,
        options: CallOptions,
        operation: impl Fn() -> F + Sync,
    ) -> Result<T, CallError<E>>
    where
        T: Send,
        E: Send,
        F: Future<Output = Result<T, E>> + Send,
        K: Classify<T, E> + Sync,
    {
        let attempt = || {
            let attempt = operation();
            async { attempt.await.map_err(CallError::OperationFailed) }
        };
        self.run(&self.parts.classify, options, &attempt).await
    }

    /// Makes a call that blocks the thread, also its pauses and its waits in line; `operation` is called once for each attempt, on this
    /// thread.
    ///
    /// A timeout cannot cut a thread off: it ends waits and pauses, and no attempt is begun when it is over, but an operation that ends late
    /// has ended. Give the operation a time of its own, or a thread that can be left behind (`ThreadIsolation::call_blocking`). A hedge makes
    /// one attempt. In an async runtime it blocks the thread that others need: use [`call`](Self::call) there.
    ///
    /// ```
    /// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, Pipeline, RetryConfig};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = Pipeline::builder()
    ///     .retry(RetryConfig::default())
    ///     .breaker(CircuitBreaker::new("settings", CircuitBreakerConfig::default()))
    ///     .build()?;
    /// let text = settings.call_blocking(|| std::fs::read_to_string("Cargo.toml"))?;
    /// # let _ = text;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// When the system gives no thread for the timer, which the process's first call of this kind starts.
    pub fn call_blocking<T, E>(
        &self,
        operation: impl Fn() -> Result<T, E> + Sync,
    ) -> Result<T, CallError<E>>
    where
        T: Send,
        E: Send,
        K: Classify<T, E> + Sync,
    {
        self.call_blocking_with(CallOptions::default(), operation)
    }

    /// As [`call_blocking`](Self::call_blocking), with a priority and a cost.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// As `call_blocking`.
    pub fn call_blocking_with<T, E>(
        &self,
        options: CallOptions,
        operation: impl Fn() -> Result<T, E> + Sync,
    ) -> Result<T, CallError<E>>
    where
        T: Send,
        E: Send,
        K: Classify<T, E> + Sync,
    {
        timer::block_on(self.call_with(options, || {
            // On this thread, in the middle of the poll.
            let result = operation();
            std::future::ready(result)
        }))
    }

    /// A call whose attempts may have had the say of other policies, and that is judged by another classification.
    pub(crate) async fn run<T, E, F>(
        &self,
        classify: &(impl Classify<T, E> + Sync),
        options: CallOptions,
        operation: &(impl Fn() -> F + Sync),
    ) -> Result<T, CallError<E>>
    where
        T: Send,
        E: Send,
        F: Future<Output = Result<T, CallError<E>>> + Send,
    {
        let context = Context {
            classify,
            deadline: None,
            options,
            called: None,
        };
        run::run(&self.parts.stages, context, operation).await
    }

    /// Its own classification.
    #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
    pub(crate) fn classification(&self) -> &K {
        &self.parts.classify
    }

    /// What its policies count, in order; a breaker's numbers are its own.
    pub(crate) fn tallies(&self) -> Vec<Tally> {
        self.parts.stages.iter().flat_map(Stage::tallies).collect()
    }

    /// What is doubtful about the order, if anything.
    pub fn warnings(&self) -> &[OrderWarning] {
        &self.parts.warnings
    }
}

impl<K> Clone for Pipeline<K> {
    fn clone(&self) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
        }
    }
}

impl<K> fmt::Debug for Pipeline<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.stages.iter()).finish()
    }
}
