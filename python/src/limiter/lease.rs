//! [`TokenLease`]: units of a bucket in the hand of one thread.

use super::{RateLimiter, cost};
use crate::config;
use fuseboard_core::{Rejected, TokenBucketRateLimiter};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Words = fuseboard_core::TokenLease<'static>;

/// Units of a bucket, taken some at a time. Several threads may use one, one after the other.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct TokenLease {
    words: Mutex<Words>,
    limiter: Py<RateLimiter>,
}

impl TokenLease {
    pub(super) fn new(
        limiter: &Bound<'_, RateLimiter>,
        batch: &Bound<'_, PyAny>,
        lifetime: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let batch = config::integer("batch", batch)?;
        let lifetime = config::span("lifetime", lifetime)?;
        let Some(bucket) = limiter.get().words.own_bucket() else {
            return Err(PyTypeError::new_err(
                "a lease is of a token bucket of this process, not of one on a board",
            ));
        };
        let bucket: *const TokenBucketRateLimiter = bucket;
        // SAFETY: the bucket has a box of its own in an object that is frozen, never cleared, and kept alive by `limiter`
        // for as long as the lease; nothing of the lease is given out.
        let bucket: &'static TokenBucketRateLimiter = unsafe { &*bucket };
        Ok(Self {
            words: Mutex::new(bucket.lease(batch, lifetime)),
            limiter: limiter.clone().unbind(),
        })
    }

    /// Its holder calls nothing of Python's, so nobody waits for it long.
    fn words(&self) -> MutexGuard<'_, Words> {
        // What it guards is whole at any time.
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(
        &self,
        py: Python<'_>,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Result<(), Rejected>> {
        let cost = cost(given)?;
        let now = self.limiter.get().now(py)?;
        Ok(self.words().try_acquire_many(cost, now))
    }
}

#[pymethods]
impl TokenLease {
    /// True when the request is admitted, from the lease as far as it has units.
    #[pyo3(signature = (cost = None))]
    fn try_acquire(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Ok(self.ask(py, cost)?.is_ok())
    }

    /// The same by an exception, which says when to come back.
    #[pyo3(signature = (cost = None))]
    fn admit(&self, py: Python<'_>, cost: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.ask(py, cost)?
            .map_err(|no| crate::gate::Gate::refusal(self.limiter.get(), py, no))
    }

    /// Units taken and not yet spent.
    #[getter]
    fn left(&self) -> u64 {
        self.words().left()
    }

    /// Gives back what is left, less what has flowed in again since it was taken.
    fn give_back(&self, py: Python<'_>) -> PyResult<()> {
        let now = self.limiter.get().now(py)?;
        self.words().give_back(now);
        Ok(())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        self.give_back(py)?;
        Ok(false)
    }

    fn __repr__(&self) -> String {
        format!("<TokenLease {} left>", self.left())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.limiter)
    }
}

impl Drop for TokenLease {
    fn drop(&mut self) {
        let limiter = self.limiter.get();
        // A clock of the caller's is not asked by an object that goes: then what is left counts as spent.
        if self.left() == 0 || limiter.time.is_callable() {
            return;
        }
        Python::try_attach(|py| {
            if let Ok(now) = limiter.now(py) {
                self.words().give_back(now);
            }
        });
    }
}
