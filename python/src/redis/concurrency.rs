//! [`RedisConcurrency`]: so many at once among all hosts, and the place that one of them has.

use super::engine::RedisEngine;
use super::process::{OfProcess, runtime};
use super::refused;
use super::travel::begin;
use crate::config;
use fuseboard::redis::{ConcurrencyLimit, Place, Unavailable};
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A limit on an engine.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RedisConcurrency {
    engine: Py<RedisEngine>,
    limit: u64,
    lease: Duration,
    made: OfProcess<ConcurrencyLimit>,
}

impl RedisConcurrency {
    fn made(&self, py: Python<'_>) -> PyResult<ConcurrencyLimit> {
        self.made.get_or_make(|| {
            let engine = self.engine.get().engine(py)?;
            ConcurrencyLimit::new(&engine, self.limit, self.lease)
                .map_err(|error| refused(py, &error))
        })
    }
}

type Taken = Result<Option<Place>, Unavailable>;

/// (the place, why the engine did not say).
fn taken(py: Python<'_>, taken: Taken) -> PyResult<Bound<'_, PyAny>> {
    let fields = match taken {
        Ok(place) => (place.map(RedisPlace::new), None),
        Err(why) => (None, Some(why.to_string())),
    };
    Ok(fields.into_pyobject(py)?.into_any())
}

/// (free places, why the engine did not say).
fn counted(py: Python<'_>, free: Result<u64, Unavailable>) -> PyResult<Bound<'_, PyAny>> {
    let fields = match free {
        Ok(free) => (Some(free), None),
        Err(why) => (None, Some(why.to_string())),
    };
    Ok(fields.into_pyobject(py)?.into_any())
}

#[pymethods]
impl RedisConcurrency {
    #[new]
    fn new(
        py: Python<'_>,
        engine: Py<RedisEngine>,
        limit: &Bound<'_, PyAny>,
        lease: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let new = Self {
            engine,
            limit: config::integer("limit", limit)?,
            lease: config::span("lease", lease)?.into(),
            made: OfProcess::new(),
        };
        new.made(py)?;
        Ok(new)
    }

    /// Waits for the answer; other threads of Python run meanwhile.
    fn take<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        let (limit, runtime) = (self.made(py)?, runtime()?);
        let answer = py.detach(|| runtime.block_on(limit.try_acquire(key)));
        taken(py, answer)
    }

    fn begin<'py>(
        &self,
        py: Python<'py>,
        key: String,
        told: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let limit = self.made(py)?;
        begin(
            py,
            async move { limit.try_acquire(&key).await },
            taken,
            told,
        )
    }

    fn available<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        let (limit, runtime) = (self.made(py)?, runtime()?);
        let answer = py.detach(|| runtime.block_on(limit.available(key)));
        counted(py, answer)
    }
}

/// A place among all hosts, renewed until it is given back. Forgotten, it gives itself back.
#[pyclass(frozen, module = "fuseboard.redis")]
pub(crate) struct RedisPlace {
    place: Mutex<Option<Place>>,
    /// Whose it is: a forked child has a copy, and nothing to give back.
    process: u32,
}

impl RedisPlace {
    fn new(place: Place) -> Self {
        Self {
            place: Mutex::new(Some(place)),
            process: std::process::id(),
        }
    }

    fn end(&self) -> Option<Place> {
        // It is whole at any time.
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place.take()?;
        if self.process == std::process::id() {
            Some(place)
        } else {
            std::mem::forget(place);
            None
        }
    }
}

#[pymethods]
impl RedisPlace {
    /// Waits until the engine knows.
    fn give_back(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(place) = self.end() else {
            return Ok(false);
        };
        let runtime = runtime()?;
        Ok(py.detach(|| runtime.block_on(place.give_back())).is_ok())
    }

    /// The engine is told while the caller goes on.
    fn let_go(&self) -> PyResult<bool> {
        let Some(place) = self.end() else {
            return Ok(false);
        };
        let runtime = runtime()?;
        let _entered = runtime.enter();
        drop(place);
        Ok(true)
    }

    fn begin<'py>(&self, py: Python<'py>, told: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let place = self.end();
        let giving = async move {
            match place {
                Some(place) => place.give_back().await.is_ok(),
                None => false,
            }
        };
        begin(
            py,
            giving,
            |py, told| Ok(told.into_pyobject(py)?.to_owned().into_any()),
            told,
        )
    }
}

impl Drop for RedisPlace {
    fn drop(&mut self) {
        // Without threads to travel on, its lease ends it.
        let _ = self.let_go();
    }
}
