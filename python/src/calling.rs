//! Calling Python from Rust.
//!
//! Before `CPython` 3.14 a thread that asks for the lock of an interpreter that is going down is ended by `pthread_exit`, which unwinds its
//! stack: a daemon thread may be anywhere in a guarded call then. Rust's frames cannot be unwound like that, and the process would
//! abort. So the thread stops for ever at the first of them, as it does in `CPython` 3.14.

use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::hint::black_box;
use std::mem::transmute;
use std::ptr;

/// Dropped, which only such an end of the thread does, it keeps the thread where it is.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

type Vectorcall = unsafe extern "C" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;
type UnwindingVectorcall = unsafe extern "C-unwind" fn(
    *mut PyObject,
    *const *mut PyObject,
    usize,
    *mut PyObject,
) -> *mut PyObject;
type Call = unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
type UnwindingCall =
    unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

/// `PyObject_Vectorcall`.
///
/// # Safety
/// As of that, attached.
#[inline]
pub(crate) unsafe fn vectorcall(
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    let declared: Vectorcall = ffi::PyObject_Vectorcall;
    // SAFETY: the same function, of which is said that it may unwind. Through a pointer that the compiler cannot look through, or
    // it would go by the declaration.
    let call = unsafe { transmute::<Vectorcall, UnwindingVectorcall>(black_box(declared)) };
    let stay = Stay;
    // SAFETY: the caller's promise.
    let result = unsafe { call(callable, arguments, count, names) };
    std::mem::forget(stay);
    result
}

/// `callable(argument)`.
pub(crate) fn call1<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached, and both are alive; one positional argument.
    unsafe {
        let arguments = [argument.as_ptr()];
        let result = vectorcall(callable.as_ptr(), arguments.as_ptr(), 1, ptr::null_mut());
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// `callable()`.
pub(crate) fn call0<'py>(callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached, and it is alive; no argument.
    unsafe {
        let result = vectorcall(callable.as_ptr(), ptr::null(), 0, ptr::null_mut());
        Bound::from_owned_ptr_or_err(callable.py(), result)
    }
}

/// `callable(*arguments, **names)`.
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
    names: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let declared: Call = ffi::PyObject_Call;
    // SAFETY: as in `vectorcall`.
    let call = unsafe { transmute::<Call, UnwindingCall>(black_box(declared)) };
    let names = names.map_or(ptr::null_mut(), Bound::as_ptr);
    let stay = Stay;
    // SAFETY: attached, and all are alive.
    let result = unsafe { call(callable.as_ptr(), arguments.as_ptr(), names) };
    std::mem::forget(stay);
    // SAFETY: what such a call gives: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}
