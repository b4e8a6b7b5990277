//! [`Reservation`]: units that are the caller's, once its turn has come.

use super::RateLimiter;
use crate::errors::seconds;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Units that are the caller's from now on, to be used after `wait` seconds. Forgotten, they stay taken.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct Reservation {
    limiter: Py<RateLimiter>,
    turn: fuseboard_core::Reservation,
    cancelled: AtomicBool,
}

impl Reservation {
    pub(super) fn new(limiter: &Bound<'_, RateLimiter>, turn: fuseboard_core::Reservation) -> Self {
        Self {
            limiter: limiter.clone().unbind(),
            turn,
            cancelled: AtomicBool::new(false),
        }
    }
}

#[pymethods]
impl Reservation {
    /// Seconds after the reservation until its turn; 0 is now.
    #[getter]
    fn wait(&self) -> f64 {
        seconds(self.turn.wait())
    }

    fn __repr__(&self) -> String {
        format!("<Reservation wait={} s>", self.wait())
    }

    /// Gives the units back, as far as nobody behind relies on them; false when that was done before.
    fn cancel(&self, py: Python<'_>) -> PyResult<bool> {
        let limiter = self.limiter.get();
        let now = limiter.now(py)?;
        // Relaxed: the swap alone decides who gives them back.
        let first = !self.cancelled.swap(true, Ordering::Relaxed);
        if first {
            limiter.words.cancel(self.turn, now);
        }
        Ok(first)
    }
}
