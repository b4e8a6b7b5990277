//! [`guarded`]: a plain function behind a policy, called without a tuple, a frame or a permit object in between.
//!
//! `call.rs` is the way of a call; `object.rs` is the Python type around it.

mod call;
mod object;

use crate::breaker::Breaker;
use crate::concurrency::Concurrency;
use crate::limiter::RateLimiter;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

pub(crate) use object::class;

/// `function`, each call of which first asks `policy`: a native object with the call protocol of a function.
///
/// What makes it look like the function (`__name__`, `__wrapped__` and so on) is put into its `__dict__` by
/// `functools.update_wrapper`.
#[pyfunction]
pub(crate) fn guarded<'py>(
    function: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let through: ffi::vectorcallfunc = if policy.is_instance_of::<Breaker>() {
        call::through_breaker
    } else if policy.is_instance_of::<RateLimiter>() {
        call::through_limiter
    } else if policy.is_instance_of::<Concurrency>() {
        call::through_concurrency
    } else {
        let kind = policy.get_type();
        return Err(PyTypeError::new_err(format!(
            "policy must be a native one, not {kind}"
        )));
    };
    object::new(function, policy, through)
}
