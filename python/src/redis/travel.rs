//! [`begin`]: a request of a task, which is told of the answer by another thread.

use super::process::runtime;
use crate::calling;
use pyo3::prelude::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::task::AbortHandle;

/// A request on its way.
#[pyclass(frozen, module = "fuseboard._native")]
pub(crate) struct RedisRequest(AbortHandle);

#[pymethods]
impl RedisRequest {
    /// Nobody waits for it any more; what it still brings is given back.
    fn cancel(&self) {
        self.0.abort();
    }
}

/// The answer as `show` makes it, where no request has to travel for it. Otherwise it is passed to `told`, on another thread.
pub(super) fn begin<T, A>(
    py: Python<'_>,
    asking: A,
    show: fn(Python<'_>, T) -> PyResult<Bound<'_, PyAny>>,
    told: Py<PyAny>,
) -> PyResult<Bound<'_, PyAny>>
where
    A: Future<Output = T> + Send + 'static,
    T: 'static,
{
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let mut asking = Box::pin(asking);
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(answer) = pin!(&mut asking).poll(&mut context) {
        return show(py, answer);
    }
    let task = runtime.spawn(async move {
        let answer = asking.await;
        // Where the interpreter is going down, nobody is left to be told.
        Python::try_attach(|py| {
            let ended = show(py, answer).and_then(|answer| calling::call1(told.bind(py), &answer));
            if let Err(error) = ended {
                error.write_unraisable(py, Some(told.bind(py)));
            }
        });
    });
    Ok(Bound::new(py, RedisRequest(task.abort_handle()))?.into_any())
}
