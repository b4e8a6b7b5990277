//! [`Breaker`]: the core's circuit breaker with a name, a clock and Python's callbacks.

mod place;

pub(crate) use place::{Place, Verb};

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors::{self, seconds};
use crate::gate::Gate;
use crate::latency::Latency;
use crate::listeners::{Listeners, Telling};
use crate::permit::Permit;
use crate::states;
use fuseboard_core::{CircuitBreaker, Nanos, RawPermit, Rejected, State};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, OnceLock};

/// Every size that the core allows: 63 slots of a time window, 1512 calls of a count window.
const SLOTS: usize = 63;

/// The core's circuit breaker.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Breaker {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) time: TimeSource,
    pub(crate) classify: Py<PyAny>,
    pub(crate) is_failure: Option<Py<PyAny>>,
    pub(crate) listeners: Arc<Listeners>,
}

type Counts = (u64, u64, u64);
type Totals = (u64, u64, u64, u64, u64);
type SnapshotFields = (Py<PyAny>, u32, u32, u64, Option<f64>, u64, Counts, Totals);

impl Breaker {
    /// The time for this operation. A closed breaker that measures no durations is content with
    /// the coarse clock; once it is open, "again in 0.1 s" must hold to the nanosecond.
    #[inline]
    pub(crate) fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        if !self.place.needs_time() {
            return Ok(Nanos::ZERO);
        }
        let coarse = self.place.state() == State::Closed && !self.place.times_calls();
        let precision = if coarse {
            Precision::Coarse
        } else {
            Precision::Fine
        };
        self.time.now(py, precision)
    }

    #[inline]
    pub(crate) fn telling<'a, 'py>(&'a self, py: Python<'py>) -> Telling<'a, 'py> {
        Telling::new(py, &self.name, &self.listeners)
    }

    /// Asks for admission.
    #[inline]
    pub(crate) fn ask(&self, py: Python<'_>) -> PyResult<Result<RawPermit, Rejected>> {
        // A caller's own clock is heard at each admission, its faults too.
        if !self.time.is_callable()
            && let Some(raw) = self.place.acquire_at_once()
        {
            return Ok(Ok(raw));
        }
        let now = self.now(py)?;
        self.place.acquire(now, self.telling(py))
    }

    fn begun(held: &Bound<'_, PyAny>) -> PyResult<Option<RawPermit>> {
        let head = held.extract()?;
        Ok(RawPermit::from_words([head, Nanos::MAX.get()]))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn operate(&self, py: Python<'_>, verb: Verb) -> PyResult<()> {
        let now = self.time.now(py, Precision::Fine)?;
        self.place.operate(verb, now, self.telling(py))
    }
}

#[pymethods]
impl Breaker {
    #[new]
    #[expect(
        clippy::too_many_arguments,
        reason = "Python's constructor has named ones"
    )]
    fn new(
        name: String,
        settings: &Bound<'_, PyDict>,
        classify: Py<PyAny>,
        is_failure: Option<Py<PyAny>>,
        listeners: Vec<Py<PyAny>>,
        event: Py<PyAny>,
        clock: Option<Bound<'_, PyAny>>,
        saved: Option<(Bound<'_, PyBytes>, Bound<'_, PyAny>)>,
    ) -> PyResult<Self> {
        let py = settings.py();
        let time = TimeSource::new(clock)?;
        let mut words = CircuitBreaker::try_new(config::core(&config::breaker(settings)?))
            .map_err(|error| errors::from_core(py, error))?;
        if let Some((saved, away)) = saved {
            let (now, away) = (time.now(py, Precision::Fine)?, config::span("away", &away)?);
            words
                .restore(saved.as_bytes(), now, away)
                .map_err(|error| errors::config(py, "saved", format!("saved: {error}")))?;
        }
        Ok(Self {
            place: Place::Own(Box::new(words), OnceLock::new()),
            name,
            time,
            classify,
            is_failure,
            listeners: Arc::new(Listeners::new(event, listeners)),
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Permit> {
        Ok(Permit::new(slf, slf.get().enter(slf.py())?))
    }

    fn try_acquire(slf: &Bound<'_, Self>) -> PyResult<Option<Permit>> {
        let answer = slf.get().ask(slf.py())?;
        Ok(answer.ok().map(|raw| Permit::new(slf, raw)))
    }

    /// For coroutines and generators: what `returned` or `raised` is to be given when the call ends. A call of a plainly closed breaker is
    /// an int, which costs a third of a permit; it holds no probe's place, so nothing is lost with it.
    fn start<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let raw = slf.get().enter(py)?;
        if raw.started() == Nanos::MAX && !raw.is_probe() {
            let [head, _] = raw.to_words();
            Ok(head.into_pyobject(py)?.into_any())
        } else {
            Ok(Bound::new(py, Permit::new(slf, raw))?.into_any())
        }
    }

    /// The call that `start` began returned.
    fn returned(&self, held: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        match held.cast::<Permit>() {
            Ok(permit) => permit.get().returned(result),
            Err(_) => Self::begun(held)?.map_or(Ok(false), |raw| self.settle_returned(raw, result)),
        }
    }

    /// The call that `start` began raised.
    fn raised(&self, held: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        match held.cast::<Permit>() {
            Ok(permit) => permit.get().raised(exception),
            Err(_) => {
                Self::begun(held)?.map_or(Ok(false), |raw| self.settle_raised(raw, exception))
            }
        }
    }

    fn state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        states::member(py, self.place.state())
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let answer = self.place.check(self.now(py)?);
        answer.map_err(|no| self.refusal(py, no))
    }

    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match self.place.save(self.time.now(py, Precision::Fine)?) {
            Some(saved) => Ok(PyBytes::new(py, &saved)),
            None => Err(PyTypeError::new_err(
                "a breaker on a board cannot be saved: the board keeps it for the next process",
            )),
        }
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<SnapshotFields> {
        let seen = self.place.snapshot(self.time.now(py, Precision::Fine)?);
        let (window, totals) = (seen.window, seen.totals);
        Ok((
            states::member(py, seen.state)?,
            seen.generation,
            seen.in_flight,
            seen.since.get(),
            seen.retry_after.map(seconds),
            seen.overdue,
            (window.calls, window.failures, window.slow),
            (
                totals.calls,
                totals.failures,
                totals.slow,
                totals.rejected,
                totals.ignored,
            ),
        ))
    }

    fn latency(&self) -> Option<Latency> {
        self.place.latency().map(Latency)
    }

    #[pyo3(signature = (duration = None))]
    fn force_open(&self, py: Python<'_>, duration: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let duration = duration
            .map(|span| config::span("duration", span))
            .transpose()?;
        self.operate(py, Verb::ForceOpen { duration })
    }

    fn disable(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, Verb::Disable)
    }

    fn metrics_only(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, Verb::MetricsOnly)
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, Verb::Reset)
    }

    fn configure(&self, settings: &Bound<'_, PyDict>) -> PyResult<()> {
        self.place
            .configure(config::breaker(settings)?)
            .map_err(|error| errors::from_core(settings.py(), error))
    }

    /// As part of a guarded function's.
    fn __repr__(&self) -> String {
        format!("CircuitBreaker {:?}", self.name)
    }

    // No `__clear__`: a cycle through a breaker always passes a Python object that has one.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)?;
        visit.call(&self.classify)?;
        visit.call(&self.is_failure)?;
        self.listeners.traverse(&visit)
    }
}
