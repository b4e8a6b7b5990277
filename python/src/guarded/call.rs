//! The way of a call: ask, call, tell how it ended.

use super::object::{Guarded, contained};
use crate::breaker::Breaker;
use crate::concurrency::Concurrency;
use crate::limiter::RateLimiter;
use fuseboard_core::RawPermit;
use pyo3::PyClass;
use pyo3::ffi::{self, PyObject};
use pyo3::prelude::*;

/// Calls `callable`'s function through its breaker.
pub(super) unsafe extern "C" fn through_breaker(
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: vectorcall calls this attached, for live instances of the class that were made for a breaker.
    let (py, breaker) = unsafe { policy::<Breaker>(callable) };
    contained(py, || {
        let breaker = breaker.get();
        let in_flight = match breaker.ask(py)? {
            Ok(raw) => InFlight { breaker, raw, py },
            Err(no) => return Err(breaker.refusal(py, no)),
        };
        // SAFETY: the arguments are the caller's.
        match unsafe { call(py, callable, arguments, count, names) } {
            Ok(result) => {
                breaker.settle_returned(in_flight.end(), &result)?;
                Ok(result)
            }
            Err(error) => {
                breaker.settle_raised(in_flight.end(), error.value(py))?;
                Err(error)
            }
        }
    })
}

/// A call that was admitted. Dropped, which only a panic does, it is cancelled.
struct InFlight<'a, 'py> {
    breaker: &'a Breaker,
    raw: RawPermit,
    py: Python<'py>,
}

impl InFlight<'_, '_> {
    #[inline]
    fn end(self) -> RawPermit {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }
}

impl Drop for InFlight<'_, '_> {
    fn drop(&mut self) {
        if let Err(stop) = self.breaker.cancel(self.py, self.raw) {
            stop.write_unraisable(self.py, None);
        }
    }
}

/// Calls `callable`'s function once its limiter admits it.
pub(super) unsafe extern "C" fn through_limiter(
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `through_breaker`.
    let (py, limiter) = unsafe { policy::<RateLimiter>(callable) };
    contained(py, || {
        limiter.get().admit_call(py)?;
        // SAFETY: the arguments are the caller's.
        unsafe { call(py, callable, arguments, count, names) }
    })
}

/// Calls `callable`'s function while it holds a place of its limit.
pub(super) unsafe extern "C" fn through_concurrency(
    callable: *mut PyObject,
    arguments: *const *mut PyObject,
    count: usize,
    names: *mut PyObject,
) -> *mut PyObject {
    // SAFETY: as in `through_breaker`.
    let (py, limit) = unsafe { policy::<Concurrency>(callable) };
    contained(py, || {
        let limit = limit.get();
        limit.enter(py)?;
        let _place = Place(limit);
        // SAFETY: the arguments are the caller's.
        unsafe { call(py, callable, arguments, count, names) }
    })
}

/// A place of a limit, given back when the call is over, in whichever way.
struct Place<'a>(&'a Concurrency);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
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
        let result = ffi::PyObject_Vectorcall(function, arguments, count, names);
        Bound::from_owned_ptr_or_err(py, result)
    }
}
