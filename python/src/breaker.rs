//! [`Breaker`]: the core's circuit breaker with a name, a clock and Python's callbacks.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors::{self, seconds};
use crate::listeners::{Listeners, Telling};
use crate::permit::Permit;
use fuseboard_core::{CircuitBreaker, Nanos, Rejected, State};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

/// Every size that the core allows: 63 slots of a time window, 1512 calls of a count window.
const SLOTS: usize = 63;

/// The core's circuit breaker.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Breaker {
    // Boxed: its cache lines are aligned more strictly than Python allocates objects.
    pub(crate) core: Box<CircuitBreaker<SLOTS>>,
    name: String,
    pub(crate) time: TimeSource,
    pub(crate) classify: Py<PyAny>,
    pub(crate) is_failure: Option<Py<PyAny>>,
    listeners: Listeners,
}

type Counts = (u64, u64, u64);
type Totals = (u64, u64, u64, u64, u64);
type SnapshotFields = (
    &'static str,
    u32,
    u32,
    u64,
    Option<f64>,
    u64,
    Counts,
    Totals,
);

impl Breaker {
    /// The time for this operation. A closed breaker that measures no durations is content with
    /// the coarse clock; once it is open, "again in 0.1 s" must hold to the nanosecond.
    #[inline]
    pub(crate) fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        let precision = if self.core.state() == State::Closed && !self.core.measures_duration() {
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

    #[inline]
    fn admit(slf: &Bound<'_, Self>) -> PyResult<Result<Permit, Rejected>> {
        let breaker = slf.get();
        let now = breaker.now(slf.py())?;
        let telling = breaker.telling(slf.py());
        let admitted = breaker
            .core
            .acquire(now, &telling)
            .map(|raw| Permit::new(slf, raw));
        telling.end(admitted)
    }

    fn operate(
        &self,
        py: Python<'_>,
        operation: impl FnOnce(&CircuitBreaker<SLOTS>, Nanos, &Telling<'_, '_>),
    ) -> PyResult<()> {
        let now = self.time.now(py, Precision::Fine)?;
        let telling = self.telling(py);
        operation(&self.core, now, &telling);
        telling.end(())
    }
}

#[pymethods]
impl Breaker {
    #[new]
    fn new(
        name: String,
        settings: &Bound<'_, PyDict>,
        classify: Py<PyAny>,
        is_failure: Option<Py<PyAny>>,
        listeners: Vec<Py<PyAny>>,
        event: Py<PyAny>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let core = CircuitBreaker::try_new(config::breaker(settings)?)
            .map_err(|error| errors::from_core(settings.py(), error))?;
        Ok(Self {
            core: Box::new(core),
            name,
            time: TimeSource::new(clock)?,
            classify,
            is_failure,
            listeners: Listeners {
                event,
                callables: listeners,
            },
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Permit> {
        Self::admit(slf)?.map_err(|no| errors::rejected(slf.py(), &slf.get().name, no))
    }

    fn try_acquire(slf: &Bound<'_, Self>) -> PyResult<Option<Permit>> {
        Ok(Self::admit(slf)?.ok())
    }

    fn state(&self) -> &'static str {
        self.core.state().as_str()
    }

    fn snapshot(&self, py: Python<'_>) -> PyResult<SnapshotFields> {
        let seen = self.core.snapshot(self.time.now(py, Precision::Fine)?);
        let (window, totals) = (seen.window, seen.totals);
        Ok((
            seen.state.as_str(),
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

    fn force_open(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, |core, now, telling| core.force_open(now, telling))
    }

    fn disable(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, |core, now, telling| core.disable(now, telling))
    }

    fn metrics_only(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, |core, now, telling| core.metrics_only(now, telling))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.operate(py, |core, now, telling| core.reset(now, telling))
    }

    fn configure(&self, settings: &Bound<'_, PyDict>) -> PyResult<()> {
        self.core
            .configure(config::breaker(settings)?)
            .map_err(|error| errors::from_core(settings.py(), error))
    }

    // No `__clear__`: a cycle through a breaker always passes a Python object that has one.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)?;
        visit.call(&self.classify)?;
        visit.call(&self.is_failure)?;
        self.listeners.traverse(&visit)
    }
}
