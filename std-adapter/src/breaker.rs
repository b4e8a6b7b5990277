//! [`CircuitBreaker`]: the core's breaker behind a shared handle, with a clock and futures.

mod call;
mod config;
mod error;
mod listeners;
mod permit;
mod store;

pub use config::CircuitBreakerConfig;
pub(crate) use config::fresh_seed;
pub use error::CircuitBreakerError;
pub use permit::Permit;

use crate::clock::{Clock, CoarseClock};
use call::Call;
use fuseboard_core::{
    ConfigError, Counts, LatencySnapshot, Nanos, Outcome, RawPermit, Rejected, Settled, Snapshot,
    State, Transition,
};
use permit::Held;
use std::sync::Arc;
use store::Store;

/// Slots of a time window, and words of a count window.
const SLOTS: usize = 10;
/// Cache lines over which threads spread their counts. Eight keep two threads apart seven times of
/// eight, for half a kilobyte more than one would take.
const STRIPES: usize = 8;

type Words = fuseboard_core::CircuitBreaker<SLOTS, STRIPES>;

/// What all handles of one breaker share.
#[derive(Debug)]
struct Shared<C> {
    name: Box<str>,
    store: Store,
    clock: C,
}

impl<C: Clock> Shared<C> {
    // Always: as `Store::acquire`.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn acquire(&self) -> Result<RawPermit, Rejected> {
        self.store.acquire(&self.clock)
    }
}

/// A circuit breaker: watches the calls to one dependency and stops them while it is failing.
///
/// ```
/// use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState};
/// use std::io;
///
/// # async fn fetch() -> io::Result<String> { Ok(String::from("hello")) }
/// # async fn example() -> Result<(), CircuitBreakerError<io::Error>> {
/// let breaker = CircuitBreaker::new("greetings", CircuitBreakerConfig::default());
/// let greeting = breaker.call(fetch()).await?;
/// assert_eq!(breaker.state(), CircuitState::Closed);
/// # Ok(())
/// # }
/// ```
///
/// A clone is another handle of the same breaker and costs one reference count. A guarded call
/// borrows its handle and counts no reference, takes no lock and allocates nothing.
///
/// # On a board
///
/// One from `Board::breaker` is shared with every process that claims its name, and has the same interface. When an operator removes
/// its name, the next use claims it anew, with the configuration it was claimed with. Where the board has no slot left for it then, it
/// rejects every call with [`Reason::Full`](crate::Reason::Full), its state reads as `ForcedOpen`, and the manual verbs do nothing, until
/// there is one. A probe that dies with its process gives its place back when the lease is over.
///
/// # Cancellation
///
/// A call whose future is dropped, at whichever point, counts as nothing and gives its place back.
/// So does one that panics.
///
/// # Time
///
/// One reading of the clock when a call starts and one when it ends. [`CoarseClock`] is enough for
/// that; [`with_clock`](Self::with_clock) takes any other.
///
/// # Memory ordering
///
/// Threads may share a breaker freely. An admission after a state change sees everything that the
/// thread which caused the change did before it; recording an outcome orders nothing else.
/// Listeners run on the thread that caused the change, after it is true for all threads.
#[derive(Debug)]
pub struct CircuitBreaker<C = CoarseClock> {
    shared: Arc<Shared<C>>,
}

impl CircuitBreaker {
    /// A closed breaker on the coarse clock.
    ///
    /// # Panics
    ///
    /// When a setting is out of its range, with the field, the value and the range. Where the
    /// settings come from outside the program use [`try_new`](Self::try_new).
    pub fn new(name: impl Into<String>, config: CircuitBreakerConfig) -> Self {
        let name = name.into();
        match Self::try_new(name.as_str(), config) {
            Ok(breaker) => breaker,
            Err(error) => panic!("circuit breaker {name:?}: {error}"),
        }
    }

    /// A closed breaker on the coarse clock.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn try_new(
        name: impl Into<String>,
        config: CircuitBreakerConfig,
    ) -> Result<Self, ConfigError> {
        Self::with_clock(name, config, CoarseClock)
    }

    /// One whose words are in a slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(crate) fn on_board(slot: crate::board::BreakerSlot) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: slot.name().into(),
                store: Store::on_board(slot),
                clock: CoarseClock,
            }),
        }
    }
}

