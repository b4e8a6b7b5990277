//! [`Breaker`]: the core's circuit breaker with a name, a clock and Python's callbacks.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors::{self, seconds};
use crate::listeners::{Listeners, Telling};
use crate::permit::Permit;
use fuseboard_core::{CircuitBreaker, Nanos, RawPermit, Rejected, State};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Whether an admission while closed depends on no time: no durations are measured, nothing ramps up.
    untimed: AtomicBool,
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

    /// Asks for admission.
    #[inline]
    pub(crate) fn ask(&self, py: Python<'_>) -> PyResult<Result<RawPermit, Rejected>> {
        // Relaxed: a call that meets a change of settings may go by either.
        if self.untimed.load(Ordering::Relaxed) && self.core.state() == State::Closed {
            return match self.core.acquire(Nanos::ZERO, &()) {
                Ok(raw) => {
                    // Not slow, however long it takes: nobody knows when it began.
                    let [head, _] = raw.to_words();
                    Ok(Ok(RawPermit::from_words([head, u64::MAX]).unwrap_or(raw)))
                }
                // It opened just now.
                Err(no) => self.dated(py, no).map(Err),
            };
        }
        let now = self.now(py)?;
        let telling = self.telling(py);
        let answer = self.core.acquire(now, &telling);
        match telling.end(answer) {
            Err(stop) => {
                // A listener was told to stop the program: the call is not made.
                if let Ok(raw) = answer {
                    self.cancel(py, raw)?;
                }
                Err(stop)
            }
            answer => answer,
        }
    }

    /// A refusal that was decided without a reading of the clock, with the time to come back.
    #[cold]
    fn dated(&self, py: Python<'_>, no: Rejected) -> PyResult<Rejected> {
        let now = self.time.now(py, Precision::Fine)?;
        let retry_after = self.core.snapshot(now).retry_after;
        Ok(Rejected { retry_after, ..no })
    }

    #[cold]
    pub(crate) fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::rejected(py, &self.name, no)
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
        let time = TimeSource::new(clock)?;
        let core = CircuitBreaker::try_new(config::breaker(settings)?)
            .map_err(|error| errors::from_core(settings.py(), error))?;
        let untimed = AtomicBool::new(is_untimed(&core, settings, &time)?);
        Ok(Self {
            core: Box::new(core),
            name,
            time,
            classify,
            is_failure,
            listeners: Listeners {
                event,
                callables: listeners,
            },
            untimed,
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Permit> {
        match slf.get().ask(slf.py())? {
            Ok(raw) => Ok(Permit::new(slf, raw)),
            Err(no) => Err(slf.get().refusal(slf.py(), no)),
        }
    }

    fn try_acquire(slf: &Bound<'_, Self>) -> PyResult<Option<Permit>> {
        let answer = slf.get().ask(slf.py())?;
        Ok(answer.ok().map(|raw| Permit::new(slf, raw)))
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

    #[pyo3(signature = (duration = None))]
    fn force_open(&self, py: Python<'_>, duration: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let duration = duration
            .map(|span| config::span("duration", span))
            .transpose()?;
        self.operate(py, |core, now, telling| match duration {
            None => core.force_open(now, telling),
            Some(span) => core.force_open_until(now.saturating_add(span), now, telling),
        })
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
            .map_err(|error| errors::from_core(settings.py(), error))?;
        let untimed = is_untimed(&self.core, settings, &self.time)?;
        // Relaxed: as in `ask`.
        self.untimed.store(untimed, Ordering::Relaxed);
        Ok(())
    }

    // No `__clear__`: a cycle through a breaker always passes a Python object that has one.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)?;
        visit.call(&self.classify)?;
        visit.call(&self.is_failure)?;
        self.listeners.traverse(&visit)
    }
}

fn is_untimed(
    core: &CircuitBreaker<SLOTS>,
    settings: &Bound<'_, PyDict>,
    time: &TimeSource,
) -> PyResult<bool> {
    // A caller's own clock is heard at each admission, its faults too.
    if matches!(time, TimeSource::Callable(_)) {
        return Ok(false);
    }
    let ramps_up = match settings.get_item("ramp_up")? {
        Some(span) => config::span("ramp_up", &span)? > Nanos::ZERO,
        None => false,
    };
    Ok(!core.measures_duration() && !ramps_up)
}
