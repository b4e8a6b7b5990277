//! [`ThreadIsolation`]: calls on threads of their own.

use super::trace;
use crate::call::{CallError, PolicyKind};
use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Reason, Rejected};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;
type Caught<T> = Result<T, Box<dyn Any + Send>>;

/// Runs calls that block on so many threads of its own, with a bounded queue before them: Hystrix's thread pools.
///
/// A call that hangs holds one of these threads and nobody else's: its caller goes on when its time is over. This is also how code
/// without futures gets a time limit: [`call_blocking`](Self::call_blocking).
///
/// ```
/// use fuseboard::ThreadIsolation;
/// use std::time::Duration;
///
/// let disk = ThreadIsolation::new("disk", 2, 10)?;
/// let read = disk.call_blocking(Duration::from_secs(1), || std::fs::read_to_string("Cargo.toml"));
/// assert!(read.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Cancellation
///
/// Dropped while the call is queued, it is not made; later it runs to its end, which nobody hears. A panic goes on in the caller. A clone
/// is another handle of the same threads, which end with the last handle.
///
/// With feature `otel` a call is in its caller's trace.
#[derive(Clone, Debug)]
pub struct ThreadIsolation {
    jobs: SyncSender<Job>,
    tally: Tally,
}

impl ThreadIsolation {
    /// So many threads, named after the pool, and so many calls that may wait for one.
    ///
    /// # Errors
    /// `threads` is 0, or the system gives no more threads.
    pub fn new(name: &str, threads: usize, max_waiting: usize) -> io::Result<Self> {
        if threads == 0 {
            let none = ConfigError::integer("threads", 0, "at least 1 thread to run calls on");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, none));
        }
        let (jobs, queue) = sync_channel::<Job>(max_waiting);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Self {
            jobs,
            tally: Tally::new::<did::Isolation>(),
        })
    }

    /// Makes a call on one of the threads.
    ///
    /// # Errors
    /// All threads are busy and the queue is full, or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, CallError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (answer, end) = oneshot::channel::<Caught<Result<T, E>>>();
        let operation = trace::thread(operation);
        self.submit(move || {
            // Nobody waits for it any more.
            if !answer.is_closed() {
                let _ = answer.send(catch_unwind(AssertUnwindSafe(operation)));
            }
        })?;
        match end.await {
            Ok(caught) => self.unwrapped(caught),
            Err(_) => Err(self.full()),
        }
    }

    /// Makes a call on one of the threads and blocks this one for at most `limit`.
    ///
    /// # Errors
    /// As [`call`](Self::call), or [`CallError::TimedOut`]: it goes on on its thread, or is not made when it is still queued.
    pub fn call_blocking<T, E>(
        &self,
        limit: Duration,
        operation: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, CallError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (answer, end) = sync_channel::<Caught<Result<T, E>>>(1);
        let operation = trace::thread(operation);
        let waiter = Arc::new(());
        let waits = Arc::downgrade(&waiter);
        self.submit(move || {
            if waits.strong_count() > 0 {
                let _ = answer.send(catch_unwind(AssertUnwindSafe(operation)));
            }
        })?;
        match end.recv_timeout(limit) {
            Ok(caught) => self.unwrapped(caught),
            Err(RecvTimeoutError::Timeout) => {
                self.tally.count(did::Isolation::TimedOut);
                Err(CallError::TimedOut { limit })
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.full()),
        }
    }

    fn submit<E>(&self, job: impl FnOnce() + Send + 'static) -> Result<(), CallError<E>> {
        self.jobs
            .try_send(Box::new(job))
            .map_err(|(TrySendError::Full(_) | TrySendError::Disconnected(_))| self.full())
    }

    /// What became of its calls.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn unwrapped<T, E>(&self, caught: Caught<Result<T, E>>) -> Result<T, CallError<E>> {
        match caught {
            Ok(result) => {
                self.tally.count(did::Isolation::Ended);
                result.map_err(CallError::OperationFailed)
            }
            Err(panic) => {
                self.tally.count(did::Isolation::Panicked);
                resume_unwind(panic)
            }
        }
    }

    fn full<E>(&self) -> CallError<E> {
        self.tally.count(did::Isolation::Rejected);
        let rejected = Rejected {
            reason: Reason::Full,
            retry_after: None,
        };
        CallError::rejected(PolicyKind::Isolation, rejected)
    }
}

/// Takes jobs until the last handle is gone.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, not while working: the next thread waits for the lock instead.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
