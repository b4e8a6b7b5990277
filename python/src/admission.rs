//! [`Admission`]: several policies that admit a call all together or not at all.

use crate::adaptive::Adaptive;
use crate::breaker::Breaker;
use crate::concurrency::Concurrency;
use crate::gate::Gate;
use crate::limiter::RateLimiter;
use fuseboard_core::{Nanos, RawPermit};
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

enum Part {
    Breaker(Py<Breaker>),
    Limiter(Py<RateLimiter>),
    Concurrency(Py<Concurrency>),
    Adaptive(Py<Adaptive>),
}

/// What one of them has given.
pub(crate) enum Held {
    Breaker(RawPermit),
    Adaptive(Nanos),
    /// Which of them all is no matter.
    Unit,
}

impl Part {
    fn enter(&self, py: Python<'_>) -> PyResult<Held> {
        Ok(match self {
            Self::Breaker(breaker) => Held::Breaker(breaker.get().enter(py)?),
            Self::Limiter(limiter) => {
                Gate::enter(limiter.get(), py)?;
                Held::Unit
            }
            Self::Concurrency(limit) => {
                Gate::enter(limit.get(), py)?;
                Held::Unit
            }
            Self::Adaptive(limit) => Held::Adaptive(limit.get().enter(py)?),
        })
    }

    fn returned(&self, held: Held, result: &Bound<'_, PyAny>) -> PyResult<()> {
        match (self, held) {
            (Self::Breaker(breaker), Held::Breaker(raw)) => {
                Gate::returned(breaker.get(), raw, result)
            }
            (Self::Adaptive(limit), Held::Adaptive(started)) => {
                Gate::returned(limit.get(), started, result)
            }
            (Self::Limiter(limiter), _) => Gate::returned(limiter.get(), (), result),
            (Self::Concurrency(limit), _) => Gate::returned(limit.get(), (), result),
            _ => Ok(()),
        }
    }

    fn raised(&self, held: Held, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        match (self, held) {
            (Self::Breaker(breaker), Held::Breaker(raw)) => {
                Gate::raised(breaker.get(), raw, exception)
            }
            (Self::Adaptive(limit), Held::Adaptive(started)) => {
                Gate::raised(limit.get(), started, exception)
            }
            (Self::Limiter(limiter), _) => Gate::raised(limiter.get(), (), exception),
            (Self::Concurrency(limit), _) => Gate::raised(limit.get(), (), exception),
            _ => Ok(()),
        }
    }

    fn undo(&self, py: Python<'_>, held: Held) -> PyResult<()> {
        match (self, held) {
            (Self::Breaker(breaker), Held::Breaker(raw)) => breaker.get().undo(py, raw),
            (Self::Adaptive(limit), Held::Adaptive(started)) => limit.get().undo(py, started),
            (Self::Limiter(limiter), _) => limiter.get().undo(py, ()),
            (Self::Concurrency(limit), _) => limit.get().undo(py, ()),
            _ => Ok(()),
        }
    }
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

    fn enter(&self, py: Python<'_>) -> PyResult<Vec<Held>> {
        let mut held = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match part.enter(py) {
                Ok(given) => held.push(given),
                Err(refused) => {
                    self.undo(py, held)?;
                    return Err(refused);
                }
            }
        }
        Ok(held)
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
            if let Ok(breaker) = policy.cast::<Breaker>() {
                Ok(Part::Breaker(breaker.clone().unbind()))
            } else if let Ok(limiter) = policy.cast::<RateLimiter>() {
                Ok(Part::Limiter(limiter.clone().unbind()))
            } else if let Ok(limit) = policy.cast::<Concurrency>() {
                Ok(Part::Concurrency(limit.clone().unbind()))
            } else if let Ok(limit) = policy.cast::<Adaptive>() {
                Ok(Part::Adaptive(limit.clone().unbind()))
            } else {
                let kind = policy.get_type();
                Err(PyTypeError::new_err(format!(
                    "a policy must be a native one, not {kind}"
                )))
            }
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
            let part = match part {
                Part::Breaker(breaker) => breaker.bind(py).repr()?,
                Part::Limiter(limiter) => limiter.bind(py).repr()?,
                Part::Concurrency(limit) => limit.bind(py).repr()?,
                Part::Adaptive(limit) => limit.bind(py).repr()?,
            };
            shown.push(part.to_string());
        }
        Ok(shown.join(", "))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.parts.iter().try_for_each(|part| match part {
            Part::Breaker(breaker) => visit.call(breaker),
            Part::Limiter(limiter) => visit.call(limiter),
            Part::Concurrency(limit) => visit.call(limit),
            Part::Adaptive(limit) => visit.call(limit),
        })
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
        // Where the interpreter is going down, nobody is left to be told.
        Python::try_attach(|py| {
            let in_flight = PyErr::take(py);
            if let Err(stop) = self.admission.get().undo(py, held) {
                stop.write_unraisable(py, None);
            }
            if let Some(exception) = in_flight {
                exception.restore(py);
            }
        });
    }
}
