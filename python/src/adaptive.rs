//! [`Adaptive`]: the core's adaptive limit with a name and a clock, and the permit that gives its place back.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors::{self, seconds};
use crate::gate::Gate;
use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Nanos, Outcome, PriorityShedding, Rejected,
};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};

/// The core's adaptive limit.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Adaptive {
    // Boxed: the core may align it more strictly than Python allocates objects.
    words: Box<AdaptiveLimit>,
    name: String,
    time: TimeSource,
}

fn settings(algorithm: &str, given: &Bound<'_, PyDict>) -> PyResult<AdaptiveLimitConfig> {
    let known = Algorithm::ALL
        .into_iter()
        .find(|known| known.as_str() == algorithm);
    let Some(algorithm) = known else {
        let message =
            format!("algorithm is {algorithm:?}; allowed: \"aimd\", \"vegas\", \"gradient2\"");
        return Err(errors::config(given.py(), "algorithm", message));
    };
    let mut config = AdaptiveLimitConfig::new(algorithm);
    for (key, value) in given {
        let field: String = key.extract()?;
        let (field, value) = (field.as_str(), &value);
        config = match field {
            "initial_limit" => config.initial_limit(config::integer(field, value)?),
            "min_limit" => config.min_limit(config::integer(field, value)?),
            "max_limit" => config.max_limit(config::integer(field, value)?),
            "window" => config.window(config::span(field, value)?),
            "min_samples" => config.min_samples(config::integer(field, value)?),
            "latency_limit" => config.latency_limit(config::span(field, value)?),
            "backoff" => config.backoff(config::decimal(field, value)?),
            "tolerance" => config.tolerance(config::decimal(field, value)?),
            "smoothing" => config.smoothing(config::decimal(field, value)?),
            "baseline_windows" => config.baseline_windows(config::integer(field, value)?),
            unknown => {
                return Err(PyTypeError::new_err(format!(
                    "an adaptive limit has no setting {unknown:?}"
                )));
            }
        };
    }
    Ok(config)
}

impl Adaptive {
    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        self.time.now(py, Precision::Fine)
    }

    /// A place for a call of this priority.
    pub(crate) fn take_prioritized(
        &self,
        py: Python<'_>,
        shedding: PriorityShedding,
        priority: u8,
    ) -> PyResult<Result<Nanos, Rejected>> {
        let started = self.now(py)?;
        let taken = self.words.acquire_raw_prioritized(shedding, priority);
        Ok(taken.map(|()| started))
    }

    fn settle(&self, py: Python<'_>, started: Nanos, outcome: Outcome) -> PyResult<bool> {
        let (now, outcome) = match self.now(py) {
            Ok(now) => (now, outcome),
            // As of a breaker's permit: the call's own result goes first.
            Err(error) => {
                errors::contain(py, error, &self.time.callable(py))?;
                (started, Outcome::Ignored)
            }
        };
        Ok(self.words.release_raw(started, outcome, now))
    }
}

/// A call that was stopped says nothing.
fn outcome_of(exception: &Bound<'_, PyAny>) -> Outcome {
    if exception.is_instance_of::<PyException>() {
        Outcome::Failure
    } else {
        Outcome::Ignored
    }
}

impl Gate for Adaptive {
    /// When the call began.
    type Held = Nanos;
    type Refused = Rejected;

    fn request(&self, py: Python<'_>) -> PyResult<Result<Nanos, Rejected>> {
        let started = self.now(py)?;
        Ok(self.words.acquire_raw().map(|()| started))
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::rejected(py, &self.name, no)
    }

    fn returned(&self, started: Nanos, result: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(result.py(), started, Outcome::Success)?;
        Ok(())
    }

    fn raised(&self, started: Nanos, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle(exception.py(), started, outcome_of(exception))?;
        Ok(())
    }

    fn undo(&self, _py: Python<'_>, started: Nanos) -> PyResult<()> {
        self.words.release_raw(started, Outcome::Ignored, started);
        Ok(())
    }
}

#[pymethods]
impl Adaptive {
    #[new]
    fn new(
        name: String,
        algorithm: &str,
        given: &Bound<'_, PyDict>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let words = AdaptiveLimit::try_new(settings(algorithm, given)?)
            .map_err(|error| errors::from_core(given.py(), error))?;
        Ok(Self {
            words: Box::new(words),
            name,
            time: TimeSource::new(clock)?,
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<AdaptivePermit> {
        Ok(AdaptivePermit::of_taken(slf, slf.get().enter(slf.py())?))
    }

    fn start(slf: &Bound<'_, Self>) -> PyResult<AdaptivePermit> {
        Self::acquire(slf)
    }

    #[staticmethod]
    pub(crate) fn returned(
        held: &AdaptivePermit,
        py: Python<'_>,
        _result: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        held.settle(py, Outcome::Success)
    }

    #[staticmethod]
    pub(crate) fn raised(held: &AdaptivePermit, exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        held.settle(exception.py(), outcome_of(exception))
    }

    pub(crate) fn limit(&self) -> u32 {
        self.words.limit()
    }

    fn in_flight(&self) -> u32 {
        self.words.in_flight()
    }

    fn baseline(&self) -> Option<f64> {
        self.words.baseline().map(seconds)
    }

    fn configure(&self, algorithm: &str, given: &Bound<'_, PyDict>) -> PyResult<()> {
        self.words
            .configure(settings(algorithm, given)?)
            .map_err(|error| errors::from_core(given.py(), error))
    }

    /// As part of a guarded function's.
    fn __repr__(&self) -> String {
        format!("AdaptiveLimit {:?}", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}

/// One place of an `AdaptiveLimit`, settled exactly once. One that is never settled is ignored.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct AdaptivePermit {
    limit: Py<Adaptive>,
    started: Nanos,
    settled: AtomicBool,
}

impl AdaptivePermit {
    /// Of a place that was taken.
    pub(crate) fn of_taken(limit: &Bound<'_, Adaptive>, started: Nanos) -> Self {
        Self {
            limit: limit.clone().unbind(),
            started,
            settled: AtomicBool::new(false),
        }
    }

    fn settle(&self, py: Python<'_>, outcome: Outcome) -> PyResult<bool> {
        // Relaxed: the swap alone decides who settles.
        if self.settled.swap(true, Ordering::Relaxed) {
            return Ok(false);
        }
        self.limit.get().settle(py, self.started, outcome)
    }
}

#[pymethods]
impl AdaptivePermit {
    /// The call succeeded; how long it took is a sample.
    fn success(&self, py: Python<'_>) -> PyResult<bool> {
        self.settle(py, Outcome::Success)
    }

    /// The call was dropped by the callee, or timed out: the limit goes down.
    fn failure(&self, py: Python<'_>) -> PyResult<bool> {
        self.settle(py, Outcome::Failure)
    }

    /// The call says nothing about the callee's load.
    fn ignore(&self, py: Python<'_>) -> PyResult<bool> {
        self.settle(py, Outcome::Ignored)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if exception.is_none() {
            self.success(py)?
        } else {
            self.settle(py, outcome_of(exception))?
        };
        Ok(false)
    }
}

impl Drop for AdaptivePermit {
    fn drop(&mut self) {
        if !*self.settled.get_mut() {
            let words = &self.limit.get().words;
            words.release_raw(self.started, Outcome::Ignored, self.started);
        }
    }
}
