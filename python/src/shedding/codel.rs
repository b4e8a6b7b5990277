//! [`CoDel`]: the core's queue management on a clock.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use fuseboard_core::Nanos;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

type Words = fuseboard_core::CoDel;

/// Controlled delay for a queue of the caller's: entries that waited too long for too long are shed.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct CoDel {
    // Boxed: the core may align it more strictly than Python allocates objects.
    words: Box<Words>,
    time: TimeSource,
}

impl CoDel {
    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        self.time.now(py, Precision::Fine)
    }
}

fn spans(
    target: Option<&Bound<'_, PyAny>>,
    interval: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Nanos, Nanos)> {
    Ok((
        target.map_or(Ok(Words::TARGET), |span| config::span("target", span))?,
        interval.map_or(Ok(Words::INTERVAL), |span| config::span("interval", span))?,
    ))
}

#[pymethods]
impl CoDel {
    #[new]
    #[pyo3(signature = (target = None, interval = None, *, clock = None))]
    fn new(
        py: Python<'_>,
        target: Option<&Bound<'_, PyAny>>,
        interval: Option<&Bound<'_, PyAny>>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (target, interval) = spans(target, interval)?;
        let words =
            Words::try_new(target, interval).map_err(|error| errors::from_core(py, error))?;
        Ok(Self {
            words: Box::new(words),
            time: TimeSource::new(clock)?,
        })
    }

    /// When an entry that is put in now was put in, in nanoseconds.
    fn stamp(&self, py: Python<'_>) -> PyResult<u64> {
        self.now(py).map(Nanos::get)
    }

    /// Whether an entry that was put in at `enqueued` and is taken out now is to be served.
    fn is_served(&self, enqueued: &Bound<'_, PyAny>) -> PyResult<bool> {
        let put_in = config::integer("enqueued", enqueued)?;
        let now = self.now(enqueued.py())?;
        Ok(self.words.is_served(Nanos::new(put_in), now))
    }

    /// Whether it sheds at the moment.
    #[getter]
    fn is_shedding(&self) -> bool {
        self.words.is_shedding()
    }

    /// Changes both; what was shedding begins again.
    fn configure(&self, target: &Bound<'_, PyAny>, interval: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, (target, interval)) = (target.py(), spans(Some(target), Some(interval))?);
        self.words
            .configure(target, interval)
            .map_err(|error| errors::from_core(py, error))
    }

    fn __repr__(&self) -> &'static str {
        if self.words.is_shedding() {
            "<CoDel shedding>"
        } else {
            "<CoDel serving>"
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}
