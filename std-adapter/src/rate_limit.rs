//! [`RateLimit`]: waits for a token instead of being rejected.

use crate::call::{CallError, PolicyKind};
use crate::clock::Clock;
use crate::limiter::TokenBucketRateLimiter;
use crate::tally::{Tally, did};
use fuseboard_core::{Rejected, Reservation};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A token bucket that callers may wait for, in the order in which they came, up to `max_wait`.
///
/// Who comes takes its tokens at once, from the future if need be, and is told how long that is: so the queue is the
/// bucket's own arithmetic, nobody overtakes, and a call whose turn would come too late is rejected when it asks, not when
/// its patience is over.
///
/// ```
/// use fuseboard::{Rate, RateLimit, TokenBucketRateLimiter};
/// use std::time::Duration;
///
/// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let bucket = TokenBucketRateLimiter::new(Rate::per_second(100), 10);
/// let limit = RateLimit::new(bucket).max_wait(Duration::from_millis(500));
/// let page = limit.call(fetch()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped while it waits, a call gives its tokens back, less what those behind it rely on: they keep their turns. Once the operation has been
/// begun they are spent. A clone is another handle of the same limit.
#[derive(Clone)]
pub struct RateLimit {
    bucket: Arc<dyn Bucket>,
    max_wait: Duration,
    tally: Tally,
}

/// The bucket, on whichever clock.
trait Bucket: Send + Sync {
    fn take(&self, cost: u64) -> Result<(), Rejected>;
    fn refund(&self, cost: u64);
    fn reserve(&self, cost: u64, max_wait: Duration) -> Result<Reservation, Rejected>;
    fn cancel(&self, reservation: Reservation);
}

impl<C: Clock + Send + Sync> Bucket for TokenBucketRateLimiter<C> {
    fn take(&self, cost: u64) -> Result<(), Rejected> {
        self.try_acquire_many(cost)
    }

    fn refund(&self, cost: u64) {
        self.refund(cost);
    }

    fn reserve(&self, cost: u64, max_wait: Duration) -> Result<Reservation, Rejected> {
        self.reserve(cost, max_wait)
    }

    fn cancel(&self, reservation: Reservation) {
        self.cancel(reservation);
    }
}

impl RateLimit {
    /// A limit that does not wait yet: what is not admitted at once is rejected.
    pub fn new<C: Clock + Send + Sync + 'static>(bucket: TokenBucketRateLimiter<C>) -> Self {
        Self {
            bucket: Arc::new(bucket),
            max_wait: Duration::ZERO,
            tally: Tally::new::<did::RateLimit>(),
        }
    }

    /// How long a call may wait for its turn. Default 0. Of several limits over one bucket, let all wait or none.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Waits for `cost` tokens and spends them.
    ///
    /// # Errors
    /// The wait would be longer than `max_wait` (said at once), or `cost` is more than the burst. Nothing was taken.
    pub async fn acquire(&self, cost: u64) -> Result<(), Rejected> {
        self.turn(cost).await.map(Turn::spend)
    }

    /// As [`acquire`](Self::acquire), putting the thread to sleep.
    ///
    /// # Errors
    /// As `acquire`.
    pub fn acquire_blocking(&self, cost: u64) -> Result<(), Rejected> {
        let turn = self.reserve(cost)?;
        let wait = turn.wait();
        std::thread::sleep(wait);
        self.admitted(wait);
        turn.spend();
        Ok(())
    }

    /// Makes a call when its turn has come; it costs one token.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        if let Err(rejected) = self.acquire(1).await {
            return Err(CallError::rejected(PolicyKind::RateLimit, rejected));
        }
        operation.await.map_err(CallError::OperationFailed)
    }

    /// A turn whose time has come, to be spent.
    pub(crate) async fn turn(&self, cost: u64) -> Result<Turn, Rejected> {
        let turn = self.reserve(cost)?;
        let wait = turn.wait();
        // Most calls do not wait: no timer for them.
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        self.admitted(wait);
        Ok(turn)
    }

    /// What became of those who asked for tokens.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn admitted(&self, wait: Duration) {
        self.tally.count(if wait.is_zero() {
            did::RateLimit::Admitted
        } else {
            did::RateLimit::Waited
        });
    }

    /// A turn that may lie ahead.
    fn reserve(&self, cost: u64) -> Result<Turn, Rejected> {
        let turn = self.taken(cost);
        if turn.is_err() {
            self.tally.count(did::RateLimit::Rejected);
        }
        turn
    }

    fn taken(&self, cost: u64) -> Result<Turn, Rejected> {
        // Where nobody waits, nobody relies on what is given back.
        let taken = if self.max_wait.is_zero() {
            self.bucket.take(cost)?;
            Taken::AtOnce(cost)
        } else {
            Taken::Reserved(self.bucket.reserve(cost, self.max_wait)?)
        };
        Ok(Turn {
            taken: Some(taken),
            bucket: Arc::clone(&self.bucket),
        })
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("max_wait", &self.max_wait)
            .finish_non_exhaustive()
    }
}

/// Tokens: given back when dropped, unless they were spent.
pub(crate) struct Turn {
    bucket: Arc<dyn Bucket>,
    taken: Option<Taken>,
}

/// How they were taken, and so how they are given back.
enum Taken {
    AtOnce(u64),
    Reserved(Reservation),
}

impl Turn {
    pub(crate) fn wait(&self) -> Duration {
        match &self.taken {
            Some(Taken::Reserved(reservation)) => reservation.wait().into(),
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn spend(mut self) {
        self.taken = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match self.taken.take() {
            Some(Taken::AtOnce(cost)) => self.bucket.refund(cost),
            Some(Taken::Reserved(reservation)) => self.bucket.cancel(reservation),
            None => {}
        }
    }
}
