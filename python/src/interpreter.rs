//! One interpreter: classes and members that were looked up once are of the interpreter that imported the module first.

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};

/// The interpreter that has the module; none yet.
static OWNER: AtomicI64 = AtomicI64::new(-1);

/// Refuses every interpreter of the process but the first that asks.
pub(crate) fn claim(_py: Python<'_>) -> PyResult<()> {
    // SAFETY: attached, so there is a current interpreter.
    let this = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    // Relaxed: the swap alone decides who has it; what is looked up afterwards is handed over by its own locks.
    match OWNER.compare_exchange(-1, this, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != this => Err(PyImportError::new_err(
            "fuseboard is in use by another interpreter of this process, and cannot serve two; \
             use processes or threads instead of subinterpreters",
        )),
        _ => Ok(()),
    }
}
