//! [`Concurrency`]: the core's concurrency limit, and the permit that gives its place back.

use crate::config;
use crate::errors;
use crate::gate::Gate;
use fuseboard_core::{ConcurrencyLimit, ConfigError, PriorityShedding, Rejected};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The core's concurrency limit.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct Concurrency {
    place: Place,
    name: String,
}

/// Where the words are.
enum Place {
    /// In this process. Boxed: the core may align them more strictly than Python allocates objects.
    Own(Box<ConcurrencyLimit>),
    /// In a named slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board {
        limit: fuseboard::ConcurrencyLimit,
        /// Of those who entered and will leave, without a permit in their hands. Which of a process's places is given back is all
        /// the same, but a forked child has its own on top of those that it inherited.
        entered: Mutex<Vec<fuseboard::ConcurrencyPermit>>,
    },
}

impl Concurrency {
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(crate) fn on_board(name: String, limit: fuseboard::ConcurrencyLimit) -> Self {
        Self {
            place: Place::Board {
                limit,
                entered: Mutex::default(),
            },
            name,
        }
    }

    fn take(&self) -> Result<Held, Rejected> {
        Ok(match &self.place {
            Place::Own(words) => {
                words.acquire_raw()?;
                Held::Own(AtomicBool::new(true))
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { limit, .. } => Held::Board(Mutex::new(Some(limit.try_acquire()?))),
        })
    }

    /// The words, unless they are on a board.
    pub(crate) fn own(&self) -> Option<&ConcurrencyLimit> {
        match &self.place {
            Place::Own(words) => Some(words),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { .. } => None,
        }
    }

    /// A place for a call of this priority; of a limit on a board, any place.
    pub(crate) fn take_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
    ) -> Result<(), Rejected> {
        self.own().map_or_else(
            || self.take_unseen(),
            |words| words.acquire_raw_prioritized(shedding, priority),
        )
    }

    fn take_unseen(&self) -> Result<(), Rejected> {
        match &self.place {
            Place::Own(words) => words.acquire_raw(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { limit, entered } => {
                let permit = limit.try_acquire()?;
                unpoisoned(entered).push(permit);
                Ok(())
            }
        }
    }
}

impl Gate for Concurrency {
    type Held = ();
    type Refused = Rejected;

    fn request(&self, _py: Python<'_>) -> PyResult<Result<(), Rejected>> {
        Ok(self.take_unseen())
    }

    fn refusal(&self, py: Python<'_>, no: Rejected) -> PyErr {
        errors::rejected(py, &self.name, no)
    }

    fn returned(&self, (): (), _result: &Bound<'_, PyAny>) -> PyResult<()> {
        self.leave();
        Ok(())
    }

    fn raised(&self, (): (), _exception: &Bound<'_, PyAny>) -> PyResult<()> {
        self.leave();
        Ok(())
    }

    fn undo(&self, _py: Python<'_>, (): ()) -> PyResult<()> {
        self.leave();
        Ok(())
    }
}

// What these locks guard is whole at any time.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Concurrency {
    #[new]
    fn new(name: String, limit: &Bound<'_, PyAny>) -> PyResult<Self> {
        let words = ConcurrencyLimit::try_new(config::integer("limit", limit)?)
            .map_err(|error| errors::from_core(limit.py(), error))?;
        Ok(Self {
            place: Place::Own(Box::new(words)),
            name,
        })
    }

    fn acquire(slf: &Bound<'_, Self>) -> PyResult<ConcurrencyPermit> {
        match slf.get().take() {
            Ok(held) => Ok(ConcurrencyPermit::new(slf, held)),
            Err(no) => Err(errors::rejected(slf.py(), &slf.get().name, no)),
        }
    }

    fn try_acquire(slf: &Bound<'_, Self>) -> Option<ConcurrencyPermit> {
        let taken = slf.get().take().ok();
        taken.map(|held| ConcurrencyPermit::new(slf, held))
    }

    fn start(slf: &Bound<'_, Self>) -> PyResult<ConcurrencyPermit> {
        Self::acquire(slf)
    }

    #[staticmethod]
    fn returned(held: &ConcurrencyPermit, _result: &Bound<'_, PyAny>) -> bool {
        held.release()
    }

    #[staticmethod]
    fn raised(held: &ConcurrencyPermit, _exception: &Bound<'_, PyAny>) -> bool {
        held.release()
    }

    /// For `with limit:`, where the permit is not seen.
    #[pyo3(name = "enter")]
    fn enter_block(&self, py: Python<'_>) -> PyResult<()> {
        Gate::enter(self, py)
    }

    fn leave(&self) -> bool {
        match &self.place {
            Place::Own(words) => words.release_raw(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { entered, .. } => unpoisoned(entered).pop().is_some(),
        }
    }

    fn in_flight(&self) -> u32 {
        match &self.place {
            Place::Own(words) => words.in_flight(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { limit, .. } => limit.in_flight(),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        match &self.place {
            Place::Own(words) => words.limit(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { limit, .. } => limit.limit(),
        }
    }

    /// As part of a guarded function's.
    fn __repr__(&self) -> String {
        format!("ConcurrencyLimit {:?}", self.name)
    }

    fn configure(&self, limit: &Bound<'_, PyAny>) -> PyResult<()> {
        let places = config::integer("limit", limit)?;
        let configured: Result<(), ConfigError> = match &self.place {
            Place::Own(words) => words.set_limit(places),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board { limit, .. } => limit.set_limit(places),
        };
        configured.map_err(|error| errors::from_core(limit.py(), error))
    }
}

/// One place of a `ConcurrencyLimit`. One that is never released gives itself back.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct ConcurrencyPermit {
    limit: Py<Concurrency>,
    held: Held,
}

/// A place that was taken, until it is given back.
enum Held {
    Own(AtomicBool),
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(Mutex<Option<fuseboard::ConcurrencyPermit>>),
}

impl ConcurrencyPermit {
    fn new(limit: &Bound<'_, Concurrency>, held: Held) -> Self {
        Self {
            limit: limit.clone().unbind(),
            held,
        }
    }

    /// Of a place that was taken from a limit of this process.
    pub(crate) fn of_taken(limit: &Bound<'_, Concurrency>) -> Self {
        Self::new(limit, Held::Own(AtomicBool::new(true)))
    }
}

#[pymethods]
impl ConcurrencyPermit {
    /// Gives the place back; false when that was done before.
    pub(crate) fn release(&self) -> bool {
        match (&self.held, &self.limit.get().place) {
            // Relaxed: the swap alone decides who gives the place back.
            (Held::Own(held), Place::Own(words)) => {
                held.swap(false, Ordering::Relaxed) && words.release_raw()
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            (Held::Board(permit), _) => unpoisoned(permit).take().is_some(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            (Held::Own(_), Place::Board { .. }) => false,
        }
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
