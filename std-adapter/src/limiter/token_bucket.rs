//! [`TokenBucketRateLimiter`].

use super::decide;
use crate::clock::{Clock, MonotonicClock};
use fuseboard_core::{ConfigError, Rate, Rejected, Reservation};
use std::sync::Arc;
use std::time::Duration;

/// Admits `rate` on average and `burst` at once.
///
/// A full bucket holds `burst` tokens, each request takes its cost, and tokens come back at
/// `rate`. A clone is another handle of the same bucket. Threads may share it freely; it orders no
/// other memory.
///
/// One from `Board::token_bucket` is shared with every process that claims its name. When an operator removes the name, the next use
/// claims it anew, full, with the rate and burst it was claimed with; where the board has no slot left for it then, it rejects with
/// [`Reason::Full`](crate::Reason::Full) and holds no token.
///
/// ```
/// use fuseboard::{Rate, TokenBucketRateLimiter};
///
/// let limiter = TokenBucketRateLimiter::new(Rate::per_second(100), 2);
/// assert!(limiter.try_acquire().is_ok());
/// assert!(limiter.try_acquire().is_ok());
/// let rejected = limiter.try_acquire().unwrap_err();
/// assert!(rejected.retry_after.is_some());
/// ```
#[derive(Debug)]
pub struct TokenBucketRateLimiter<C = MonotonicClock> {
    shared: Arc<Shared<C>>,
}

#[derive(Debug)]
struct Shared<C> {
    store: Store,
    clock: C,
}

/// Where the words are.
#[derive(Debug)]
enum Store {
    /// In this process.
    Own(fuseboard_core::TokenBucketRateLimiter),
    /// In a named slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(crate::board::BucketSlot),
}

impl Store {
    /// An error where the name was removed from its board and has no slot any more.
    #[inline]
    fn words(&self) -> Result<&fuseboard_core::TokenBucketRateLimiter, Rejected> {
        match self {
            Self::Own(words) => Ok(words),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board(slot) => slot.words(),
        }
    }
}

impl TokenBucketRateLimiter {
    /// A full bucket on the precise clock.
    ///
    /// # Panics
    ///
    /// When `rate` or `burst` is out of its range; [`try_new`](Self::try_new) returns that.
    pub fn new(rate: Rate, burst: u64) -> Self {
        match Self::try_new(rate, burst) {
            Ok(limiter) => limiter,
            Err(error) => panic!("token bucket: {error}"),
        }
    }

    /// A full bucket on the precise clock.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range.
    pub fn try_new(rate: Rate, burst: u64) -> Result<Self, ConfigError> {
        Self::with_clock(rate, burst, MonotonicClock)
    }

    /// One whose words are in a slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(crate) fn on_board(slot: crate::board::BucketSlot) -> Self {
        Self {
            shared: Arc::new(Shared {
                store: Store::Board(slot),
                clock: MonotonicClock,
            }),
        }
    }
}

impl<C> TokenBucketRateLimiter<C> {
    /// The limiter's clock.
    pub fn clock(&self) -> &C {
        &self.shared.clock
    }

    /// Its name on the board; `None` for one of this process alone.
    pub fn name(&self) -> Option<&str> {
        match &self.shared.store {
            Store::Own(_) => None,
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => Some(slot.name()),
        }
    }
}

impl<C: Clock> TokenBucketRateLimiter<C> {
    /// A full bucket on a clock of the caller's choice.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range.
    pub fn with_clock(rate: Rate, burst: u64, clock: C) -> Result<Self, ConfigError> {
        let words = fuseboard_core::TokenBucketRateLimiter::try_new(rate, burst)?;
        let store = Store::Own(words);
        Ok(Self {
            shared: Arc::new(Shared { store, clock }),
        })
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When to come back; nothing was taken.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        let words = self.shared.store.words()?;
        decide(&self.shared.clock, |now| words.try_acquire(now))
    }

    /// Takes `cost` tokens, all or none.
    ///
    /// # Errors
    /// When to come back, or never where `cost` is more than the burst; nothing was taken.
    pub fn try_acquire_many(&self, cost: u64) -> Result<(), Rejected> {
        let words = self.shared.store.words()?;
        decide(&self.shared.clock, |now| words.try_acquire_many(cost, now))
    }

    /// Takes `cost` tokens, or those that flow in within `max_wait`: they are the caller's after
    /// [`Reservation::wait`], and nobody who comes later gets them first.
    ///
    /// # Errors
    /// The wait would be longer, with when it no longer is; or never, where `cost` is more than the burst. Nothing was taken.
    pub fn reserve(&self, cost: u64, max_wait: Duration) -> Result<Reservation, Rejected> {
        let words = self.shared.store.words()?;
        words.reserve(cost, max_wait.into(), self.shared.clock.now())
    }

    /// Gives a reservation of this bucket back, once. Those who reserved behind it keep their turns.
    pub fn cancel(&self, reservation: Reservation) {
        if let Ok(words) = self.shared.store.words() {
            words.cancel(reservation, self.shared.clock.now());
        }
    }

    /// Gives back `cost` tokens that were taken for something that did not happen. The bucket
    /// never holds more than its burst.
    pub fn refund(&self, cost: u64) {
        if let Ok(words) = self.shared.store.words() {
            words.refund(cost, self.shared.clock.now());
        }
    }

    /// Tokens in the bucket now.
    pub fn available(&self) -> u64 {
        let now = self.shared.clock.now();
        let words = self.shared.store.words();
        words.map_or(0, |words| words.available(now))
    }

    /// Tokens when full; 0 where its name was removed from its board and has no slot any more.
    pub fn burst(&self) -> u64 {
        let words = self.shared.store.words();
        words.map_or(0, fuseboard_core::TokenBucketRateLimiter::burst)
    }

    /// The sustained rate; `None` where its name was removed from its board and has no slot any more.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.shared
            .store
            .words()
            .ok()
            .map(fuseboard_core::TokenBucketRateLimiter::rate)
    }

    /// Takes over another rate and burst from now on.
    ///
    /// # Errors
    /// `rate` or `burst` where it is out of its range; nothing has changed then.
    pub fn configure(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
        match &self.shared.store {
            Store::Own(words) => words.configure(rate, burst),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => match slot.words() {
                Ok(words) => words.configure(rate, burst),
                Err(_) => Err(crate::board::nowhere()),
            },
        }
    }

    /// Fills the bucket.
    pub fn reset(&self) {
        if let Ok(words) = self.shared.store.words() {
            words.reset();
        }
    }
}

impl<C> Clone for TokenBucketRateLimiter<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}
