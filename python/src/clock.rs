//! Where a breaker or limiter gets its time: the monotonic clock, a [`ManualClock`], or a callable.

use crate::calling;
use crate::config;
use crate::errors;
use fuseboard_core::{Clock, Nanos};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// A time source as given by the `clock=` argument.
pub(crate) enum TimeSource {
    System,
    Manual(Py<ManualClock>),
    Callable(Py<PyAny>),
}

/// How sharp a reading must be.
#[derive(Clone, Copy)]
pub(crate) enum Precision {
    /// A few milliseconds behind at most; four times cheaper to read.
    Coarse,
    Fine,
}

impl TimeSource {
    pub(crate) fn new(clock: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        match clock {
            None => Ok(Self::System),
            Some(clock) => match clock.cast_into::<ManualClock>() {
                Ok(manual) => Ok(Self::Manual(manual.unbind())),
                Err(error) => {
                    let other = error.into_inner();
                    if other.is_callable() {
                        Ok(Self::Callable(other.unbind()))
                    } else {
                        Err(errors::wrong_type(
                            "clock",
                            "a ManualClock or a callable that returns nanoseconds",
                            &other,
                        ))
                    }
                }
            },
        }
    }

    #[inline]
    pub(crate) fn now(&self, py: Python<'_>, precision: Precision) -> PyResult<Nanos> {
        match self {
            Self::System => Ok(system_now(precision)),
            Self::Manual(clock) => Ok(clock.get().0.now()),
            Self::Callable(clock) => {
                let reading = calling::call0(clock.bind(py))?;
                reading.extract().map(Nanos::new).map_err(|_| {
                    PyTypeError::new_err(format!(
                        "clock returned {reading:?}; it must return nanoseconds as an int, 0 to 2**64 - 1"
                    ))
                })
            }
        }
    }

    #[inline]
    pub(crate) fn is_callable(&self) -> bool {
        matches!(self, Self::Callable(_))
    }

    /// The object to name in a report, if it is the user's own.
    pub(crate) fn callable<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Self::Callable(clock) => clock.bind(py).clone(),
            Self::Manual(clock) => clock.bind(py).clone().into_any(),
            Self::System => py.None().into_bound(py),
        }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Callable(clock) => visit.call(clock),
            Self::System | Self::Manual(_) => Ok(()),
        }
    }
}

#[cfg(unix)]
#[inline]
pub(crate) fn system_now(precision: Precision) -> Nanos {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    let clock = match precision {
        Precision::Coarse => ClockId::MonotonicCoarse,
        Precision::Fine => ClockId::Monotonic,
    };
    #[cfg(not(target_os = "linux"))]
    let (clock, _) = (ClockId::Monotonic, precision);
    let time = clock_gettime(clock);
    // Both parts of a monotonic reading are non-negative.
    Nanos::new((time.tv_sec as u64).saturating_mul(1_000_000_000) + time.tv_nsec as u64)
}

#[cfg(not(unix))]
pub(crate) fn system_now(_: Precision) -> Nanos {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Nanos::from(START.elapsed())
}

/// A clock for tests: it stands still until it is told otherwise.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct ManualClock(fuseboard_core::ManualClock);

#[pymethods]
impl ManualClock {
    #[new]
    #[pyo3(signature = (now_ns = None))]
    fn new(now_ns: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let now = now_ns.map_or(Ok(0), |value| config::integer("now_ns", value))?;
        Ok(Self(fuseboard_core::ManualClock::new(Nanos::new(now))))
    }

    /// Moves on by seconds, or by a `timedelta`.
    fn advance(&self, duration: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(config::span("duration", duration)?);
        Ok(())
    }

    /// Sets the time in nanoseconds; it may go back.
    fn set_ns(&self, now_ns: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.set(Nanos::new(config::integer("now_ns", now_ns)?));
        Ok(())
    }

    /// The time in nanoseconds.
    fn __call__(&self) -> u64 {
        self.0.now().get()
    }

    fn __repr__(&self) -> String {
        format!("ManualClock(now_ns={})", self.0.now().get())
    }
}
