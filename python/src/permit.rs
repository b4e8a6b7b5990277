//! [`Permit`]: the right to make one call, settled exactly once.

use crate::breaker::Breaker;
use crate::config;
use crate::errors;
use fuseboard_core::{Outcome, RawPermit, Settled};
use pyo3::exceptions::PyException;
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
        if !self.take() {
            return Ok(false);
        }
        let breaker = self.breaker.get();
        let now = match breaker.now(py) {
            Ok(now) => now,
            // A call has ended and its own result must reach the caller, so a broken clock is
            // reported aside and the call counts as nothing.
            Err(error) => {
                let contained = errors::contain(py, error, &breaker.time.callable(py));
                let cancelled = self.cancel_taken(py);
                return contained.and(cancelled).map(|_| false);
            }
        };
        let telling = breaker.telling(py);
        let settled = breaker
            .core
            .settle_weighted(self.raw, outcome, weight, now, &telling);
        telling.end(settled == Settled::Recorded)
    }

    fn cancel_taken(&self, py: Python<'_>) -> PyResult<bool> {
        let breaker = self.breaker.get();
        let telling = breaker.telling(py);
        let settled = breaker.core.cancel(self.raw, &telling);
        telling.end(settled == Settled::Recorded)
    }

    fn judge(
        &self,
        py: Python<'_>,
        outcome: PyResult<Outcome>,
        judge: &Py<PyAny>,
    ) -> PyResult<bool> {
        match outcome {
            Ok(outcome) => self.settle(py, outcome, 1),
            Err(error) => {
                let contained = errors::contain(py, error, judge.bind(py));
                let ignored = self.settle(py, Outcome::Ignored, 1);
                contained.and(ignored)
            }
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
            self.cancel_taken(py)
        } else {
            Ok(false)
        }
    }

    /// The call returned `result`; the breaker's `is_failure` judges it.
    #[pyo3(signature = (result, /))]
    fn returned(&self, py: Python<'_>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(is_failure) = &self.breaker.get().is_failure else {
            return self.settle(py, Outcome::Success, 1);
        };
        let outcome = is_failure
            .bind(py)
            .call1((result,))
            .and_then(|failed| failed.is_truthy())
            .map(|failed| {
                if failed {
                    Outcome::Failure
                } else {
                    Outcome::Success
                }
            });
        self.judge(py, outcome, is_failure)
    }

    /// The call raised; the breaker's `failures` and `ignore` judge the exception.
    #[pyo3(signature = (exception, /))]
    fn raised(&self, py: Python<'_>, exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        // KeyboardInterrupt, CancelledError, GeneratorExit: the call was stopped, it did not fail.
        if !exception.is_instance_of::<PyException>() {
            return self.cancel(py);
        }
        let classify = &self.breaker.get().classify;
        let outcome = classify.bind(py).call1((exception,)).and_then(|failed| {
            Ok(match failed.extract::<Option<bool>>()? {
                Some(true) => Outcome::Failure,
                Some(false) => Outcome::Success,
                None => Outcome::Ignored,
            })
        });
        self.judge(py, outcome, classify)
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
            self.raised(py, exception)?
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
            if let Err(stop) = self.cancel_taken(py) {
                stop.write_unraisable(py, None);
            }
            if let Some(exception) = in_flight {
                exception.restore(py);
            }
        });
        if attached.is_none() {
            // The interpreter is going down: nobody is left to be told.
            let _ = self.breaker.get().core.cancel(self.raw, &());
        }
    }
}
