//! [`Window`]: the span of calls that a breaker judges, as a Python value.

use crate::config;
use crate::errors::seconds;
use pyo3::prelude::*;
use std::hash::{Hash, Hasher};

/// The span of calls that a breaker judges.
#[pyclass(frozen, eq, hash, module = "fuseboard")]
#[derive(PartialEq, Eq)]
pub(crate) struct Window(pub(crate) fuseboard_core::Window);

/// The arguments of `fuseboard._window.remade`.
type Remade = (&'static str, f64, u32);

impl Hash for Window {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // Equal windows print alike.
        self.__repr__().hash(hasher);
    }
}

#[pymethods]
impl Window {
    /// The last `length` in `slots` pieces, 1 to 63, by default 10. A call counts in the piece in
    /// which it ends, and is forgotten with it.
    #[staticmethod]
    #[pyo3(signature = (length, *, slots = None))]
    fn time(length: &Bound<'_, PyAny>, slots: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let length = config::span("window", length)?;
        let slots = slots.map_or(Ok(10), |slots| config::integer("window", slots))?;
        Ok(Self(fuseboard_core::Window::Time { length, slots }))
    }

    /// The last so many calls, exactly; 1 to 1512.
    #[staticmethod]
    fn count(calls: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(fuseboard_core::Window::Count(config::integer(
            "window", calls,
        )?)))
    }

    /// Trips after so many failures (or slow calls) in a row; the thresholds and
    /// `minimum_requests` do not apply.
    #[staticmethod]
    fn consecutive(failures: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(fuseboard_core::Window::Consecutive(config::integer(
            "window", failures,
        )?)))
    }

    /// All calls, an old one weighing half as much as one that is `half_life` younger.
    #[staticmethod]
    fn decay(half_life: &Bound<'_, PyAny>) -> PyResult<Self> {
        let half_life = config::span("window", half_life)?;
        Ok(Self(fuseboard_core::Window::Decay { half_life }))
    }

    /// A plain value: copied and pickled by what it was made with.
    fn __reduce__(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Remade)> {
        let made = match self.0 {
            fuseboard_core::Window::Time { length, slots } => ("time", seconds(length), slots),
            fuseboard_core::Window::Count(calls) => ("count", f64::from(calls), 0),
            fuseboard_core::Window::Consecutive(failures) => {
                ("consecutive", f64::from(failures), 0)
            }
            fuseboard_core::Window::Decay { half_life } => ("decay", seconds(half_life), 0),
        };
        let remade = py.import("fuseboard._window")?.getattr("remade")?;
        Ok((remade.unbind(), made))
    }

    fn __repr__(&self) -> String {
        match self.0 {
            fuseboard_core::Window::Time { length, slots } => {
                format!("Window.time({}, slots={slots})", seconds(length))
            }
            fuseboard_core::Window::Count(calls) => format!("Window.count({calls})"),
            fuseboard_core::Window::Consecutive(failures) => {
                format!("Window.consecutive({failures})")
            }
            fuseboard_core::Window::Decay { half_life } => {
                format!("Window.decay({})", seconds(half_life))
            }
        }
    }
}