impl<C> CircuitBreaker<C> {
    /// The name given at construction.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The breaker's clock.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }

    /// What the breaker does at the moment: one load. It stays `Open` past its deadline, until a
    /// call asks and becomes the first probe.
    pub fn state(&self) -> State {
        self.shared.store.state()
    }

    /// What it runs with.
    pub(crate) fn core_config(&self) -> fuseboard_core::CircuitBreakerConfig {
        self.shared.store.config()
    }

    /// Whether it is on a board, where changes of its state need not be this process's.
    pub(crate) fn is_on_board(&self) -> bool {
        self.shared.store.is_shared()
    }

    /// Calls `listener` after each state change from now on that a user of this handle or its clones causes, on the thread that did.
    ///
    /// It should be quick: a call waits for it. A panic in it is reported by the panic hook and
    /// goes no further. It is kept as long as any handle or permit; one that captures a handle
    /// keeps the breaker alive for ever.
    pub fn on_transition(&self, listener: impl Fn(&Transition) + Send + Sync + 'static) {
        self.shared.store.listeners().add(Arc::new(listener));
    }
}

impl<C: Clock> CircuitBreaker<C> {
    /// A closed breaker on a clock of the caller's choice, such as a [`ManualClock`] in a test.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    ///
    /// [`ManualClock`]: crate::ManualClock
    pub fn with_clock(
        name: impl Into<String>,
        config: CircuitBreakerConfig,
        clock: C,
    ) -> Result<Self, ConfigError> {
        let name = name.into().into_boxed_str();
        let store = Store::own(&config)?;
        Ok(Self {
            shared: Arc::new(Shared { name, store, clock }),
        })
    }

