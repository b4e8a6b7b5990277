//! [`Shadow`]: a policy that is asked and told as ever, and whose refusals are only counted.

use crate::admission::{Held, Kept, Part};
use crate::errors;
use crate::gate::{Gate, forgotten};
use fuseboard_core::{Reason, Rejected};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Mutex, PoisonError};

/// Lets every call pass, and counts those that its policy would have rejected.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Shadow {
    policy: Part,
    // Boxed: the core may align it more strictly than Python allocates objects.
    words: Box<fuseboard_core::Shadow>,
}

impl Gate for Shadow {
    /// What the policy has given; nothing where it would have rejected the call, of whose end it is not told.
    type Held = Option<Held>;
    type Refused = Rejected;

    fn request(&self, py: Python<'_>) -> PyResult<Result<Option<Held>, Rejected>> {
        Ok(Ok(self.words.admit(self.policy.request(py)?)))
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        self.policy.refusal(py, no)
    }

    fn returned(&self, held: Option<Held>, result: &Bound<'_, PyAny>) -> PyResult<()> {
        held.map_or(Ok(()), |held| self.policy.returned(held, result))
    }

    fn raised(&self, held: Option<Held>, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        held.map_or(Ok(()), |held| self.policy.raised(held, exception))
    }

    fn undo(&self, py: Python<'_>, held: Option<Held>) -> PyResult<()> {
        held.map_or(Ok(()), |held| self.policy.undo(py, held))
    }
}

impl Kept for Option<Held> {
    #[inline]
    fn pack(self) -> Held {
        self.unwrap_or(Held::Nothing)
    }

    #[inline]
    fn unpack(held: Held) -> Option<Self> {
        Some(match held {
            Held::Nothing => None,
            held => Some(held),
        })
    }
}

#[pymethods]
impl Shadow {
    #[new]
    fn new(policy: &Bound<'_, PyAny>) -> PyResult<Self> {
        let Some(policy) = Part::of(policy) else {
            let kind = policy.get_type();
            return Err(PyTypeError::new_err(format!(
                "a policy must be a native one, not {kind}"
            )));
        };
        Ok(Self {
            policy,
            words: Box::default(),
        })
    }

    fn start(slf: &Bound<'_, Self>) -> PyResult<ShadowPermit> {
        let given = slf.get().enter(slf.py())?;
        Ok(ShadowPermit {
            held: Mutex::new(given),
            shadow: slf.clone().unbind(),
        })
    }

    fn returned(&self, held: &ShadowPermit, result: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::returned(self, held.take(), result)
    }

    fn raised(&self, held: &ShadowPermit, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        Gate::raised(self, held.take(), exception)
    }

    fn would_reject(&self, py: Python<'_>, reason: &str) -> PyResult<u64> {
        let all = Reason::ALL;
        let found = all.into_iter().find(|known| known.as_str() == reason);
        let found = found.ok_or_else(|| {
            let known = all.map(Reason::as_str).join(", ");
            errors::config(
                py,
                "reason",
                format!("reason is {reason:?}; allowed: {known}"),
            )
        })?;
        Ok(self.words.would_reject(found))
    }

    /// As part of a guarded function's.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "Shadow of {}",
            self.policy.object().bind(py).repr()?
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.policy.object())
    }
}

/// What the policy has given to a coroutine or generator. Forgotten, it is undone.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct ShadowPermit {
    shadow: Py<Shadow>,
    held: Mutex<Option<Held>>,
}

impl ShadowPermit {
    fn take(&self) -> Option<Held> {
        // It is whole at any time, whoever panicked meanwhile.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.take()
    }
}

impl Drop for ShadowPermit {
    fn drop(&mut self) {
        if let Some(held) = self.take() {
            forgotten(self.shadow.get(), Some(held));
        }
    }
}
