//! [`AdaptiveLimit`]: a concurrency limit that finds itself, behind a shared handle.

use crate::call::{CallError, PolicyKind};
use crate::classify::{Classify, Verdict};
use crate::clock::{Clock, MonotonicClock};
use crate::tally::{Tally, did};
use fuseboard_core::{
    AdaptiveLimitConfig, ConfigError, Nanos, Outcome, PriorityShedding, Rejected,
};
use std::fmt;
use std::sync::Arc;

/// A concurrency limit that follows the latency of the calls it admits: it grows while it is used and calls stay fast, and
/// shrinks when they queue or time out.
///
/// ```
/// use fuseboard::{AdaptiveLimit, AdaptiveLimitConfig, Algorithm};
///
/// # async fn search() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let limit = AdaptiveLimit::new(AdaptiveLimitConfig::new(Algorithm::Gradient2))?;
/// let hits = limit.call(search()).await?;
/// # Ok(())
/// # }
/// ```
///
/// A clone is another handle of the same limit. Dropped at any point, a call gives its place back and teaches nothing.
#[derive(Clone)]
pub struct AdaptiveLimit {
    shared: Arc<Shared>,
}

struct Shared {
    words: fuseboard_core::AdaptiveLimit,
    clock: Box<dyn Clock + Send + Sync>,
    tally: Tally,
}

impl AdaptiveLimit {
    /// A limit on the precise clock.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn new(config: AdaptiveLimitConfig) -> Result<Self, ConfigError> {
        Self::with_clock(config, MonotonicClock)
    }

    /// A limit on a clock of the caller's choice.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn with_clock(
        config: AdaptiveLimitConfig,
        clock: impl Clock + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared {
                words: fuseboard_core::AdaptiveLimit::try_new(config)?,
                clock: Box::new(clock),
                tally: Tally::new::<did::Adaptive>(),
            }),
        })
    }

    /// Takes a place for a call that begins now.
    ///
    /// # Errors
    /// All places are taken; there is no telling when one is free.
    pub fn try_acquire(&self) -> Result<AdaptivePermit, Rejected> {
        let started = self.shared.clock.now();
        let acquired = self.shared.words.acquire_raw();
        self.counted(acquired.map(|()| started))
    }

    /// As [`try_acquire`](Self::try_acquire), for a request of this priority (255 is shed last).
    ///
    /// # Errors
    /// The places that `shedding` leaves to this priority are taken.
    pub fn try_acquire_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
    ) -> Result<AdaptivePermit, Rejected> {
        let now = self.shared.clock.now();
        let permit = self
            .shared
            .words
            .try_acquire_prioritized(shedding, priority, now);
        self.counted(permit.map(fuseboard_core::AdaptivePermit::into_raw))
    }

    /// Makes a call: `Ok` is a latency sample, `Err` teaches nothing.
    ///
    /// # Errors
    /// All places are taken, or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let judge = |result: Result<&T, &E>| match result {
            Ok(_) => Verdict::SUCCESS,
            Err(_) => Verdict::IGNORED,
        };
        self.call_with(&judge, operation).await
    }

    /// Makes a call whose end `classify` judges: a success is a latency sample, a failure says that the call was dropped
    /// for overload.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with<T, E>(
        &self,
        classify: &impl Classify<T, E>,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        let permit = match self.try_acquire() {
            Ok(permit) => permit,
            Err(rejected) => return Err(CallError::rejected(PolicyKind::Adaptive, rejected)),
        };
        let result = operation.await;
        permit.settle(classify.classify(result.as_ref()).outcome);
        result.map_err(CallError::OperationFailed)
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u32 {
        self.shared.words.in_flight()
    }

    /// The limit now.
    pub fn limit(&self) -> u32 {
        self.shared.words.limit()
    }

    /// What became of those who asked for a place.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Takes over other settings; what was learnt stays.
    ///
    /// # Errors
    /// The first setting that is out of its range; nothing has changed then.
    pub fn configure(&self, config: AdaptiveLimitConfig) -> Result<(), ConfigError> {
        self.shared.words.configure(config)
    }

    fn counted(&self, started: Result<Nanos, Rejected>) -> Result<AdaptivePermit, Rejected> {
        self.shared.tally.count(match started {
            Ok(_) => did::Adaptive::Admitted,
            Err(_) => did::Adaptive::Rejected,
        });
        Ok(AdaptivePermit {
            started: started?,
            shared: Some(Arc::clone(&self.shared)),
        })
    }
}

impl fmt::Debug for AdaptiveLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveLimit")
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// A place in an [`AdaptiveLimit`]. Settle it with the outcome; dropped, the place is given back and nothing is learnt.
#[must_use = "a permit that is dropped at once holds no place"]
pub struct AdaptivePermit {
    shared: Option<Arc<Shared>>,
    started: Nanos,
}

impl AdaptivePermit {
    /// Success: its latency is a sample. Failure: it was dropped for overload. Ignored: it says nothing about load.
    pub fn settle(mut self, outcome: Outcome) {
        self.release(outcome);
    }

    fn release(&mut self, outcome: Outcome) {
        if let Some(shared) = self.shared.take() {
            let now = shared.clock.now();
            shared.words.release_raw(self.started, outcome, now);
        }
    }
}

impl Drop for AdaptivePermit {
    fn drop(&mut self) {
        self.release(Outcome::Ignored);
    }
}

impl fmt::Debug for AdaptivePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptivePermit")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}
