//! `fuseboard._native`: the core for Python. Each method converts, calls, and converts back; what
//! is Python's own business (decorators, `with`, exception classes) is Python, in `python/fuseboard`.

mod adaptive;
mod admission;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
mod board;
mod breaker;
mod budget;
mod calling;
mod clock;
mod concurrency;
mod config;
mod errors;
mod gate;
mod guarded;
mod interpreter;
mod keyed;
mod latency;
mod limiter;
mod listeners;
mod permit;
#[cfg(feature = "redis")]
mod redis;
mod settling;
mod shadow;
mod shedding;
mod states;
mod throttle;
mod window;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    use fuseboard_core::{Cause, Reason, State};
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;

    #[pymodule_export]
    use crate::adaptive::{Adaptive, AdaptivePermit};
    #[pymodule_export]
    use crate::admission::{Admission, AdmissionPermit};
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    #[pymodule_export]
    use crate::board::Board;
    #[pymodule_export]
    use crate::breaker::Breaker;
    #[pymodule_export]
    use crate::budget::RetryBudget;
    #[pymodule_export]
    use crate::clock::ManualClock;
    #[pymodule_export]
    use crate::concurrency::{Concurrency, ConcurrencyPermit};
    #[pymodule_export]
    use crate::gate::call;
    #[pymodule_export]
    use crate::guarded::guarded;
    #[pymodule_export]
    use crate::keyed::Keyed;
    #[pymodule_export]
    use crate::latency::Latency;
    #[pymodule_export]
    use crate::limiter::{RateLimiter, Reservation, TokenLease};
    #[pymodule_export]
    use crate::permit::Permit;
    #[cfg(feature = "redis")]
    #[pymodule_export]
    use crate::redis::{
        RedisConcurrency, RedisEngine, RedisHints, RedisPlace, RedisRateLimiter, RedisRequest,
    };
    #[pymodule_export]
    use crate::shadow::{Shadow, ShadowPermit};
    #[pymodule_export]
    use crate::shedding::{CoDel, LoadShedding, PrioritizedLimit};
    #[pymodule_export]
    use crate::throttle::Throttle;
    #[pymodule_export]
    use crate::window::Window;

    /// The core's own lists, so that a test can prove that the Python enums have every member.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        crate::interpreter::claim(py)?;
        module.add("Guarded", crate::guarded::class(py)?)?;
        module.add("STATES", PyTuple::new(py, State::ALL.map(State::as_str))?)?;
        module.add("CAUSES", PyTuple::new(py, Cause::ALL.map(Cause::as_str))?)?;
        module.add(
            "REASONS",
            PyTuple::new(py, Reason::ALL.map(Reason::as_str))?,
        )
    }
}
