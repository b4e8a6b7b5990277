//! [`Concurrency`]: the core's concurrency limit, and the permit that gives its place back.

use crate::config;
use crate::errors;
use fuseboard_core::ConcurrencyLimit;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// The core's concurrency limit.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Concurrency {
    // Boxed: the core may align it more strictly than Python allocates objects.
    core: Box<ConcurrencyLimit>,
    name: String,
}

#[pymethods]
impl Concurrency {
    #[new]
    fn new(name: String, limit: &Bound<'_, PyAny>) -> PyResult<Self> {
        let core = ConcurrencyLimit::try_new(config::integer("limit", limit)?)
            .map_err(|error| errors::from_core(limit.py(), error))?;
        Ok(Self {
            core: Box::new(core),
            name,
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<ConcurrencyPermit> {
        let limit = slf.get();
        match limit.core.acquire_raw() {
            Ok(()) => Ok(ConcurrencyPermit::new(slf)),
            Err(no) => Err(errors::rejected(slf.py(), &limit.name, no)),
        }
    }

    fn try_acquire(slf: &Bound<'_, Self>) -> Option<ConcurrencyPermit> {
        slf.get()
            .core
            .acquire_raw()
            .is_ok()
            .then(|| ConcurrencyPermit::new(slf))
    }

    /// For `with limit:` and guarded calls, where the permit is not seen.
    pub(crate) fn enter(&self, py: Python<'_>) -> PyResult<()> {
        self.core
            .acquire_raw()
            .map_err(|no| errors::rejected(py, &self.name, no))
    }

    pub(crate) fn leave(&self) -> bool {
        self.core.release_raw()
    }

    fn in_flight(&self) -> u32 {
        self.core.in_flight()
    }

    fn limit(&self) -> u32 {
        self.core.limit()
    }

    fn configure(&self, limit: &Bound<'_, PyAny>) -> PyResult<()> {
        self.core
            .set_limit(config::integer("limit", limit)?)
            .map_err(|error| errors::from_core(limit.py(), error))
    }
}

/// One place of a `ConcurrencyLimit`. One that is never released gives itself back.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct ConcurrencyPermit {
    limit: Py<Concurrency>,
    released: AtomicBool,
}

impl ConcurrencyPermit {
    fn new(limit: &Bound<'_, Concurrency>) -> Self {
        Self {
            limit: limit.clone().unbind(),
            released: AtomicBool::new(false),
        }
    }
}

#[pymethods]
impl ConcurrencyPermit {
    /// Gives the place back; false when that was done before.
    fn release(&self) -> bool {
        // Relaxed: the swap alone decides who gives the place back.
        !self.released.swap(true, Ordering::Relaxed) && self.limit.get().core.release_raw()
    }

    #[pyo3(signature = (_result, /))]
    fn returned(&self, _result: &Bound<'_, PyAny>) -> bool {
        self.release()
    }

    #[pyo3(signature = (_exception, /))]
    fn raised(&self, _exception: &Bound<'_, PyAny>) -> bool {
        self.release()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> bool {
        self.release();
        false
    }
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.release();
    }
}
