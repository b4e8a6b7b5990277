//! How a call ended: from Python's results and exceptions to the core's outcomes.

use crate::breaker::Breaker;
use crate::calling;
use crate::errors;
use crate::gate::Gate;
use fuseboard_core::{Outcome, RawPermit, Rejected};
use pyo3::exceptions::{PyException, PyRecursionError};
use pyo3::prelude::*;

impl Gate for Breaker {
    type Held = RawPermit;
    type Refused = Rejected;

    #[inline]
    fn request(&self, py: Python<'_>) -> PyResult<Result<RawPermit, Rejected>> {
        self.ask(py)
    }

    #[cold]
    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::rejected(py, self.name(), no)
    }

    #[inline]
    fn returned(&self, raw: RawPermit, result: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle_returned(raw, result)?;
        Ok(())
    }

    fn raised(&self, raw: RawPermit, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settle_raised(raw, exception)?;
        Ok(())
    }

    fn undo(&self, py: Python<'_>, raw: RawPermit) -> PyResult<()> {
        self.cancel(py, raw)?;
        Ok(())
    }
}

impl Breaker {
    #[inline]
    pub(crate) fn settle(
        &self,
        py: Python<'_>,
        raw: RawPermit,
        outcome: Outcome,
        weight: u32,
    ) -> PyResult<bool> {
        let now = match self.now(py) {
            Ok(now) => now,
            // A call has ended and its own result must reach the caller, so a broken clock is
            // reported aside and the call counts as nothing.
            Err(error) => {
                let contained = errors::contain(py, error, &self.time.callable(py));
                let cancelled = self.cancel(py, raw);
                return contained.and(cancelled).map(|_| false);
            }
        };
        self.place
            .settle(raw, outcome, weight, now, self.telling(py))
    }

    pub(crate) fn cancel(&self, py: Python<'_>, raw: RawPermit) -> PyResult<bool> {
        self.place.cancel(raw, self.telling(py))
    }

    /// The call returned `result`; `is_failure` judges it.
    #[inline]
    pub(crate) fn settle_returned(
        &self,
        raw: RawPermit,
        result: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let Some(is_failure) = &self.is_failure else {
            return self.settle(result.py(), raw, Outcome::Success, 1);
        };
        let outcome = calling::call1(is_failure.bind(result.py()), result)
            .and_then(|failed| failed.is_truthy())
            .map(|failed| {
                if failed {
                    Outcome::Failure
                } else {
                    Outcome::Success
                }
            });
        self.settle_judged(result.py(), raw, outcome, is_failure)
    }

    /// The call raised; `failures` and `ignore` judge the exception.
    pub(crate) fn settle_raised(
        &self,
        raw: RawPermit,
        exception: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = exception.py();
        // KeyboardInterrupt, CancelledError, GeneratorExit: the call was stopped, it did not fail.
        if !exception.is_instance_of::<PyException>() {
            return self.cancel(py, raw);
        }
        let outcome = calling::call1(self.classify.bind(py), exception).and_then(|failed| {
            Ok(match failed.extract::<Option<bool>>()? {
                Some(true) => Outcome::Failure,
                Some(false) => Outcome::Success,
                None => Outcome::Ignored,
            })
        });
        self.settle_judged(py, raw, outcome, &self.classify)
    }

    fn settle_judged(
        &self,
        py: Python<'_>,
        raw: RawPermit,
        outcome: PyResult<Outcome>,
        judge: &Py<PyAny>,
    ) -> PyResult<bool> {
        match outcome {
            Ok(outcome) => self.settle(py, raw, outcome, 1),
            // The call ended for want of stack, and there is none left to judge or to report that.
            Err(error) if error.is_instance_of::<PyRecursionError>(py) => {
                self.settle(py, raw, Outcome::Ignored, 1)
            }
            Err(error) => {
                let contained = errors::contain(py, error, judge.bind(py));
                let ignored = self.settle(py, raw, Outcome::Ignored, 1);
                contained.and(ignored)
            }
        }
    }
}
