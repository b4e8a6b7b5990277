//! Giving some work up so that the rest is done in time: [`LoadShedding`] by priority, [`CoDel`] by the time in a queue.

mod codel;

pub(crate) use codel::CoDel;

use crate::adaptive::{Adaptive, AdaptivePermit};
use crate::concurrency::{Concurrency, ConcurrencyPermit};
use crate::config;
use crate::errors;
use crate::gate::Gate;
use fuseboard_core::{Nanos, PriorityShedding, Rejected};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// Whose places they are.
enum Limit {
    Fixed(Py<Concurrency>),
    Adaptive(Py<Adaptive>),
}

impl Limit {
    fn share(&self, py: Python<'_>) -> Self {
        match self {
            Self::Fixed(limit) => Self::Fixed(limit.clone_ref(py)),
            Self::Adaptive(limit) => Self::Adaptive(limit.clone_ref(py)),
        }
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Fixed(limit) => visit.call(limit),
            Self::Adaptive(limit) => visit.call(limit),
        }
    }
}

/// A limit's places, the last of which are kept for the calls that matter most.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct LoadShedding {
    limit: Limit,
    shedding: PriorityShedding,
}

/// As any integer setting, up to 255.
fn priority(given: &Bound<'_, PyAny>) -> PyResult<u8> {
    let value: u32 = config::integer("priority", given)?;
    u8::try_from(value).map_err(|_| {
        let message = format!("priority is {value}; allowed: 0 to 255, the most important");
        errors::config(given.py(), "priority", message)
    })
}

#[pymethods]
impl LoadShedding {
    #[new]
    fn new(limit: &Bound<'_, PyAny>, sheds_from: &Bound<'_, PyAny>) -> PyResult<Self> {
        let share = config::decimal("sheds_from", sheds_from)?;
        let shedding = PriorityShedding::try_new(share)
            .map_err(|error| errors::from_core(limit.py(), error))?;
        let limit = if let Ok(limit) = limit.cast::<Concurrency>() {
            if limit.get().own().is_none() {
                return Err(PyTypeError::new_err(
                    "limit must be a ConcurrencyLimit of this process, not one of a board, which knows no priorities",
                ));
            }
            Limit::Fixed(limit.clone().unbind())
        } else {
            Limit::Adaptive(limit.cast::<Adaptive>()?.clone().unbind())
        };
        Ok(Self { limit, shedding })
    }

    /// The limit as calls of one priority see it.
    fn at(&self, given: &Bound<'_, PyAny>) -> PyResult<PrioritizedLimit> {
        Ok(PrioritizedLimit {
            limit: self.limit.share(given.py()),
            shedding: self.shedding,
            priority: priority(given)?,
        })
    }

    fn acquire<'py>(&self, given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, priority) = (given.py(), priority(given)?);
        match &self.limit {
            Limit::Fixed(limit) => {
                let taken = limit.get().take_prioritized(self.shedding, priority);
                taken.map_err(|no| Gate::refusal(limit.get(), py, no))?;
                let permit = ConcurrencyPermit::of_taken(limit.bind(py));
                Ok(Bound::new(py, permit)?.into_any())
            }
            Limit::Adaptive(limit) => {
                let taken = limit.get().take_prioritized(py, self.shedding, priority)?;
                let started = taken.map_err(|no| Gate::refusal(limit.get(), py, no))?;
                let permit = AdaptivePermit::of_taken(limit.bind(py), started);
                Ok(Bound::new(py, permit)?.into_any())
            }
        }
    }

    fn places(&self, given: &Bound<'_, PyAny>) -> PyResult<u32> {
        let limit = match &self.limit {
            Limit::Fixed(limit) => limit.get().limit(),
            Limit::Adaptive(limit) => limit.get().limit(),
        };
        Ok(self.shedding.places(limit, priority(given)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.limit.traverse(&visit)
    }
}

/// A limit as calls of one priority see it.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct PrioritizedLimit {
    limit: Limit,
    shedding: PriorityShedding,
    priority: u8,
}

impl Gate for PrioritizedLimit {
    /// When the call began, where that matters.
    type Held = Nanos;
    type Refused = Rejected;

    fn request(&self, py: Python<'_>) -> PyResult<Result<Nanos, Rejected>> {
        match &self.limit {
            Limit::Fixed(limit) => {
                let taken = limit.get().take_prioritized(self.shedding, self.priority);
                Ok(taken.map(|()| Nanos::ZERO))
            }
            Limit::Adaptive(limit) => {
                limit
                    .get()
                    .take_prioritized(py, self.shedding, self.priority)
            }
        }
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        match &self.limit {
            Limit::Fixed(limit) => Gate::refusal(limit.get(), py, no),
            Limit::Adaptive(limit) => Gate::refusal(limit.get(), py, no),
        }
    }

    fn returned(&self, started: Nanos, result: &Bound<'_, PyAny>) -> PyResult<()> {
        match &self.limit {
            Limit::Fixed(limit) => Gate::returned(limit.get(), (), result),
            Limit::Adaptive(limit) => Gate::returned(limit.get(), started, result),
        }
    }

    fn raised(&self, started: Nanos, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        match &self.limit {
            Limit::Fixed(limit) => Gate::raised(limit.get(), (), exception),
            Limit::Adaptive(limit) => Gate::raised(limit.get(), started, exception),
        }
    }

    fn undo(&self, py: Python<'_>, started: Nanos) -> PyResult<()> {
        match &self.limit {
            Limit::Fixed(limit) => limit.get().undo(py, ()),
            Limit::Adaptive(limit) => limit.get().undo(py, started),
        }
    }
}

#[pymethods]
impl PrioritizedLimit {
    fn start<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        let started = this.enter(py)?;
        match &this.limit {
            Limit::Fixed(limit) => {
                Ok(Bound::new(py, ConcurrencyPermit::of_taken(limit.bind(py)))?.into_any())
            }
            Limit::Adaptive(limit) => {
                let permit = AdaptivePermit::of_taken(limit.bind(py), started);
                Ok(Bound::new(py, permit)?.into_any())
            }
        }
    }

    #[staticmethod]
    fn returned(held: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<bool> {
        match held.cast::<ConcurrencyPermit>() {
            Ok(permit) => Ok(permit.get().release()),
            Err(_) => Adaptive::returned(held.cast::<AdaptivePermit>()?.get(), held.py(), result),
        }
    }

    #[staticmethod]
    fn raised(held: &Bound<'_, PyAny>, exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        match held.cast::<ConcurrencyPermit>() {
            Ok(permit) => Ok(permit.get().release()),
            Err(_) => Adaptive::raised(held.cast::<AdaptivePermit>()?.get(), exception),
        }
    }

    /// As part of a guarded function's.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let limit = match &self.limit {
            Limit::Fixed(limit) => limit.bind(py).repr()?,
            Limit::Adaptive(limit) => limit.bind(py).repr()?,
        };
        Ok(format!("{limit} at priority {}", self.priority))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.limit.traverse(&visit)
    }
}
