//! [`Gate`]: what every policy that admits calls can do, and a call's way through it.

use crate::calling;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// A policy that decides whether a call is made, and is told how it ended.
pub(crate) trait Gate {
    /// What an admitted call holds until it has ended.
    type Held;

    /// Asks for admission. An error is what the caller is to get instead of the call.
    fn enter(&self, py: Python<'_>) -> PyResult<Self::Held>;

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
        if let Ok($found) = gate.cast::<crate::breaker::Breaker>() {
            type $class = crate::breaker::Breaker;
            $operation
        } else if let Ok($found) = gate.cast::<crate::limiter::RateLimiter>() {
            type $class = crate::limiter::RateLimiter;
            $operation
        } else if let Ok($found) = gate.cast::<crate::concurrency::Concurrency>() {
            type $class = crate::concurrency::Concurrency;
            $operation
        } else if let Ok($found) = gate.cast::<crate::adaptive::Adaptive>() {
            type $class = crate::adaptive::Adaptive;
            $operation
        } else if let Ok($found) = gate.cast::<crate::admission::Admission>() {
            type $class = crate::admission::Admission;
            $operation
        } else {
            let kind = gate.get_type();
            Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "gate must be a native policy, not {kind}"
            )))
        }
    }};
}
pub(crate) use of_any_class;

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
