//! The members of Python's `CircuitState`, looked up once: by value, Python's enums take most of a microsecond.

use fuseboard_core::State;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static MEMBERS: PyOnceLock<Vec<Py<PyAny>>> = PyOnceLock::new();

/// The member that `state` is.
pub(crate) fn member(py: Python<'_>, state: State) -> PyResult<Py<PyAny>> {
    let members = MEMBERS.get_or_try_init(py, || -> PyResult<_> {
        let class = py.import("fuseboard._events")?.getattr("CircuitState")?;
        let all = State::ALL.iter();
        all.map(|state| Ok(class.call1((state.as_str(),))?.unbind()))
            .collect::<PyResult<Vec<_>>>()
    })?;
    let place = State::ALL.iter().position(|known| *known == state);
    Ok(members[place.unwrap_or_default()].clone_ref(py))
}
