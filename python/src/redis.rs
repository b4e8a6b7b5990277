//! `fuseboard.redis`: the adapter's limits among hosts. Requests travel on threads of this module, without Python's lock.

mod concurrency;
mod engine;
mod hints;
mod limiter;
mod process;
mod travel;

pub(crate) use concurrency::{RedisConcurrency, RedisPlace};
pub(crate) use engine::RedisEngine;
pub(crate) use hints::RedisHints;
pub(crate) use limiter::RedisRateLimiter;
pub(crate) use travel::RedisRequest;

use crate::errors;
use fuseboard::redis::SetUpError;
use pyo3::PyErr;
use pyo3::Python;

/// The exception for what cannot be made.
fn refused(py: Python<'_>, error: &SetUpError) -> PyErr {
    let field = match error {
        SetUpError::Setting { field, .. } => field,
        _ => "url",
    };
    errors::config(py, field, error.to_string())
}
