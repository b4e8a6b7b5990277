//! The exception classes are Python's (`fuseboard/_errors.py`); here they are found and raised.

use fuseboard_core::{ConfigError, Reason, Rejected};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

const MODULE: &str = "fuseboard._errors";

static CIRCUIT_OPEN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static RATE_LIMITED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static CONCURRENCY_LIMIT: PyOnceLock<Py<PyType>> = PyOnceLock::new();
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
static BOARD: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static THROTTLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static CONFIG: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The exception for a request that was not admitted.
pub(crate) fn rejected(py: Python<'_>, name: &str, rejected: Rejected) -> PyErr {
    let (class, attribute) = match rejected.reason {
        Reason::Open | Reason::HalfOpenFull | Reason::ForcedOpen | Reason::Ramping => {
            (&CIRCUIT_OPEN, "CircuitOpenError")
        }
        Reason::Limited | Reason::Never => (&RATE_LIMITED, "RateLimitedError"),
        Reason::Full => (&CONCURRENCY_LIMIT, "ConcurrencyLimitError"),
    };
    of_class(py, class, attribute, name, rejected)
}

/// The same by a client throttle, whose reason a rate limiter has too.
pub(crate) fn throttled(py: Python<'_>, name: &str, rejected: Rejected) -> PyErr {
    of_class(py, &THROTTLED, "ThrottledError", name, rejected)
}

fn of_class(
    py: Python<'_>,
    class: &PyOnceLock<Py<PyType>>,
    attribute: &str,
    name: &str,
    rejected: Rejected,
) -> PyErr {
    match class.import(py, MODULE, attribute) {
        Ok(class) => PyErr::from_type(
            class.clone(),
            (
                name.to_owned(),
                rejected.reason.as_str(),
                rejected.retry_after.map(seconds),
                rejected.retry_after.map(fuseboard_core::Nanos::get),
            ),
        ),
        Err(error) => error,
    }
}

/// The exception for a value that a setting can never have.
pub(crate) fn config(py: Python<'_>, field: &str, message: String) -> PyErr {
    match CONFIG.import(py, MODULE, "ConfigError") {
        Ok(class) => PyErr::from_type(class.clone(), (field.to_owned(), message)),
        Err(error) => error,
    }
}

/// The exception for a board, or a name on it, that cannot be used.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
pub(crate) fn board(py: Python<'_>, message: String) -> PyErr {
    match BOARD.import(py, MODULE, "BoardError") {
        Ok(class) => PyErr::from_type(class.clone(), (message,)),
        Err(error) => error,
    }
}

/// The same for one that the core refused.
pub(crate) fn from_core(py: Python<'_>, error: ConfigError) -> PyErr {
    config(py, error.field(), error.to_string())
}

/// `field must be WANTED, not TYPE`.
pub(crate) fn wrong_type(field: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("{field} must be {wanted}, not {name}")),
        Err(error) => error,
    }
}

/// A span as Python counts it.
pub(crate) fn seconds(span: fuseboard_core::Nanos) -> f64 {
    span.get() as f64 / 1e9
}

/// What a user's callback raised goes to `sys.unraisablehook`; a request to stop (`KeyboardInterrupt`,
/// `SystemExit`, a cancellation) is no fault of the callback and goes on to the caller.
pub(crate) fn contain(py: Python<'_>, error: PyErr, culprit: &Bound<'_, PyAny>) -> PyResult<()> {
    if error.is_instance_of::<PyException>(py) {
        error.write_unraisable(py, Some(culprit));
        Ok(())
    } else {
        Err(error)
    }
}
