//! Telling Python's listeners of a state change, on the thread that caused it.

use crate::calling;
use crate::errors;
use fuseboard_core::{Observer, Transition};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The callables to tell, and the function that makes their argument.
pub(crate) struct Listeners {
    pub(crate) event: Py<PyAny>,
    pub(crate) callables: Vec<Py<PyAny>>,
    heard: Mutex<Vec<Hearer>>,
}

/// What hears of changes without Python; false when it is to be forgotten.
type Hearer = Box<dyn Fn(&Transition) -> bool + Send + Sync>;

impl Listeners {
    pub(crate) fn new(event: Py<PyAny>, callables: Vec<Py<PyAny>>) -> Self {
        Self {
            event,
            callables,
            heard: Mutex::default(),
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn hear(&self, hearer: Hearer) {
        self.hearers().push(hearer);
    }

    fn hearers(&self) -> MutexGuard<'_, Vec<Hearer>> {
        // What it guards is whole at any time.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event)?;
        self.callables
            .iter()
            .try_for_each(|callable| visit.call(callable))
    }
}

/// Listeners for the length of one operation of the core.
pub(crate) struct Telling<'a, 'py> {
    py: Python<'py>,
    name: &'a str,
    listeners: &'a Listeners,
    /// A request to stop that arrived while a listener ran.
    stop: Cell<Option<PyErr>>,
}

impl<'a, 'py> Telling<'a, 'py> {
    pub(crate) fn new(py: Python<'py>, name: &'a str, listeners: &'a Listeners) -> Self {
        Self {
            py,
            name,
            listeners,
            stop: Cell::new(None),
        }
    }

    /// Ends the operation: `value`, unless the program was asked to stop meanwhile.
    #[inline]
    pub(crate) fn end<T>(self, value: T) -> PyResult<T> {
        self.stop.into_inner().map_or(Ok(value), Err)
    }
}

/// A change as `fuseboard._events.transition` takes it.
pub(crate) type Fields = (
    String,
    &'static str,
    &'static str,
    u32,
    u64,
    &'static str,
    (u64, u64, u64),
);

pub(crate) fn fields(name: &str, transition: &Transition) -> Fields {
    let counts = transition.counts;
    (
        name.to_owned(),
        transition.from.as_str(),
        transition.to.as_str(),
        transition.generation,
        transition.at.get(),
        transition.cause.as_str(),
        (counts.calls, counts.failures, counts.slow),
    )
}

impl Listeners {
    fn tell(&self, py: Python<'_>, name: &str, transition: &Transition) -> PyResult<()> {
        let event = self.event.bind(py);
        let argument = fields(name, transition)
            .into_pyobject(py)
            .and_then(|fields| calling::call(event, &fields, None));
        let argument = match argument {
            Ok(argument) => argument,
            Err(error) => return errors::contain(py, error, event),
        };
        for callable in &self.callables {
            let callable = callable.bind(py);
            if let Err(error) = calling::call1(callable, &argument) {
                errors::contain(py, error, callable)?;
            }
        }
        Ok(())
    }
}

impl Observer for Telling<'_, '_> {
    fn transition(&self, transition: &Transition) {
        self.listeners.hearers().retain(|hears| hears(transition));
        if self.listeners.callables.is_empty() {
            return;
        }
        if let Err(stop) = self.listeners.tell(self.py, self.name, transition) {
            self.stop.set(Some(stop));
        }
    }
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
thread_local! {
    /// A request to stop that arrived while a listener of a board's breaker ran.
    static STOP: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Tells of a board's breaker, whose listeners are the adapter's.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
pub(crate) fn tell_of_board(listeners: &Listeners, name: &str, transition: &Transition) {
    Python::attach(|py| {
        if let Err(stop) = listeners.tell(py, name, transition) {
            STOP.set(Some(stop));
        }
    });
}

/// The request to stop that a listener met since this thread asked last.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[inline]
pub(crate) fn stop_of_this_thread() -> PyResult<()> {
    STOP.take().map_or(Ok(()), Err)
}
