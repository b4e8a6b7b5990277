//! [`RedisEngine`]: the adapter's engine.

use super::process::{OfProcess, runtime};
use super::refused;
use crate::config;
use crate::states;
use fuseboard::redis::{Engine, EngineOptions};
use pyo3::prelude::*;

/// A server or cluster; its connections are each process's own.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RedisEngine {
    urls: Vec<String>,
    options: EngineOptions,
    engine: OfProcess<Engine>,
}

impl RedisEngine {
    pub(super) fn engine(&self, py: Python<'_>) -> PyResult<Engine> {
        self.engine.get_or_make(|| {
            let runtime = runtime()?;
            let _entered = runtime.enter();
            let made = match &self.urls[..] {
                [one] => Engine::with_options(one, self.options),
                many => {
                    let urls: Vec<&str> = many.iter().map(String::as_str).collect();
                    Engine::cluster(&urls, self.options)
                }
            };
            made.map_err(|error| refused(py, &error))
        })
    }
}

#[pymethods]
impl RedisEngine {
    #[new]
    fn new(py: Python<'_>, urls: Vec<String>, deadline: &Bound<'_, PyAny>) -> PyResult<Self> {
        let deadline = config::span("deadline", deadline)?.into();
        let made = Self {
            urls,
            options: EngineOptions { deadline },
            engine: OfProcess::new(),
        };
        // Now, so that what is wrong with it is told now.
        made.engine(py)?;
        Ok(made)
    }

    /// Of the breaker before it.
    fn state(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        states::member(py, self.engine(py)?.breaker().state())
    }
}
