//! [`RedisRateLimiter`]: the adapter's limiters among hosts, asked by a thread that waits or by a task that is told.

use super::engine::RedisEngine;
use super::process::{OfProcess, runtime};
use super::refused;
use super::travel::begin;
use crate::config;
use crate::errors;
use crate::limiter::quota;
use fuseboard::redis::{
    Decision, DecisionSource, FailurePolicy, FixedWindow, FixedWindowRateLimiter, Lease,
    LimiterOptions, SetUpError, SlidingCounter, SlidingCounterRateLimiter, SlidingWindow,
    SlidingWindowRateLimiter, TokenBucket, TokenBucketRateLimiter,
};
use pyo3::prelude::*;
use std::time::Duration;

/// What is limited.
enum Algorithm {
    TokenBucket(TokenBucket),
    SlidingWindow(SlidingWindow),
    SlidingCounter(SlidingCounter),
    FixedWindow(FixedWindow),
}

#[derive(Clone)]
enum Limiter {
    TokenBucket(TokenBucketRateLimiter),
    SlidingWindow(SlidingWindowRateLimiter),
    SlidingCounter(SlidingCounterRateLimiter),
    FixedWindow(FixedWindowRateLimiter),
}

/// Runs the same expression for each kind.
macro_rules! each {
    ($limiter:expr, $one:ident => $answer:expr) => {
        match $limiter {
            Limiter::TokenBucket($one) => $answer,
            Limiter::SlidingWindow($one) => $answer,
            Limiter::SlidingCounter($one) => $answer,
            Limiter::FixedWindow($one) => $answer,
        }
    };
}

impl Limiter {
    async fn check_many(&self, key: &str, cost: u64) -> Decision {
        each!(self, one => one.check_many(key, cost).await)
    }
}

/// A decision as `fuseboard.redis.Decision` takes it.
type Fields = (
    bool,
    u64,
    Option<u64>,
    Option<f64>,
    f64,
    &'static str,
    Option<String>,
    bool,
);

fn fields(decision: Decision) -> Fields {
    let (source, why) = match decision.source {
        DecisionSource::Local => ("local", None),
        DecisionSource::Engine => ("engine", None),
        DecisionSource::Lease => ("lease", None),
        DecisionSource::DenyCache => ("deny_cache", None),
        DecisionSource::Fallback(why) => ("fallback", Some(why.to_string())),
        _ => ("other", None),
    };
    (
        decision.is_allowed,
        decision.limit,
        decision.remaining,
        decision.retry_after.map(|span| span.as_secs_f64()),
        decision.reset_after.as_secs_f64(),
        source,
        why,
        decision.may_have_taken,
    )
}

/// A limit on an engine.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RedisRateLimiter {
    engine: Py<RedisEngine>,
    algorithm: Algorithm,
    options: LimiterOptions,
    limiter: OfProcess<Limiter>,
}

impl RedisRateLimiter {
    fn limiter(&self, py: Python<'_>) -> PyResult<Limiter> {
        self.limiter.get_or_make(|| {
            let engine = self.engine.get().engine(py)?;
            let options = self.options.clone();
            let made = match &self.algorithm {
                Algorithm::TokenBucket(words) => {
                    TokenBucketRateLimiter::on(&engine, words, options).map(Limiter::TokenBucket)
                }
                Algorithm::SlidingWindow(words) => {
                    SlidingWindowRateLimiter::on(&engine, words, options)
                        .map(Limiter::SlidingWindow)
                }
                Algorithm::SlidingCounter(words) => {
                    SlidingCounterRateLimiter::on(&engine, words, options)
                        .map(Limiter::SlidingCounter)
                }
                Algorithm::FixedWindow(words) => {
                    FixedWindowRateLimiter::on(&engine, words, options).map(Limiter::FixedWindow)
                }
            };
            made.map_err(|error| refused(py, &error))
        })
    }

    fn new(
        py: Python<'_>,
        engine: Py<RedisEngine>,
        algorithm: Result<Algorithm, SetUpError>,
        options: LimiterOptions,
    ) -> PyResult<Self> {
        let made = Self {
            engine,
            algorithm: algorithm.map_err(|error| refused(py, &error))?,
            options,
            limiter: OfProcess::new(),
        };
        made.limiter(py)?;
        Ok(made)
    }
}

