//! [`RedisHints`]: a breaker's hints to those of its name on other hosts.

use super::engine::RedisEngine;
use super::process::runtime;
use super::refused;
use crate::breaker::{Breaker, Place};
use crate::config;
use crate::errors;
use fuseboard::CircuitBreakerConfig;
use fuseboard::redis::{BreakerHints, HintError, HintOptions};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Arc, Mutex, PoisonError};

/// Hints that are shared until it is closed.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RedisHints {
    hints: Mutex<Option<Arc<BreakerHints>>>,
    /// Whose they are: a forked child has a copy, whose tasks are not there.
    process: u32,
}

impl RedisHints {
    fn end(&self) {
        // It is whole at any time.
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        let hints = hints.take();
        if self.process != std::process::id() {
            std::mem::forget(hints);
        }
    }
}

fn of_breaker(
    engine: &fuseboard::redis::Engine,
    breaker: &Bound<'_, Breaker>,
    config: CircuitBreakerConfig,
    options: HintOptions,
) -> Result<Arc<BreakerHints>, HintError> {
    let target = breaker.get();
    match &target.place {
        Place::Own(..) => {
            target.place.configure(config)?;
            let held = breaker.clone().unbind();
            let apply = move |minimum_requests| {
                let config = CircuitBreakerConfig {
                    minimum_requests,
                    ..config
                };
                // It took the same but for a minimum that is no greater.
                let _ = held.get().place.configure(config);
            };
            let minimum = config.minimum_requests;
            let hints = BreakerHints::about(engine, &target.name, minimum, options, apply)?;
            let hints = Arc::new(hints);
            let heard = Arc::downgrade(&hints);
            target.listeners.hear(Box::new(move |transition| {
                heard.upgrade().is_some_and(|hints| {
                    hints.tell_of(transition);
                    true
                })
            }));
            Ok(hints)
        }
        #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
        Place::Board { breaker, .. } => {
            BreakerHints::share(engine, breaker, config, options).map(Arc::new)
        }
    }
}

#[pymethods]
impl RedisHints {
    #[new]
    fn new(
        engine: &RedisEngine,
        breaker: &Bound<'_, Breaker>,
        settings: &Bound<'_, PyDict>,
        minimum_requests: &Bound<'_, PyAny>,
        counts_for: &Bound<'_, PyAny>,
        ask_every: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = settings.py();
        let options = HintOptions {
            minimum_requests: config::integer("minimum_requests", minimum_requests)?,
            counts_for: config::span("counts_for", counts_for)?.into(),
            ask_every: config::span("ask_every", ask_every)?.into(),
        };
        let engine = engine.engine(py)?;
        let runtime = runtime()?;
        let _entered = runtime.enter();
        let hints = of_breaker(&engine, breaker, config::breaker(settings)?, options);
        let hints = hints.map_err(|error| match error {
            HintError::Config(error) => errors::from_core(py, error),
            HintError::Option(error) => refused(py, &error),
            other => errors::config(py, "breaker", other.to_string()),
        })?;
        Ok(Self {
            hints: Mutex::new(Some(hints)),
            process: std::process::id(),
        })
    }

    /// How many other hosts say that they have opened, or why the engine did not say; neither when it was closed.
    fn others(&self, py: Python<'_>) -> PyResult<(Option<u64>, Option<String>)> {
        let hints = {
            let hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            hints.clone()
        };
        let Some(hints) = hints.filter(|_| self.process == std::process::id()) else {
            return Ok((None, None));
        };
        let runtime = runtime()?;
        Ok(
            match py.detach(|| runtime.block_on(async { hints.others().await })) {
                Ok(others) => (Some(others), None),
                Err(why) => (None, Some(why.to_string())),
            },
        )
    }

    /// Ends it; the breaker has its own minimum again.
    fn close(&self) {
        self.end();
    }
}

impl Drop for RedisHints {
    fn drop(&mut self) {
        self.end();
    }
}
