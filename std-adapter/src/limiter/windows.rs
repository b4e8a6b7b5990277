//! [`SlidingCounterRateLimiter`], [`FixedWindowRateLimiter`] and [`LeakyBucketRateLimiter`]: one word each.

use super::acquire::{Acquire, Limiter, Quota, Resets, narrow};
use super::decide;
use super::decision::Decision;
use crate::clock::{Clock, MonotonicClock};
use fuseboard_core::{ConfigError, LeakyBucket, Nanos, Rate, Rejected};
use std::sync::Arc;
use std::time::Duration;

/// The words, their clock, and what they were made with.
#[derive(Debug)]
struct Shared<W, C> {
    words: W,
    quota: Quota,
    clock: C,
}

/// The two differ by what they are and by how wide they count.
macro_rules! windows {
    ($($(#[$doc:meta])* $name:ident($count:ty), $narrow:expr, $resets:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<C = MonotonicClock> {
            shared: Arc<Shared<fuseboard_core::$name, C>>,
        }

        impl $name {
            /// An idle limiter on the precise clock.
            ///
            /// # Errors
            /// `limit` or `window` where it is out of its range.
            pub fn try_new(limit: $count, window: Duration) -> Result<Self, ConfigError> {
                Self::with_clock(limit, window, MonotonicClock)
            }
        }

        impl<C: Clock> $name<C> {
            /// An idle limiter on a clock of the caller's choice.
            ///
            /// # Errors
            /// `limit` or `window` where it is out of its range.
            pub fn with_clock(limit: $count, window: Duration, clock: C) -> Result<Self, ConfigError> {
                let words = fuseboard_core::$name::try_new(limit, Nanos::from(window))?;
                let quota = Quota { limit: u64::from(limit), window };
                Ok(Self { shared: Arc::new(Shared { words, quota, clock }) })
            }

            /// Takes one unit.
            ///
            /// # Errors
            /// When to come back; nothing was taken.
            pub fn try_acquire(&self) -> Result<(), Rejected> {
                self.try_acquire_many(1)
            }

            /// Takes `cost` units, all or none.
            ///
            /// # Errors
            /// When to come back, or never where `cost` is more than the limit; nothing was taken.
            pub fn try_acquire_many(&self, cost: $count) -> Result<(), Rejected> {
                let Shared { words, clock, .. } = &*self.shared;
                decide(clock, |now| words.try_acquire_many(cost, now))
            }

            /// Gives back `cost` units that were taken for something that did not happen.
            pub fn refund(&self, cost: $count) {
                self.shared.words.refund(cost, self.shared.clock.now());
            }

            /// Units left now.
            pub fn available(&self) -> $count {
                self.shared.words.available(self.shared.clock.now())
            }
        }

        impl<C> Clone for $name<C> {
            fn clone(&self) -> Self {
                Self { shared: Arc::clone(&self.shared) }
            }
        }

        impl<C: Clock + Send + Sync> Limiter for $name<C> {
            fn acquire<'a>(&'a self, _: &'a str, cost: u64) -> Acquire<'a> {
                Acquire::ready(Decision::local(
                    self.quota(),
                    cost,
                    || self.try_acquire_many($narrow(cost)?),
                    || u64::from(self.available()),
                    $resets,
                ))
            }

            fn quota(&self) -> Quota {
                self.shared.quota
            }
        }
    )+};
}

windows! {
    /// Admits about `limit` units in any span of `window`, up to twice that around a burst, by two counts in one word.
    ///
    /// A clone is another handle of the same limiter. Threads may share it freely; it orders no other memory.
    SlidingCounterRateLimiter(u32), narrow, Resets::After(2);
    /// Admits at most `limit` units in each window, which all begin at multiples of its length: twice the limit across an edge.
    ///
    /// A clone is another handle of the same limiter. Threads may share it freely; it orders no other memory.
    FixedWindowRateLimiter(u64), Ok::<u64, Rejected>, Resets::After(1);
}

/// Paces: one unit in each interval of its rate, none at once. Where callers shall wait for their turn, `RateLimit` has a line.
///
/// A clone is another handle of the same limiter. Threads may share it freely; it orders no other memory.
#[derive(Debug)]
pub struct LeakyBucketRateLimiter<C = MonotonicClock> {
    shared: Arc<Shared<LeakyBucket, C>>,
}

impl LeakyBucketRateLimiter {
    /// A pacer on the precise clock.
    ///
    /// # Errors
    /// `rate` where it is out of its range.
    pub fn try_new(rate: Rate) -> Result<Self, ConfigError> {
        Self::with_clock(rate, MonotonicClock)
    }
}

impl<C: Clock> LeakyBucketRateLimiter<C> {
    /// A pacer on a clock of the caller's choice.
    ///
    /// # Errors
    /// `rate` where it is out of its range.
    pub fn with_clock(rate: Rate, clock: C) -> Result<Self, ConfigError> {
        let words = LeakyBucket::try_new(rate, 0)?;
        let quota = Quota::of_bucket(rate.units(), rate.per().into(), 1);
        Ok(Self {
            shared: Arc::new(Shared {
                words,
                quota,
                clock,
            }),
        })
    }

    /// Takes the turn that is free now.
    ///
    /// # Errors
    /// When the next one is; nothing was taken.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        let Shared { words, clock, .. } = &*self.shared;
        decide(clock, |now| words.try_acquire(now))
    }
}

impl<C> Clone for LeakyBucketRateLimiter<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C: Clock + Send + Sync> Limiter for LeakyBucketRateLimiter<C> {
    fn acquire<'a>(&'a self, _: &'a str, cost: u64) -> Acquire<'a> {
        let Shared { words, clock, .. } = &*self.shared;
        Acquire::ready(Decision::local(
            self.quota(),
            cost,
            || decide(clock, |now| words.try_acquire_many(cost, now)),
            || words.available(clock.now()),
            Resets::InProportion,
        ))
    }

    fn quota(&self) -> Quota {
        self.shared.quota
    }
}
