//! All policies of one name as a pipeline.

use super::{Policies, RateLimiter, Running};
use crate::call::PolicyKind;
use crate::pipeline::{Pipeline, PipelineBuilder, PipelineError};
use crate::rate_limit::RateLimit;
use fuseboard_core::ConfigError;

impl Policies {
    /// Every policy of this name around a call, in the recommended order: timeout of the whole, load shedding, retries, hedge; breaker, throttle,
    /// rate and concurrency limit, queue and adaptive limit, admitted as one where they can be; timeout of an attempt. Where retries have a budget, hedged attempts come from it too.
    ///
    /// Say what counts as a failure, add what the file cannot name, and build it:
    ///
    /// ```
    /// use fuseboard::config::{Config, Format, Policies};
    ///
    /// # async fn pay() -> std::io::Result<()> { Ok(()) }
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::from_text(
    ///     "[breakers.payments]\n[retries.payments]\n[timeouts.payments]\nlimit = \"5s\"\nattempt_limit = \"1s\"",
    ///     Format::Toml,
    /// )?;
    /// let payments = Policies::from_config(&config)?.pipeline("payments")?.build()?;
    /// payments.call(|| pay()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Breaker, throttle and limits are the running ones, and follow a reload; timeouts, retries and hedge, how long a call waits and from which
    /// share on it is shed are those of now: build another pipeline after a reload that changed them.
    ///
    /// # Errors
    /// That no configuration so far had the name; or that its rate limit is a sliding window, which cannot take back what it admitted.
    pub fn pipeline(&self, name: &str) -> Result<PipelineBuilder, PipelineError> {
        let running = self.running();
        let timeout = running.timeouts.get(name).map(|live| live.config);
        let retry = running.retries.get(name).map(|live| &live.handle.0);
        let mut pipeline = Pipeline::builder();
        if let Some(timeout) = timeout {
            pipeline = pipeline.timeout(timeout.limit);
        }
        if let Some(live) = running.shedding.get(name) {
            pipeline = pipeline.shedding(live.handle.clone());
        }
        if let Some(retry) = retry {
            pipeline = pipeline.retry(retry.config().clone());
        }
        if let Some(live) = running.hedges.get(name) {
            let budget = retry.and_then(|retry| retry.config().budget.clone());
            let hedge = live.handle.clone();
            pipeline = pipeline.hedge(match budget {
                Some(budget) => hedge.budget(budget),
                None => hedge,
            });
        }
        pipeline = admission(pipeline, &running, name)?;
        if let Some(limit) = timeout.and_then(|timeout| timeout.attempt_limit) {
            pipeline = pipeline.timeout(limit);
        }
        let is_known = timeout.is_some()
            || retry.is_some()
            || running.hedges.contains_key(name)
            || running.breakers.contains_key(name)
            || running.rate_limits.contains_key(name)
            || running.concurrency.contains_key(name)
            || running.queues.contains_key(name)
            || running.adaptive.contains_key(name)
            || running.shedding.contains_key(name)
            || running.throttles.contains_key(name);
        if is_known {
            Ok(pipeline)
        } else {
            Err(PipelineError::Empty)
        }
    }
}

/// Breaker and limits, side by side.
fn admission(
    mut pipeline: PipelineBuilder,
    running: &Running,
    name: &str,
) -> Result<PipelineBuilder, PipelineError> {
    if let Some(live) = running.breakers.get(name) {
        pipeline = pipeline.breaker(live.handle.clone());
    }
    if let Some(live) = running.throttles.get(name) {
        pipeline = pipeline.throttle(live.handle.clone());
    }
    let rate_limit = running.rate_limits.get(name);
    match rate_limit.map(|live| (&live.handle, live.config.max_wait)) {
        None => {}
        Some((RateLimiter::TokenBucket(bucket), max_wait)) => {
            pipeline = pipeline.rate_limit(RateLimit::new(bucket.clone()).max_wait(max_wait));
        }
        Some((RateLimiter::SlidingWindow(_), _)) => {
            return Err(PipelineError::Setting {
                policy: PolicyKind::RateLimit,
                error: ConfigError::conflict(
                    "algorithm",
                    "sliding_window in a pipeline",
                    "token_bucket; a sliding window cannot take back what it admitted, so ask it by itself",
                ),
            });
        }
    }
    if let Some(live) = running.concurrency.get(name) {
        pipeline = pipeline.concurrency_limit(live.handle.clone());
    }
    if let Some(live) = running.queues.get(name) {
        pipeline = pipeline.concurrency(live.handle.clone());
    }
    if let Some(live) = running.adaptive.get(name) {
        pipeline = pipeline.adaptive(live.handle.clone());
    }
    Ok(pipeline)
}
