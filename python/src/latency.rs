//! [`Latency`]: how long calls took, as a Python value.

use crate::config;
use crate::errors::{self, seconds};
use fuseboard_core::LatencySnapshot;
use pyo3::prelude::*;

/// How long calls took, as of one moment.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct Latency(pub(crate) LatencySnapshot);

#[pymethods]
impl Latency {
    /// Calls.
    #[getter]
    fn count(&self) -> u64 {
        self.0.count()
    }

    /// Seconds of all calls together, at most 4.6 % off.
    #[getter]
    fn sum(&self) -> f64 {
        seconds(self.0.sum())
    }

    /// Seconds within which this share of the calls ended, at most 9.1 % too long; `None` where there was none.
    #[pyo3(signature = (share, /))]
    fn quantile(&self, share: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        let share_given = config::decimal("share", share)?;
        if !(0.0..=1.0).contains(&share_given) {
            let message = format!("share is {share_given}; allowed: 0 to 1");
            return Err(errors::config(share.py(), "share", message));
        }
        Ok(self.0.quantile(share_given).map(seconds))
    }

    fn __repr__(&self) -> String {
        let shown = |share| {
            let span = self.0.quantile(share);
            span.map_or_else(|| "-".to_owned(), |span| format!("{:.3} s", seconds(span)))
        };
        format!(
            "<Latency of {} calls: half within {}, 99 % within {}>",
            self.0.count(),
            shown(0.5),
            shown(0.99)
        )
    }
}