/// Options as Python gives them: prefix, policy, share, lease, keys.
type Options<'py> = (
    String,
    String,
    Option<f64>,
    Option<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    Bound<'py, PyAny>,
);

fn options(py: Python<'_>, given: Options<'_>) -> PyResult<LimiterOptions> {
    let (prefix, policy, share, lease, keys) = given;
    let policy = match (policy.as_str(), share) {
        ("open", _) => FailurePolicy::Open,
        ("closed", _) => FailurePolicy::Closed,
        ("keep_lease", _) => FailurePolicy::KeepLease,
        ("local_share", Some(share)) => FailurePolicy::LocalShare(share),
        (other, _) => {
            let message = format!(
                "on_failure is {other:?}; allowed: \"open\", \"closed\", \"keep_lease\", LocalShare(share)"
            );
            return Err(errors::config(py, "on_failure", message));
        }
    };
    let keys: u32 = config::integer("remembered_keys", &keys)?;
    let mut options = LimiterOptions::new(policy)
        .prefix(prefix)
        .remembered_keys(keys as usize);
    if let Some((most, expires_after, interval)) = lease {
        options = options.lease(Lease {
            most: config::integer("lease.most", &most)?,
            expires_after: config::span("lease.expires_after", &expires_after)?.into(),
            least_trip_interval: config::span("lease.least_trip_interval", &interval)?.into(),
        });
    }
    Ok(options)
}

#[pymethods]
impl RedisRateLimiter {
    #[staticmethod]
    fn token_bucket(
        engine: Py<RedisEngine>,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
        given: Options<'_>,
    ) -> PyResult<Self> {
        let (rate, burst) = quota(rate, per, ("burst", burst))?;
        let bucket = TokenBucket::new(rate, burst).map(Algorithm::TokenBucket);
        let py = given.4.py();
        Self::new(py, engine, bucket, options(py, given)?)
    }

    #[staticmethod]
    fn windowed(
        engine: Py<RedisEngine>,
        kind: &str,
        limit: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        given: Options<'_>,
    ) -> PyResult<Self> {
        let most: u64 = config::integer("limit", limit)?;
        let length: Duration = config::span("window", window)?.into();
        let algorithm = match kind {
            "sliding_window" => SlidingWindow::new(most, length).map(Algorithm::SlidingWindow),
            "sliding_counter" => SlidingCounter::new(most, length).map(Algorithm::SlidingCounter),
            _ => FixedWindow::new(most, length).map(Algorithm::FixedWindow),
        };
        Self::new(limit.py(), engine, algorithm, options(limit.py(), given)?)
    }

    /// Waits for the decision; other threads of Python run meanwhile.
    fn check(&self, py: Python<'_>, key: &str, cost: &Bound<'_, PyAny>) -> PyResult<Fields> {
        let (limiter, runtime) = (self.limiter(py)?, runtime()?);
        let cost = config::integer("cost", cost)?;
        let decision = py.detach(|| runtime.block_on(limiter.check_many(key, cost)));
        Ok(fields(decision))
    }

    /// The decision, where no request has to travel for it. Otherwise it is passed to `told`, on another thread.
    fn begin<'py>(
        &self,
        py: Python<'py>,
        key: String,
        cost: &Bound<'_, PyAny>,
        told: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let limiter = self.limiter(py)?;
        let cost = config::integer("cost", cost)?;
        begin(
            py,
            async move { limiter.check_many(&key, cost).await },
            |py, decision| Ok(fields(decision).into_pyobject(py)?.into_any()),
            told,
        )
    }

    /// Gives units back; false where the engine could not be told.
    fn refund(&self, py: Python<'_>, key: &str, cost: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (limiter, runtime) = (self.limiter(py)?, runtime()?);
        let cost = config::integer("cost", cost)?;
        let refunded = py.detach(|| {
            runtime.block_on(async { each!(&limiter, one => one.refund(key, cost).await) })
        });
        Ok(refunded.is_ok())
    }

    /// Gives back what is left of leases.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let (limiter, runtime) = (self.limiter(py)?, runtime()?);
        py.detach(|| runtime.block_on(async { each!(&limiter, one => one.close().await) }));
        Ok(())
    }
}
