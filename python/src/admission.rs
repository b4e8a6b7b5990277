//! [`Admission`]: several policies that admit a call all together or not at all.

mod part;

pub(crate) use part::{Held, Kept, Part};

use crate::gate::{Gate, forgotten};
use fuseboard_core::Rejected;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, PoisonError};

/// Policies that are asked in this order; where one refuses, the others are as if never asked.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Admission {
    parts: Vec<Part>,
}

impl Admission {
    /// Tells all, the last asked first. A request to stop waits until everybody knows.
    fn tell(&self, held: Vec<Held>, tell: impl Fn(&Part, Held) -> PyResult<()>) -> PyResult<()> {
        let mut told = Ok(());
        for (part, held) in self.parts.iter().zip(held).rev() {
            told = told.and(tell(part, held));
        }
        told
    }
}

impl Gate for Admission {
    type Held = Vec<Held>;
    /// Whose refusal, by its place, and what it says.
    type Refused = (usize, Rejected);

    #[inline]
    fn request(&self, py: Python<'_>) -> PyResult<Result<Vec<Held>, (usize, Rejected)>> {
        let mut held = Vec::with_capacity(self.parts.len());
        for (place, part) in self.parts.iter().enumerate() {
            match part.request(py) {
                Ok(Ok(given)) => held.push(given),
                Ok(Err(no)) => {
                    self.undo(py, held)?;
                    return Ok(Err((place, no)));
                }
                Err(fault) => {
                    self.undo(py, held)?;
                    return Err(fault);
                }
            }
        }
        Ok(Ok(held))
    }

    fn refusal(&self, py: Python<'_>, (place, no): (usize, Rejected)) -> PyErr {
        self.parts[place].refusal(py, no)
    }

    fn returned(&self, held: Vec<Held>, result: &Bound<'_, PyAny>) -> PyResult<()> {
        self.tell(held, |part, held| part.returned(held, result))
    }

    fn raised(&self, held: Vec<Held>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.tell(held, |part, held| part.raised(held, exception))
    }

    fn undo(&self, py: Python<'_>, held: Vec<Held>) -> PyResult<()> {
        self.tell(held, |part, held| part.undo(py, held))
    }
}

#[pymethods]
impl Admission {
    #[new]
    fn new(policies: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let parts = policies.iter().map(|policy| {
            Part::of(&policy).ok_or_else(|| {
                let kind = policy.get_type();
                PyTypeError::new_err(format!("a policy must be a native one, not {kind}"))
            })
        });
        Ok(Self {
            parts: parts.collect::<PyResult<_>>()?,
        })
    }

    fn start(slf: &Bound<'_, Self>) -> PyResult<AdmissionPermit> {
        Ok(AdmissionPermit {
            held: Mutex::new(slf.get().enter(slf.py())?),
            admission: slf.clone().unbind(),
        })
    }

    fn returned(&self, held: &AdmissionPermit, result: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::returned(self, held.take(), result)
    }

    fn raised(&self, held: &AdmissionPermit, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::raised(self, held.take(), exception)
    }

    /// As part of a guarded function's.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut shown = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            shown.push(part.object().bind(py).repr()?.to_string());
        }
        Ok(shown.join(", "))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.parts
            .iter()
            .try_for_each(|part| visit.call(part.object()))
    }
}

/// What all have given to a coroutine or generator. Forgotten, it is undone.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct AdmissionPermit {
    admission: Py<Admission>,
    held: Mutex<Vec<Held>>,
}

impl AdmissionPermit {
    fn take(&self) -> Vec<Held> {
        // It is whole at any time, whoever panicked meanwhile.
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        let held = self.take();
        if held.is_empty() {
            return;
        }
        forgotten(self.admission.get(), held);
    }
}
