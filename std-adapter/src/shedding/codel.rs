//! [`CoDel`]: what has waited too long in a queue that stands is shed.

use crate::call::{CallError, PolicyKind};
use crate::clock::{Clock, MonotonicClock};
use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Nanos, Reason, Rejected};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Controlled delay (RFC 8289) for a queue: when everything taken out of it has waited `target` or longer for a whole `interval`, it
/// stands, and entries are shed until one is met that waited less. A burst that drains in time loses nothing.
///
/// The program owns the queue: it takes a [`stamp`](Self::stamp) for each entry that it puts in and asks once for each that it takes out.
///
/// ```
/// use fuseboard::CoDel;
/// use std::collections::VecDeque;
///
/// let codel = CoDel::default(); // the RFC's 5 ms and 100 ms
/// let mut inbox = VecDeque::from([(codel.stamp(), "mail")]);
/// while let Some((enqueued, entry)) = inbox.pop_front() {
///     if codel.is_served(enqueued) {
///         println!("{entry}");
///     }
/// }
/// ```
///
/// A `ConcurrencyQueue` asks it by itself: see its `shed_by`.
///
/// A clone is another handle of the same law.
#[derive(Clone)]
pub struct CoDel {
    shared: Arc<Shared>,
}

struct Shared {
    words: fuseboard_core::CoDel,
    clock: Box<dyn Clock + Send + Sync>,
    tally: Tally,
}

impl CoDel {
    /// A queue that does not stand, on the precise clock.
    ///
    /// # Errors
    /// `target` where it is zero or longer than the interval, `interval` where it is shorter than 1.024 us.
    pub fn new(target: Duration, interval: Duration) -> Result<Self, ConfigError> {
        Self::with_clock(target, interval, MonotonicClock)
    }

    /// The same on a clock of the caller's choice.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_clock(
        target: Duration,
        interval: Duration,
        clock: impl Clock + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared {
                words: fuseboard_core::CoDel::try_new(target.into(), interval.into())?,
                clock: Box::new(clock),
                tally: Tally::new::<did::CoDel>(),
            }),
        })
    }

    /// When an entry that is put in now was put in.
    pub fn stamp(&self) -> Nanos {
        self.shared.clock.now()
    }

    /// Whether an entry that is taken out now is to be served; if not, shed it and take out the next.
    #[must_use = "an entry that is not served is shed by the caller"]
    pub fn is_served(&self, enqueued: Nanos) -> bool {
        let Shared {
            words,
            clock,
            tally,
        } = &*self.shared;
        let is_served = words.is_served(enqueued, clock.now());
        tally.count(if is_served {
            did::CoDel::Served
        } else {
            did::CoDel::Shed
        });
        is_served
    }

    /// What became of its entries.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Makes a call whose turn has come now, unless it has waited too long.
    ///
    /// # Errors
    /// It was shed, or the operation's own.
    pub async fn call<T, E>(
        &self,
        enqueued: Nanos,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        if !self.is_served(enqueued) {
            return Err(CallError::rejected(PolicyKind::CoDel, SHED));
        }
        operation.await.map_err(CallError::OperationFailed)
    }

    /// Whether entries are being shed.
    pub fn is_shedding(&self) -> bool {
        self.shared.words.is_shedding()
    }

    /// Changes target and interval; a law that was shedding begins again.
    ///
    /// # Errors
    /// As [`new`](Self::new); nothing has changed then.
    pub fn configure(&self, target: Duration, interval: Duration) -> Result<(), ConfigError> {
        self.shared.words.configure(target.into(), interval.into())
    }
}

/// There is no telling when the queue has drained.
pub(crate) const SHED: Rejected = Rejected {
    reason: Reason::Full,
    retry_after: None,
};

impl Default for CoDel {
    /// The RFC's settings: a target of 5 ms and an interval of 100 ms.
    fn default() -> Self {
        use fuseboard_core::CoDel as Words;
        Self {
            shared: Arc::new(Shared {
                words: Words::new(Words::TARGET, Words::INTERVAL),
                clock: Box::new(MonotonicClock),
                tally: Tally::new::<did::CoDel>(),
            }),
        }
    }
}

impl fmt::Debug for CoDel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoDel")
            .field("is_shedding", &self.is_shedding())
            .finish_non_exhaustive()
    }
}
