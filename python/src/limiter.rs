//! [`RateLimiter`]: the core's rate limiters with a name and a clock.

mod lease;
mod reservation;
mod words;

pub(crate) use lease::TokenLease;
pub(crate) use reservation::Reservation;

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use crate::gate::Gate;
use fuseboard_core::{Nanos, Rate, Rejected, WarmUp};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use words::Words;

/// One of the core's rate limiters. Python's classes offer the methods that their kind has.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RateLimiter {
    words: Words,
    name: String,
    time: TimeSource,
}

pub(crate) fn quota(
    rate: &Bound<'_, PyAny>,
    per: &Bound<'_, PyAny>,
    units: (&str, &Bound<'_, PyAny>),
) -> PyResult<(Rate, u64)> {
    let (field, units) = units;
    Ok((
        Rate::new(config::integer("rate", rate)?, config::span("per", per)?),
        config::integer(field, units)?,
    ))
}

fn warming(span: &Bound<'_, PyAny>, cold_factor: Option<&Bound<'_, PyAny>>) -> PyResult<WarmUp> {
    let warm_up = WarmUp::new(config::span("warm_up", span)?);
    cold_factor.map_or(Ok(warm_up), |factor| {
        Ok(warm_up.cold_factor(config::integer("cold_factor", factor)?))
    })
}

fn cost(given: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
    given.map_or(Ok(1), |value| config::integer("cost", value))
}

impl RateLimiter {
    fn new(name: String, words: Words, clock: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self {
            words,
            name,
            time: TimeSource::new(clock)?,
        })
    }

    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(crate) fn on_board(
        name: String,
        bucket: fuseboard::TokenBucketRateLimiter,
        board: fuseboard::Board,
    ) -> Self {
        Self {
            words: Words::OnBoard(bucket, board),
            name,
            time: TimeSource::System,
        }
    }

    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        self.time.now(py, Precision::Fine)
    }

    #[inline]
    fn ask(
        &self,
        py: Python<'_>,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Result<(), Rejected>> {
        let cost = cost(given)?;
        Ok(self.words.acquire(cost, self.now(py)?))
    }
}

/// A call costs one unit.
impl Gate for RateLimiter {
    type Held = ();
    type Refused = Rejected;

    #[inline]
    fn request(&self, py: Python<'_>) -> PyResult<Result<(), Rejected>> {
        Ok(self.words.acquire(1, self.now(py)?))
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::rejected(py, &self.name, no)
    }

    fn returned(&self, (): (), _result: &Bound<'_, PyAny>) -> PyResult<()> {
        Ok(())
    }

    fn raised(&self, (): (), _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        Ok(())
    }

    fn undo(&self, py: Python<'_>, (): ()) -> PyResult<()> {
        self.words.refund(1, self.now(py)?);
        Ok(())
    }
}

#[pymethods]
impl RateLimiter {
    #[staticmethod]
    fn token_bucket(
        name: String,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        burst: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
        warm_up: Option<&Bound<'_, PyAny>>,
        cold_factor: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (quota, burst) = quota(rate, per, ("burst", burst))?;
        let warm_up = warm_up.map(|span| warming(span, cold_factor)).transpose()?;
        let words = Words::token_bucket(quota, burst, warm_up)
            .map_err(|error| errors::from_core(rate.py(), error))?;
        Self::new(name, words, clock)
    }

    #[staticmethod]
    fn leaky_bucket(
        name: String,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        queue: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (quota, queue) = quota(rate, per, ("queue", queue))?;
        let words = Words::leaky_bucket(quota, queue)
            .map_err(|error| errors::from_core(rate.py(), error))?;
        Self::new(name, words, clock)
    }

    #[staticmethod]
    fn sliding_window(
        name: String,
        limit: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (places, length) = (
            config::integer("limit", limit)?,
            config::span("window", window)?,
        );
        if places > Words::LARGEST_LOG {
            let message = format!(
                "limit is {places}; allowed: 1 to {}, for more use a TokenBucketRateLimiter",
                Words::LARGEST_LOG
            );
            return Err(errors::config(limit.py(), "limit", message));
        }
        let words = Words::sliding_log(places, length)
            .map_err(|error| errors::from_core(limit.py(), error))?;
        Self::new(name, words, clock)
    }

    #[staticmethod]
    fn sliding_counter(
        name: String,
        limit: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let words = Words::sliding_counter(
            config::integer("limit", limit)?,
            config::span("window", window)?,
        )
        .map_err(|error| errors::from_core(limit.py(), error))?;
        Self::new(name, words, clock)
    }

    #[staticmethod]
    fn fixed_window(
        name: String,
        limit: &Bound<'_, PyAny>,
        window: &Bound<'_, PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let words = Words::fixed_window(
            config::integer("limit", limit)?,
            config::span("window", window)?,
        )
        .map_err(|error| errors::from_core(limit.py(), error))?;
        Self::new(name, words, clock)
    }

    #[pyo3(signature = (cost = None))]
    fn try_acquire(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Ok(self.ask(py, cost)?.is_ok())
    }

    #[pyo3(signature = (cost = None))]
    fn admit(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.ask(py, cost)?.map_err(|no| self.refusal(py, no))
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.enter(py)
    }

    #[staticmethod]
    fn returned(_held: &Bound<'_, PyAny>, _result: &Bound<'_, PyAny>) {}

    #[staticmethod]
    fn raised(_held: &Bound<'_, PyAny>, _exception: &Bound<'_, PyAny>) {}

    fn reserve(
        slf: &Bound<'_, Self>,
        cost: &Bound<'_, PyAny>,
        max_wait: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Reservation> {
        let (limiter, py) = (slf.get(), slf.py());
        let cost = config::integer("cost", cost)?;
        let max_wait = max_wait.map_or(Ok(Nanos::MAX), |value| config::span("max_wait", value))?;
        match limiter.words.reserve(cost, max_wait, limiter.now(py)?) {
            Ok(reservation) => Ok(Reservation::new(slf, reservation)),
            Err(no) => Err(limiter.refusal(py, no)),
        }
    }

    fn lease(
        slf: &Bound<'_, Self>,
        batch: &Bound<'_, PyAny>,
        lifetime: &Bound<'_, PyAny>,
    ) -> PyResult<TokenLease> {
        TokenLease::new(slf, batch, lifetime)
    }

    fn acquire_up_to(&self, py: Python<'_>, max: &Bound<'_, PyAny>) -> PyResult<u64> {
        let max = config::integer("max", max)?;
        Ok(self.words.acquire_up_to(max, self.now(py)?))
    }

    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        self.words.drain(self.now(py)?);
        Ok(())
    }

    fn refund(&self, py: Python<'_>, cost: &Bound<'_, PyAny>) -> PyResult<()> {
        let now = self.now(py)?;
        self.words.refund(config::integer("cost", cost)?, now);
        Ok(())
    }

    fn available(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.words.available(self.now(py)?))
    }

    fn configure(
        &self,
        rate: &Bound<'_, PyAny>,
        per: &Bound<'_, PyAny>,
        units: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (quota, units) = quota(rate, per, (self.words.units_field(), units))?;
        self.words
            .set_quota(quota, units)
            .map_err(|error| errors::from_core(rate.py(), error))
    }

    fn set_limit(&self, limit: &Bound<'_, PyAny>) -> PyResult<()> {
        self.words
            .set_limit(config::integer("limit", limit)?)
            .map_err(|error| errors::from_core(limit.py(), error))
    }

    fn reset(&self) {
        self.words.reset();
    }

    /// As part of a guarded function's.
    fn __repr__(&self) -> String {
        format!("a rate limiter {:?}", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}
