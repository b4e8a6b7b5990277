//! [`ConcurrencyQueue`]: so many calls at once, and a bounded line of those that wait.

mod line;
mod permit;

pub use permit::QueuePermit;

use crate::blocking::block_on;
use crate::call::{CallError, PolicyKind};
#[cfg(feature = "shedding")]
use crate::shedding::{CoDel, SHED};
use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Reason, Rejected};
use line::Line;
use permit::Acquire;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Admits at most `limit` calls at once; others wait in line, first come, first served.
///
/// The line is bounded in length and in time: a call that finds it full, or that has waited for `max_wait`, is rejected. Without
/// a line ([`max_waiting`](Self::max_waiting) 0, the default) it rejects at once, as [`ConcurrencyLimit`](crate::ConcurrencyLimit) does.
///
/// ```
/// use fuseboard::ConcurrencyQueue;
/// use std::time::Duration;
///
/// # async fn query() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// // Eight queries at once, sixteen more may wait for a second.
/// let database = ConcurrencyQueue::new(8)?.max_waiting(16).max_wait(Duration::from_secs(1));
/// let rows = database.call(query()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped while it waits, a call leaves the line; a place that had just been given to it goes to the next. Dropped later, the
/// place is free again once the operation is gone.
///
/// A clone is another handle of the same places and line.
#[derive(Clone, Debug)]
pub struct ConcurrencyQueue {
    shared: Arc<Shared>,
    max_waiting: usize,
    max_wait: Duration,
    #[cfg(feature = "shedding")]
    codel: Option<CoDel>,
}

#[derive(Debug)]
struct Shared {
    places: fuseboard_core::ConcurrencyLimit,
    line: Mutex<Line>,
    tally: Tally,
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        // No step leaves the line half-changed, and wakers run outside of the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place back, and free places to who waits.
    fn give_back(&self) {
        self.places.release_raw();
        self.serve();
    }

    fn serve(&self) {
        loop {
            let mut line = self.line();
            if line.is_empty() || self.places.acquire_raw().is_err() {
                return;
            }
            let waker = line.grant_first();
            drop(line);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl ConcurrencyQueue {
    /// At most `limit` calls at once, and no line.
    ///
    /// # Errors
    /// `limit` where it is 0.
    pub fn new(limit: u32) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared {
                places: fuseboard_core::ConcurrencyLimit::try_new(limit)?,
                line: Mutex::default(),
                tally: Tally::new::<did::Concurrency>(),
            }),
            max_waiting: 0,
            max_wait: Duration::MAX,
            #[cfg(feature = "shedding")]
            codel: None,
        })
    }

    /// The length of the line. Default 0.
    #[must_use]
    pub fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// The longest time in it. Default: no bound.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sheds calls whose turn comes too late, while the line stands: see [`CoDel`]. Where the longest wait is what callers bear at worst, this
    /// keeps the usual one short. Default: nobody is shed.
    #[cfg(feature = "shedding")]
    #[must_use]
    pub fn shed_by(mut self, codel: CoDel) -> Self {
        self.codel = Some(codel);
        self
    }

    /// The law by which the line is cut.
    #[cfg(all(feature = "config", feature = "shedding"))]
    pub(crate) fn codel(&self) -> Option<CoDel> {
        self.codel.clone()
    }

    /// The same, cut by this law or by none.
    #[cfg(all(feature = "config", feature = "shedding"))]
    pub(crate) fn with_codel(mut self, codel: Option<CoDel>) -> Self {
        self.codel = codel;
        self
    }

    /// Takes a place if one is free and nobody waits for it.
    ///
    /// # Errors
    /// All places are taken; there is no telling when one is free.
    pub fn try_acquire(&self) -> Result<QueuePermit, Rejected> {
        let line = self.shared.line();
        if !line.is_empty() {
            return Err(self.rejected(FULL));
        }
        if let Err(rejected) = self.shared.places.acquire_raw() {
            return Err(self.rejected(rejected));
        }
        drop(line);
        self.shared.tally.count(did::Concurrency::Admitted);
        Ok(QueuePermit::new(Arc::clone(&self.shared)))
    }

    /// Takes a place, waiting in line for it.
    ///
    /// # Errors
    /// The line is full, or the wait was too long.
    pub async fn acquire(&self) -> Result<QueuePermit, Rejected> {
        if self.max_waiting == 0 {
            return self.try_acquire();
        }
        let waiting = self.join();
        if self.max_wait == Duration::MAX {
            return waiting.await;
        }
        tokio::time::timeout(self.max_wait, waiting)
            .await
            .unwrap_or_else(|_| Err(self.rejected(FULL)))
    }

    /// Waits for a place for as long as it takes; a place that comes too late goes to the next in line.
    async fn join(&self) -> Result<QueuePermit, Rejected> {
        #[cfg(feature = "shedding")]
        let enqueued = self.codel.as_ref().map(|codel| (codel, codel.stamp()));
        let (permit, has_waited) = Acquire::new(&self.shared, self.max_waiting)
            .await
            .map_err(|rejected| self.rejected(rejected))?;
        #[cfg(feature = "shedding")]
        if let Some((codel, enqueued)) = enqueued
            && !codel.is_served(enqueued)
        {
            self.shared.tally.count(did::Concurrency::Shed);
            return Err(SHED);
        }
        self.shared.tally.count(if has_waited {
            did::Concurrency::Waited
        } else {
            did::Concurrency::Admitted
        });
        Ok(permit)
    }

    fn rejected(&self, rejected: Rejected) -> Rejected {
        self.shared.tally.count(did::Concurrency::Rejected);
        rejected
    }

    /// Takes a place for a call that blocks, putting the thread to sleep.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self) -> Result<QueuePermit, Rejected> {
        block_on(self.join(), self.max_wait).unwrap_or_else(|| Err(self.rejected(FULL)))
    }

    /// Makes a call when there is a place for it.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let _permit = match self.acquire().await {
            Ok(permit) => permit,
            Err(rejected) => return Err(CallError::rejected(PolicyKind::Concurrency, rejected)),
        };
        operation.await.map_err(CallError::OperationFailed)
    }

    /// Places taken now.
    pub fn in_flight(&self) -> u32 {
        self.shared.places.in_flight()
    }

    /// Calls in line now.
    pub fn waiting(&self) -> usize {
        self.shared.line().len()
    }

    /// Places in all.
    pub fn limit(&self) -> u32 {
        self.shared.places.limit()
    }

    /// What became of those who asked for a place.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Changes the number of places: more of them go to who waits at once; fewer take nothing from calls in flight.
    ///
    /// # Errors
    /// `limit` where it is 0; nothing has changed then.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.shared.places.set_limit(limit)?;
        self.shared.serve();
        Ok(())
    }
}

const FULL: Rejected = Rejected {
    reason: Reason::Full,
    retry_after: None,
};