    /// Makes a call under the breaker: `Ok` counts as success, `Err` as failure.
    ///
    /// The permit is asked for when the returned future is first polled.
    ///
    /// # Errors
    /// The operation's own error in [`CircuitBreakerError::OperationFailed`]; else the call was
    /// not made and `operation` not polled.
    pub fn call<F, T, E>(
        &self,
        operation: F,
    ) -> impl Future<Output = Result<T, CircuitBreakerError<E>>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.call_with(operation, by_result)
    }

    /// Makes a call whose end `classify` judges: an error may be the caller's own fault, a value
    /// may tell of a failure.
    ///
    /// ```
    /// # use fuseboard::{CircuitBreaker, CircuitBreakerConfig, Outcome};
    /// # async fn lookup() -> Result<u32, std::io::ErrorKind> { Ok(1) }
    /// # async fn example(breaker: CircuitBreaker) {
    /// // That there is no such user says nothing against the database.
    /// let user = breaker.call_with(lookup(), |result| match result {
    ///     Ok(_) | Err(std::io::ErrorKind::NotFound) => Outcome::Success,
    ///     Err(_) => Outcome::Failure,
    /// });
    /// # let _ = user.await;
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call), whatever the classification: an `Err` remains one.
    pub fn call_with<F, T, E, K>(
        &self,
        operation: F,
        classify: K,
    ) -> impl Future<Output = Result<T, CircuitBreakerError<E>>>
    where
        F: Future<Output = Result<T, E>>,
        K: FnOnce(&Result<T, E>) -> Outcome,
    {
        Call::new(&*self.shared, operation, classify)
    }

    /// Makes a call that blocks the thread: `Ok` counts as success, `Err` as failure, a panic as
    /// nothing.
    ///
    /// # Errors
    /// As [`call`](Self::call); `operation` is not run where the call is rejected.
    pub fn call_blocking<T, E>(
        &self,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitBreakerError<E>> {
        self.call_blocking_with(operation, by_result)
    }

    /// Makes a call that blocks the thread and whose end `classify` judges.
    ///
    /// # Errors
    /// As [`call`](Self::call); `operation` is not run where the call is rejected.
    pub fn call_blocking_with<T, E>(
        &self,
        operation: impl FnOnce() -> Result<T, E>,
        classify: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Result<T, CircuitBreakerError<E>> {
        let held = Held::new(&self.shared.store, self.shared.acquire()?);
        let result = operation();
        let outcome = classify(&result);
        held.settle(outcome, &self.shared.clock);
        result.map_err(CircuitBreakerError::OperationFailed)
    }

    /// Asks for the right to make one call, where the call does not fit into a future or closure.
    ///
    /// # Errors
    /// Why not, and when to come back.
    pub fn try_acquire(&self) -> Result<Permit<C>, Rejected> {
        let raw = self.shared.acquire()?;
        Ok(Permit::new(Arc::clone(&self.shared), raw))
    }

    /// As [`try_acquire`](Self::try_acquire), for hosts whose language has no destructors: the permit as two plain words. Settle it with this
    /// breaker, by [`settle_raw`](Self::settle_raw) or [`cancel_raw`](Self::cancel_raw).
    ///
    /// # Errors
    /// As `try_acquire`.
    #[inline]
    pub fn acquire_raw(&self) -> Result<RawPermit, Rejected> {
        self.shared.acquire()
    }

    /// Settles a permit of [`acquire_raw`](Self::acquire_raw). A second time it is [`Settled::Stale`] at best, and counts again at worst.
    #[inline]
    pub fn settle_raw(&self, permit: RawPermit, outcome: Outcome) -> Settled {
        let Shared { store, clock, .. } = &*self.shared;
        store.settle(permit, outcome, clock)
    }

    /// As [`settle_raw`](Self::settle_raw), for a failure that counts as `weight` failed calls; 0 counts as 1.
    pub fn settle_raw_weighted(&self, permit: RawPermit, outcome: Outcome, weight: u32) -> Settled {
        let Shared { store, clock, .. } = &*self.shared;
        store.settle_weighted(permit, outcome, weight, clock)
    }

    /// Gives back a permit of [`acquire_raw`](Self::acquire_raw) whose call gave no outcome, as dropping one does.
    pub fn cancel_raw(&self, permit: RawPermit) {
        self.shared.store.cancel(permit);
    }

    /// Whether a call would be admitted now. It takes no place, counts nothing and changes no state.
    ///
    /// # Errors
    /// Why not, and when to come back.
    pub fn check(&self) -> Result<(), Rejected> {
        self.shared.store.check(self.now())
    }

    /// The calls in the window as of now, by how they ended.
    pub fn stats(&self) -> Counts {
        self.snapshot().window
    }

    /// State, window, totals and the time to the next probe, as of now. Reading changes nothing.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.store.snapshot(self.now())
    }

    /// How long calls took that ended in success or failure, where [`record_latency`](CircuitBreakerConfig::record_latency) is set;
    /// on a board those of all processes. `None` where it is not.
    pub fn latency(&self) -> Option<LatencySnapshot> {
        self.shared.store.latency()
    }

    /// Rejects every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.shared.store.force_open(self.now());
    }

    /// Admits every call and counts none until [`reset`](Self::reset).
    pub fn disable(&self) {
        self.shared.store.disable(self.now());
    }

    /// Admits every call, counts all of them and never opens, until [`reset`](Self::reset).
    pub fn metrics_only(&self) {
        self.shared.store.metrics_only(self.now());
    }

    /// Closed with an empty window, whatever the state was. Calls under way settle to nothing.
    pub fn reset(&self) {
        self.shared.store.reset(self.now());
    }

    /// Takes over other settings; state and window stay.
    ///
    /// # Errors
    /// The first setting that is out of its range, or `window` where its kind or size would
    /// change. Nothing has changed then.
    pub fn configure(&self, config: CircuitBreakerConfig) -> Result<(), ConfigError> {
        self.shared.store.configure(&config)
    }

    fn now(&self) -> Nanos {
        self.shared.clock.now()
    }
}

impl<C> Clone for CircuitBreaker<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

fn by_result<T, E>(result: &Result<T, E>) -> Outcome {
    if result.is_ok() {
        Outcome::Success
    } else {
        Outcome::Failure
    }
}
