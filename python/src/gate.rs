//! [`Gate`]: what every policy that admits calls can do, and a call's way through it.

use crate::calling;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A policy that decides whether a call is made, and is told how it ended.
pub(crate) trait Gate {
    /// What an admitted call holds until it has ended.
    type Held;

    /// What it says to a call that is not to be made.
    type Refused;

    /// Asks for admission. An error is a fault, not a refusal.
    fn request(&self, py: Python<'_>) -> PyResult<Result<Self::Held, Self::Refused>>;

    /// The exception that the caller gets instead of the call.
    fn refusal(&self, py: Python<'_>, refused: Self::Refused) -> PyErr;

    /// Asks for admission. An error is what the caller is to get instead of the call.
    #[inline]
    fn enter(&self, py: Python<'_>) -> PyResult<Self::Held> {
        self.request(py)?
            .map_err(|refused| self.refusal(py, refused))
    }

    /// The call returned. An error is a request to stop, which a listener met.
    fn returned(&self, held: Self::Held, result: &Bound<'_, PyAny>) -> PyResult<()>;

    /// The call raised. An error is as above.
    fn raised(&self, held: Self::Held, exception: &Bound<'_, PyAny>) -> PyResult<()>;

    /// The call was not made after all.
    fn undo(&self, py: Python<'_>, held: Self::Held) -> PyResult<()>;
}

/// Asks, calls, tells how it ended.
#[inline]
pub(crate) fn pass<'py, G: Gate>(
    gate: &G,
    py: Python<'py>,
    call: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let in_flight = InFlight {
        gate,
        held: Some(gate.enter(py)?),
        py,
    };
    match call() {
        Ok(result) => {
            if let Some(held) = in_flight.end() {
                gate.returned(held, &result)?;
            }
            Ok(result)
        }
        Err(error) => {
            if let Some(held) = in_flight.end() {
                gate.raised(held, error.value(py))?;
            }
            Err(error)
        }
    }
}

/// What an object held that nobody settled is undone while it goes.
pub(crate) fn forgotten<G: Gate>(gate: &G, held: G::Held) {
    // Where the interpreter is going down, nobody is left to be told.
    Python::try_attach(|py| {
        let in_flight = PyErr::take(py);
        if let Err(stop) = gate.undo(py, held) {
            stop.write_unraisable(py, None);
        }
        if let Some(exception) = in_flight {
            exception.restore(py);
        }
    });
}

/// A call that was admitted. Dropped, which only a panic does, it is undone.
struct InFlight<'a, 'py, G: Gate> {
    gate: &'a G,
    held: Option<G::Held>,
    py: Python<'py>,
}

impl<G: Gate> InFlight<'_, '_, G> {
    #[inline]
    fn end(mut self) -> Option<G::Held> {
        self.held.take()
    }
}

impl<G: Gate> Drop for InFlight<'_, '_, G> {
    #[inline]
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && let Err(stop) = self.gate.undo(self.py, held)
        {
            stop.write_unraisable(self.py, None);
        }
    }
}

/// The same `$operation` on a native policy of whichever class `$gate` is of; another object is a `TypeError`.
macro_rules! of_any_class {
    ($gate:expr, $found:ident: $class:ident => $operation:expr) => {{
        let gate: &Bound<'_, PyAny> = $gate;
        $crate::gate::of_class!(
            [
                $crate::breaker::Breaker,
                $crate::limiter::RateLimiter,
                $crate::concurrency::Concurrency,
                $crate::adaptive::Adaptive,
                $crate::admission::Admission,
                $crate::shedding::PrioritizedLimit,
                $crate::throttle::Throttle,
                $crate::shadow::Shadow
            ],
            gate, $found: $class => $operation, _ => {
                let kind = gate.get_type();
                Err(pyo3::exceptions::PyTypeError::new_err(format!(
                    "gate must be a native policy, not {kind}"
                )))
            }
        )
    }};
}

/// The first of the classes that an object is of.
macro_rules! of_class {
    ([$class_of:path $(, $others:path)*], $object:expr, $found:ident: $class:ident => $operation:expr, _ => $other:expr) => {
        if let Ok($found) = $object.cast::<$class_of>() {
            type $class = $class_of;
            $operation
        } else {
            $crate::gate::of_class!([$($others),*], $object, $found: $class => $operation, _ => $other)
        }
    };
    ([], $object:expr, $found:ident: $class:ident => $operation:expr, _ => $other:expr) => {
        $other
    };
}
pub(crate) use {of_any_class, of_class};

/// One call of `function` through `gate`.
#[pyfunction]
pub(crate) fn call<'py>(
    gate: &Bound<'py, PyAny>,
    function: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
    names: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let names = (!names.is_empty()).then_some(names);
    of_any_class!(gate, found: Class => {
        let gate: &Class = found.get();
        pass(gate, function.py(), || calling::call(function, arguments, names))
    })
}
