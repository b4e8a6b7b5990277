//! [`CircuitBreaker`]: the public face; it wires settings, state word and window together.

mod acquiring;
pub(crate) mod borrowed;
pub(crate) mod config;
pub(crate) mod handle;
#[cfg(fuseboard_shuttle)]
pub mod kernel;
mod manual;
mod open_duration;
mod overdue;
pub(crate) mod permit;
mod policy;
mod renewing;
mod rules;
pub(crate) mod saved;
mod settings;
pub(crate) mod settling;
mod state;
mod view;
mod window;
mod word;

use crate::breaker::borrowed::Permit;
use crate::breaker::config::CircuitBreakerConfig;
use crate::breaker::permit::RawPermit;
use crate::breaker::settings::SettingsWords;
use crate::breaker::state::{Change, StateWord};
use crate::breaker::window::owned::OwnedStripe;
use crate::breaker::window::{Head, Stripe, Window};
use crate::breaker::word::Word;
use crate::error::ConfigError;
use crate::event::{Counts, Observer, Transition};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::rejected::Rejected;
use crate::sync::const_unless_loom;

/// A circuit breaker: a few plain atomic words, without pointer, lock or allocation.
///
/// `SLOTS` is the capacity of its window (time slots, or 24 calls of a count window each). With
/// `STRIPES` above 1 its counters are spread over so many cache lines, so that threads do not wait
/// for each other's; a decision then sums them all. With `HANDLES` it has room for so many [`Handle`](crate::Handle)s,
/// each a stripe that one thread has for itself and writes with plain loads and stores.
///
/// # Time
///
/// Every method takes `now` from the caller's monotonic clock. It may be old: nothing is admitted that the
/// latest time seen would not admit.
///
/// # Memory ordering
///
/// An admission after a state change sees everything that the thread that caused the change did before
/// (release and acquire on the state word). Recording an outcome orders nothing else.
///
/// # Source
///
/// M. Nygard, *Release It!* (2007), for the pattern; the half-open round, the generation in each permit and
/// the lease answer faults that are known from its many versions.
///
/// ```
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, Reason, State};
///
/// static PAYMENTS: CircuitBreaker =
///     CircuitBreaker::new(CircuitBreakerConfig::new().minimum_requests(2));
///
/// for second in 0..2 {
///     let now = Nanos::from_secs(second);
///     PAYMENTS.try_acquire(now).expect("closed").failure(now);
/// }
/// assert_eq!(PAYMENTS.state(), State::Open);
/// let rejected = PAYMENTS.try_acquire(Nanos::from_secs(2)).unwrap_err();
/// assert_eq!(rejected.reason, Reason::Open);
/// assert_eq!(rejected.retry_after, Some(Nanos::from_secs(29)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct CircuitBreaker<
    const SLOTS: usize = 10,
    const STRIPES: usize = 1,
    const HANDLES: usize = 0,
> {
    words: Words<SLOTS, STRIPES, HANDLES>,
    settings: SettingsWords,
}

/// What changes while the breaker runs.
#[derive(Debug)]
#[repr(C)]
struct Words<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize> {
    state: StateWord,
    head: Head,
    stripes: [Stripe<SLOTS>; STRIPES],
    owned: [OwnedStripe<SLOTS>; HANDLES],
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    Words<SLOTS, STRIPES, HANDLES>
{
    const_unless_loom! {
        const fn new(initial: Word) -> Self {
            Self {
                state: StateWord::new(initial),
                head: Head::new(),
                stripes: {
                    #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
                    {
                        [const { Stripe::new() }; STRIPES]
                    }
                    #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
                    {
                        core::array::from_fn(|_| Stripe::new())
                    }
                },
                owned: {
                    #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
                    {
                        [const { OwnedStripe::new() }; HANDLES]
                    }
                    #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
                    {
                        core::array::from_fn(|_| OwnedStripe::new())
                    }
                },
            }
        }
    }

    #[inline]
    fn window(&self) -> Window<'_, SLOTS> {
        Window {
            head: &self.head,
            stripes: &self.stripes,
            owned: &self.owned,
        }
    }
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(
    size_of::<Words<10, 1, 0>>() == 256,
    "ten slots, one stripe: 256 bytes"
);

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    const SHAPE: () = assert!(
        SLOTS >= 1 && SLOTS <= rules::SLOTS_MAX && STRIPES >= 1,
        "a breaker has 1 to 63 slots and at least one stripe"
    );

    const_unless_loom! {
        /// A closed breaker.
        ///
        /// # Panics
        /// On a bad configuration; in a `static` that is a compile error.
        pub const fn new(config: CircuitBreakerConfig) -> Self {
            match Self::try_new(config) {
                Ok(breaker) => breaker,
                Err(_) => panic!("bad circuit breaker configuration; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A closed breaker.
        ///
        /// # Errors
        /// The first field that is out of its range.
        pub const fn try_new(config: CircuitBreakerConfig) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            let settings = match config.settings(SLOTS) {
                Ok(settings) => settings,
                Err(error) => return Err(error),
            };
            Ok(Self {
                words: Words::new(Word::INITIAL.watched(settings.geometry.counts_overdue)),
                settings: SettingsWords::new(&settings),
            })
        }
    }

    /// Asks for the right to make one call at `now`.
    ///
    /// # Errors
    /// [`Rejected`] with the reason and, where it can be known, the time to come back.
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<Permit<'_, SLOTS, STRIPES, HANDLES>, Rejected> {
        self.acquire(now, &())
            .map(|raw| Permit { breaker: self, raw })
    }

    /// As [`try_acquire`](Self::try_acquire), with the permit as a value and an observer.
    ///
    /// # Errors
    /// As `try_acquire`.
    #[inline]
    pub fn acquire(&self, now: Nanos, observer: &impl Observer) -> Result<RawPermit, Rejected> {
        self.acquire_in(None, now, observer)
    }

    /// The fast path of [`acquire`](Self::acquire) alone, for hosts whose own entry has to stay small: the permit of a breaker that is closed, not
    /// ramping up, and counts no calls in flight. `None`: `acquire` decides.
    #[inline]
    pub fn acquire_at_once(&self, now: Nanos) -> Option<RawPermit> {
        let word = self.words.state.load();
        word.is_plainly_closed().then(|| RawPermit::new(word, now))
    }

    /// What [`try_acquire`](Self::try_acquire) would decide; changes and counts nothing.
    ///
    /// # Errors
    /// As `try_acquire`.
    #[inline]
    pub fn check(&self, now: Nanos) -> Result<(), Rejected> {
        let state = &self.words.state;
        state
            .decide_at_once(state.load(), now, &self.settings)
            .unwrap_or_else(|| self.check_by_state(now))
    }
}

fn tell(observer: &impl Observer, change: Change, at: Nanos, counts: Counts) {
    if fault!("transition_untold") {
        return;
    }
    observer.transition(&Transition {
        from: change.from.state(),
        to: change.to.state(),
        generation: change.to.generation(),
        at,
        cause: change.cause,
        counts,
    });
}
