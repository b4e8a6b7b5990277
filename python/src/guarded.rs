//! [`guarded`]: a plain function behind a policy, called without a tuple, a frame or a permit object in between.
//!
//! `call.rs` is the way of a call; `object.rs` is the Python type around it.

mod call;
mod object;

use crate::gate::of_any_class;
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
    of_any_class!(policy, found: Class => object::new(function, found, call::through::<Class>))
}
