//! The way of a call: ask, call, tell how it ended.

use super::object::{Guarded, contained};
use crate::calling;
use crate::gate::{Gate, pass};
use pyo3::PyClass;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

/// Calls `callable`'s function through its policy.
pub(super) unsafe extern "C" fn through<G>(
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject
where
    G: Gate + PyClass<Frozen = True> + Sync,
{
    // SAFETY: vectorcall calls this attached, for live instances of the class that were made for a policy of class `G`.
    let (py, gate) = unsafe { policy::<G>(callable) };
    contained(py, || {
        // SAFETY: the arguments are the caller's.
        pass(gate.get(), py, || unsafe {
            call(py, callable, arguments, count, names)
        })
    })
}

/// The policy that `callable` was made for.
///
/// # Safety
/// `callable` is a live instance of `Guarded`, made for a policy of class `P`, and outlives the answer; the thread is attached.
#[inline]
unsafe fn policy<'py, P: PyClass>(callable: *mut PyObject) -> (Python<'py>, Borrowed<'py, 'py, P>) {
    // SAFETY: the caller's promise; what can be called has not been cleared, so neither pointer is null.
    unsafe {
        let py = Python::assume_attached();
        let (_, policy) = Guarded::parts(callable);
        (py, Borrowed::from_ptr(py, policy).cast_unchecked())
    }
}

/// Calls `callable`'s function with the caller's arguments, untouched.
///
/// # Safety
/// As of the vectorcall protocol, for an instance of `Guarded`. The bit of `count` that allows to write before the first argument
/// is passed on with the same promise to put back what stood there.
#[inline]
unsafe fn call(
    py: Python<'_>,
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: the caller's promise is the callee's.
    unsafe {
        let (function, _) = Guarded::parts(callable);
        let result = calling::vectorcall(function, arguments, count, names);
        Bound::from_owned_ptr_or_err(py, result)
    }
}
