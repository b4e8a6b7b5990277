//! [`ClientThrottle`]: adaptive throttling at the client, behind a shared handle.

use crate::call::{CallError, PolicyKind};
use crate::classify::{ByResult, Classify};
use crate::clock::{Clock, CoarseClock};
use crate::tally::{Tally, did};
use fuseboard_core::{ClientThrottleConfig, ConfigError, Outcome, Rejected};
use std::fmt;
use std::sync::Arc;

/// Rejects by itself what the backend would refuse, in the share in which it refuses: a backend that is overloaded is spared even the
/// work of saying no. Unlike a breaker it never stops all calls, and nothing is to be probed afterwards.
///
/// ```
/// use fuseboard::{ClientThrottle, ClientThrottleConfig};
///
/// # async fn geocode(place: &str) -> std::io::Result<String> { Ok(place.to_owned()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let throttle = ClientThrottle::new(ClientThrottleConfig::new().multiplier(2.0))?;
/// let place = throttle.call(geocode("Ulm")).await?;
/// # Ok(())
/// # }
/// ```
///
/// A rejection says no time to come back: nobody can know it. What counts as refused is for [`Classify`] to say; a call that says nothing
/// about the backend (ignored, or dropped) is not counted. Each process draws by the seed of its configuration.
///
/// # Cancellation
///
/// Dropped at any point, a call counts as nothing. A clone is another handle of the same throttle.
#[derive(Clone)]
pub struct ClientThrottle {
    shared: Arc<Shared>,
}

struct Shared {
    words: fuseboard_core::ClientThrottle,
    clock: Box<dyn Clock + Send + Sync>,
    tally: Tally,
}

impl ClientThrottle {
    /// A throttle that has seen nothing, on the coarse clock.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn new(config: ClientThrottleConfig) -> Result<Self, ConfigError> {
        Self::with_clock(config, CoarseClock)
    }

    /// The same on a clock of the caller's choice.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn with_clock(
        config: ClientThrottleConfig,
        clock: impl Clock + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            shared: Arc::new(Shared {
                words: fuseboard_core::ClientThrottle::try_new(config)?,
                clock: Box::new(clock),
                tally: Tally::new::<did::Throttle>(),
            }),
        })
    }

    /// Asks for one call.
    ///
    /// # Errors
    /// It would probably be refused; there is no telling when it would not be.
    pub fn try_acquire(&self) -> Result<ThrottlePermit, Rejected> {
        let Shared {
            words,
            clock,
            tally,
        } = &*self.shared;
        if let Err(rejected) = words.try_acquire(clock.now()) {
            tally.count(did::Throttle::Rejected);
            return Err(rejected);
        }
        tally.count(did::Throttle::Admitted);
        Ok(ThrottlePermit {
            shared: Arc::clone(&self.shared),
        })
    }

    /// Makes a call; every `Err` counts as refused.
    ///
    /// # Errors
    /// The throttle rejected it, or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        self.call_with(&ByResult, operation).await
    }

    /// Makes a call whose end `classify` judges: a failure was refused, a success accepted.
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
            Err(rejected) => return Err(CallError::rejected(PolicyKind::Throttle, rejected)),
        };
        let result = operation.await;
        permit.settle(classify.classify(result.as_ref()).outcome);
        result.map_err(CallError::OperationFailed)
    }

    /// What became of those who asked.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// (requests, accepts) in the window now; a rejected call is a request too.
    pub fn counts(&self) -> (u64, u64) {
        self.shared.words.counts(self.shared.clock.now())
    }

    /// The share of calls, 0 to below 1, that would be rejected now.
    pub fn rejection_share(&self) -> f64 {
        self.shared.words.rejection_share(self.shared.clock.now())
    }

    /// Takes another multiplier and minimum over; what was counted stays.
    ///
    /// # Errors
    /// The first setting that is out of its range, or `window` where it is another one; nothing has changed then.
    pub fn configure(&self, config: ClientThrottleConfig) -> Result<(), ConfigError> {
        self.shared.words.configure(config)
    }
}

impl fmt::Debug for ClientThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, accepts) = self.counts();
        f.debug_struct("ClientThrottle")
            .field("requests", &requests)
            .field("accepts", &accepts)
            .finish_non_exhaustive()
    }
}

/// A call that a [`ClientThrottle`] has let through. Settle it with the outcome; dropped, it counts as nothing.
#[must_use = "a permit that is dropped tells the throttle nothing"]
pub struct ThrottlePermit {
    shared: Arc<Shared>,
}

impl ThrottlePermit {
    /// Success: the backend took the call. Failure: it refused it as too much, or did not answer in time. Ignored: neither.
    pub fn settle(self, outcome: Outcome) {
        let Shared { words, clock, .. } = &*self.shared;
        match outcome {
            Outcome::Success => words.accepted(clock.now()),
            Outcome::Failure => words.refused(clock.now()),
            Outcome::Ignored => {}
        }
    }
}

impl fmt::Debug for ThrottlePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottlePermit").finish_non_exhaustive()
    }
}
