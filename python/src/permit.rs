//! [`Permit`]: the right to make one call, settled exactly once.

use crate::breaker::Breaker;
use crate::config;
use fuseboard_core::{Outcome, RawPermit};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// The right to make one call, settled exactly once: each way of settling returns true when it
/// changed something. One that is never settled is cancelled.
//
// Not tracked by the garbage collector, which would double its cost: it refers to its breaker only,
// and nothing of a breaker refers to it.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct Permit {
    breaker: Py<Breaker>,
    raw: RawPermit,
    settled: AtomicBool,
}

impl Permit {
    #[inline]
    pub(crate) fn new(breaker: &Bound<'_, Breaker>, raw: RawPermit) -> Self {
        Self {
            breaker: breaker.clone().unbind(),
            raw,
            settled: AtomicBool::new(false),
        }
    }

    /// True for the one who may settle it.
    #[inline]
    fn take(&self) -> bool {
        // Relaxed: the swap alone decides who settles; nothing is handed over with it.
        !self.settled.swap(true, Ordering::Relaxed)
    }

    #[inline]
    fn settle(&self, py: Python<'_>, outcome: Outcome, weight: u32) -> PyResult<bool> {
        if self.take() {
            self.breaker.get().settle(py, self.raw, outcome, weight)
        } else {
            Ok(false)
        }
    }
}

#[pymethods]
impl Permit {
    /// The call succeeded. True when that changed something.
    fn success(&self, py: Python<'_>) -> PyResult<bool> {
        self.settle(py, Outcome::Success, 1)
    }

    /// The call failed; it counts as `weight` failed calls, by default one.
    #[pyo3(signature = (*, weight = None))]
    fn failure(&self, py: Python<'_>, weight: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let weight = weight.map_or(Ok(1), |weight| config::integer("weight", weight))?;
        self.settle(py, Outcome::Failure, weight)
    }

    /// The call ended and counts as nothing.
    fn ignore(&self, py: Python<'_>) -> PyResult<bool> {
        self.settle(py, Outcome::Ignored, 1)
    }

    /// The call did not take place, or was stopped.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        if self.take() {
            self.breaker.get().cancel(py, self.raw)
        } else {
            Ok(false)
        }
    }

    /// The call returned `result`; the breaker's `is_failure` judges it.
    #[pyo3(signature = (result, /))]
    pub(crate) fn returned(&self, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.take() {
            self.breaker.get().settle_returned(self.raw, result)
        } else {
            Ok(false)
        }
    }

    /// The call raised; the breaker's `failures` and `ignore` judge the exception.
    #[pyo3(signature = (exception, /))]
    pub(crate) fn raised(&self, exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.take() {
            self.breaker.get().settle_raised(self.raw, exception)
        } else {
            Ok(false)
        }
    }

    fn __repr__(&self) -> String {
        // Relaxed: for display.
        let state = if self.settled.load(Ordering::Relaxed) {
            "settled"
        } else {
            "in flight"
        };
        format!("<Permit of {:?}, {state}>", self.breaker.get().name)
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
            self.raised(exception)?
        };
        Ok(false)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if *self.settled.get_mut() {
            return;
        }
        let attached = Python::try_attach(|py| {
            // The last reference may go while an exception is on its way up; a listener must
            // neither see nor lose it.
            let in_flight = PyErr::take(py);
            if let Err(stop) = self.breaker.get().cancel(py, self.raw) {
                stop.write_unraisable(py, None);
            }
            if let Some(exception) = in_flight {
                exception.restore(py);
            }
        });
        if attached.is_none() {
            // The interpreter is going down: nobody is left to be told.
            self.breaker.get().place.forget(self.raw);
        }
    }
}
