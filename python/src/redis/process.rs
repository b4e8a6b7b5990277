//! [`OfProcess`]: what a forked child must make anew, because its threads and connections stayed with the parent.

use pyo3::PyResult;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// A value for each process. Its lock is held only by threads that are attached to the interpreter, which does not fork meanwhile.
pub(super) struct OfProcess<T>(Mutex<Option<(u32, T)>>);

impl<T: Clone> OfProcess<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// This process's own, made if need be.
    pub(super) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        // What it guards is whole at any time.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        match &*kept {
            Some((owner, value)) if *owner == process => Ok(value.clone()),
            _ => {
                let value = make()?;
                // What the parent had is forgotten, not dropped: dropping would wait for threads that are not here.
                std::mem::forget(kept.replace((process, value.clone())));
                Ok(value)
            }
        }
    }
}

static RUNTIME: OfProcess<Arc<Runtime>> = OfProcess::new();

/// The threads on which requests travel: two, so that one that waits for Python does not stop the other.
pub(super) fn runtime() -> PyResult<Arc<Runtime>> {
    RUNTIME.get_or_make(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fuseboard-redis")
            .enable_all()
            .build()?;
        Ok(Arc::new(runtime))
    })
}
