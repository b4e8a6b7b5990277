//! [`TaskIsolation`]: calls on tasks of their own.

use super::trace;
use crate::call::{CallError, PolicyKind};
use crate::queue::ConcurrencyQueue;
use crate::tally::{Tally, did};
use fuseboard_core::{Reason, Rejected};
use std::panic::resume_unwind;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Runs each call on a task of its own, on a runtime of the caller's choice, at most so many at once.
///
/// What blocks its thread or computes for long then blocks a thread of *that* runtime: give it one that serves nothing else. The place
/// is taken as long as the task really runs, not as long as somebody waits for it, so calls that hang fill their own places and no others.
///
/// ```
/// use fuseboard::{ConcurrencyQueue, TaskIsolation};
///
/// # fn render(_: u64) -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example(reports: tokio::runtime::Handle) -> Result<(), Box<dyn std::error::Error>> {
/// let isolation = TaskIsolation::new(ConcurrencyQueue::new(4)?, reports);
/// let report = isolation.call(async { render(7) }).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped while it waits for a place, it leaves the line. Dropped later, the task is told to stop at its next await point; until it
/// does, its place stays taken. A panic in the task goes on in the caller.
///
/// With feature `otel` the task is in the caller's trace.
#[derive(Clone, Debug)]
pub struct TaskIsolation {
    places: ConcurrencyQueue,
    runtime: Handle,
    tally: Tally,
}

/// A task that ends with whoever waits for it.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TaskIsolation {
    /// Tasks on `runtime`, as many at once as `places` has.
    pub fn new(places: ConcurrencyQueue, runtime: Handle) -> Self {
        Self {
            places,
            runtime,
            tally: Tally::new::<did::Isolation>(),
        }
    }

    /// Makes a call on a task of its own.
    ///
    /// # Errors
    /// No place was free in time, the runtime is shutting down, or the operation's own.
    pub async fn call<T, E, F>(&self, operation: F) -> Result<T, CallError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let permit = match self.places.acquire().await {
            Ok(permit) => permit,
            Err(rejected) => {
                self.tally.count(did::Isolation::Rejected);
                return Err(CallError::rejected(PolicyKind::Isolation, rejected));
            }
        };
        let mut task = Owned(self.runtime.spawn(trace::task(async move {
            let _permit = permit;
            operation.await
        })));
        match (&mut task.0).await {
            Ok(result) => {
                self.tally.count(did::Isolation::Ended);
                result.map_err(CallError::OperationFailed)
            }
            Err(error) if error.is_panic() => {
                self.tally.count(did::Isolation::Panicked);
                resume_unwind(error.into_panic())
            }
            Err(_) => {
                self.tally.count(did::Isolation::Rejected);
                Err(CallError::rejected(PolicyKind::Isolation, SHUT_DOWN))
            }
        }
    }

    /// What became of its calls.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Tasks that run now, whoever waits for them.
    pub fn in_flight(&self) -> u32 {
        self.places.in_flight()
    }
}

/// The runtime is gone and does not come back.
const SHUT_DOWN: Rejected = Rejected {
    reason: Reason::Never,
    retry_after: None,
};
