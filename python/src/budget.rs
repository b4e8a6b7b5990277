//! [`RetryBudget`]: the core's retry budget on a clock.

use crate::clock::{Precision, TimeSource};
use crate::config;
use crate::errors;
use fuseboard_core::Nanos;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

type Words = fuseboard_core::RetryBudget<10>;

/// Retries as a share of the calls, so that they cannot multiply an outage.
#[pyclass(frozen, module = "fuseboard")]
pub(crate) struct RetryBudget {
    // Boxed: the core may align it more strictly than Python allocates objects.
    words: Box<Words>,
    time: TimeSource,
}

impl RetryBudget {
    fn now(&self, py: Python<'_>) -> PyResult<Nanos> {
        self.time.now(py, Precision::Coarse)
    }
}

#[pymethods]
impl RetryBudget {
    #[new]
    #[pyo3(signature = (ratio = None, minimum_per_second = None, ttl = None, *, clock = None))]
    fn new(
        py: Python<'_>,
        ratio: Option<&Bound<'_, PyAny>>,
        minimum_per_second: Option<&Bound<'_, PyAny>>,
        ttl: Option<&Bound<'_, PyAny>>,
        clock: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let ratio = ratio.map_or(Ok(Words::RATIO), |value| config::decimal("ratio", value))?;
        let minimum = minimum_per_second.map_or(Ok(Words::MINIMUM_PER_SECOND), |value| {
            config::integer("minimum_per_second", value)
        })?;
        let ttl = ttl.map_or(Ok(Words::TTL), |value| config::span("ttl", value))?;
        let words =
            Words::try_new(ratio, minimum, ttl).map_err(|error| errors::from_core(py, error))?;
        Ok(Self {
            words: Box::new(words),
            time: TimeSource::new(clock)?,
        })
    }

    /// A call was made; not a retry.
    fn deposit(&self, py: Python<'_>) -> PyResult<()> {
        self.words.deposit(self.now(py)?);
        Ok(())
    }

    /// Asks for one retry: true when the budget has it.
    fn withdraw(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.words.withdraw(self.now(py)?).is_ok())
    }

    /// Retries that would be admitted now.
    fn available(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.words.available(self.now(py)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<RetryBudget {} available>", self.available(py)?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.time.traverse(&visit)
    }
}
