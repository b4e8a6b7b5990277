//! [`TokenBucket`] and [`SlidingWindow`]: the core's rate limiters with a name and a clock.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use fuseboard_core::{
    ConfigError, Nanos, Rate, Rejected, SlidingWindowRateLimiter, TokenBucketRateLimiter,
};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{PyClass, PyTraverseError, PyVisit};

/// What a guarded call asks of a limiter.
pub(crate) trait RateLimiter: PyClass<Frozen = True> + Sync {
    /// Takes one unit, or raises.
    fn admit_call(&self, py: Python<'_>) -> PyResult<()>;
}

impl RateLimiter for TokenBucket {
    #[inline]
    fn admit_call(&self, py: Python<'_>) -> PyResult<()> {
        self.admit(py, None)
    }
}

impl RateLimiter for SlidingWindow {
    #[inline]
    fn admit_call(&self, py: Python<'_>) -> PyResult<()> {
        self.admit(py, None)
    }
}

/// The core's token bucket.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct TokenBucket {
    // Boxed: the core may align it more strictly than Python allocates objects.
    core: Box<TokenBucketRateLimiter>,
    name: String,
    time: TimeSource,
}

fn quota(
    rate: &Bound<'_, PyAny>,
    per: &Bound<'_, PyAny>,
    burst: &Bound<'_, PyAny>,
) -> PyResult<(Rate, u64)> {
    let units = config::integer("rate", rate)?;
    Ok((
        Rate::new(units, config::span("per", per)?),
        config::integer("burst", burst)?,
    ))
}

fn cost<T: Default + From<u32> + TryFrom<u64> + config::Bounded>(
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<T> {
    given.map_or_else(|| Ok(T::from(1)), |value| config::integer("cost", value))
}

impl TokenBucket {
    fn ask(
        &self,
        py: Python<'_>,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Result<(), Rejected>> {
        let now = self.time.now(py, Precision::Fine)?;
        Ok(match given {
            None => self.core.try_acquire(now),
            Some(_) => self.core.try_acquire_many(cost(given)?, now),
        })
    }
}

#[pymethods]
impl TokenBucket {
    #[new]
    fn new(
        name: String,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (quota, burst) = quota(rate, per, burst)?;
        let core = TokenBucketRateLimiter::try_new(quota, burst)
            .map_err(|error| errors::from_core(rate.py(), error))?;
        Ok(Self {
            core: Box::new(core),
            name,
            time: TimeSource::new(clock)?,
        })
    }

    #[pyo3(signature = (cost = None))]
    fn try_acquire(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Ok(self.ask(py, cost)?.is_ok())
    }

    #[pyo3(signature = (cost = None))]
    fn admit(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.ask(py, cost)?
            .map_err(|no| errors::rejected(py, &self.name, no))
    }

    fn refund(&self, py: Python<'_>, cost: &Bound<'_, PyAny>) -> PyResult<()> {
        let now = self.time.now(py, Precision::Fine)?;
        self.core.refund(config::integer("cost", cost)?, now);
        Ok(())
    }

    fn available(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.core.available(self.time.now(py, Precision::Fine)?))
    }

    fn configure(
        &self,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (quota, burst) = quota(rate, per, burst)?;
        self.core
            .configure(quota, burst)
            .map_err(|error| errors::from_core(rate.py(), error))
    }

    fn reset(&self) {
        self.core.reset();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}

/// A sliding log in the smallest of a few sizes that holds the limit; boxed for its alignment.
enum SlidingLog {
    To16(Box<SlidingWindowRateLimiter<16>>),
    To128(Box<SlidingWindowRateLimiter<128>>),
    To1024(Box<SlidingWindowRateLimiter<1024>>),
    To8192(Box<SlidingWindowRateLimiter<8192>>),
}

/// Runs the same expression for each size.
macro_rules! each_size {
    ($log:expr, $core:ident => $answer:expr) => {
        match $log {
            SlidingLog::To16($core) => $answer,
            SlidingLog::To128($core) => $answer,
            SlidingLog::To1024($core) => $answer,
            SlidingLog::To8192($core) => $answer,
        }
    };
}

impl SlidingLog {
    const LARGEST: u32 = 8192;

    fn try_new(limit: u32, window: Nanos) -> Result<Self, ConfigError> {
        Ok(match limit {
            0..=16 => Self::To16(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
            17..=128 => Self::To128(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
            129..=1024 => Self::To1024(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
            1025.. => Self::To8192(Box::new(SlidingWindowRateLimiter::try_new(limit, window)?)),
        })
    }
}

/// The core's exact sliding log.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct SlidingWindow {
    core: SlidingLog,
    name: String,
    time: TimeSource,
}

impl SlidingWindow {
    fn ask(
        &self,
        py: Python<'_>,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Result<(), Rejected>> {
        let cost = cost(given)?;
        let now = self.time.now(py, Precision::Fine)?;
        Ok(each_size!(&self.core, core => core.try_acquire_many(cost, now)))
    }
}

#[pymethods]
impl SlidingWindow {
    #[new]
    fn new(
        name: String,
        limit: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (places, length) = (
            config::integer("limit", limit)?,
            config::span("window", window)?,
        );
        if places > SlidingLog::LARGEST {
            let message = format!(
                "limit is {places}; allowed: 1 to {}, for more use a TokenBucketRateLimiter",
                SlidingLog::LARGEST
            );
            return Err(errors::config(limit.py(), "limit", message));
        }
        let core = SlidingLog::try_new(places, length)
            .map_err(|error| errors::from_core(limit.py(), error))?;
        Ok(Self {
            core,
            name,
            time: TimeSource::new(clock)?,
        })
    }

    #[pyo3(signature = (cost = None))]
    fn try_acquire(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Ok(self.ask(py, cost)?.is_ok())
    }

    #[pyo3(signature = (cost = None))]
    fn admit(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.ask(py, cost)?
            .map_err(|no| errors::rejected(py, &self.name, no))
    }

    fn available(&self, py: Python<'_>) -> PyResult<u32> {
        let now = self.time.now(py, Precision::Fine)?;
        Ok(each_size!(&self.core, core => core.available(now)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}
