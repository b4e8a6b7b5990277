//! [`KeyedRateLimiter`] and [`KeyedTable`]: the public face of the keyed limiter.

pub(crate) mod entry;
pub(crate) mod hash;
mod places;
mod shared;
mod table;
mod taking;

use crate::error::ConfigError;
use crate::keyed::entry::KeyedEntry;
use crate::keyed::shared::Shared;
use crate::keyed::table::Table;
use crate::nanos::Nanos;
use crate::rejected::Rejected;
use crate::sync::const_unless_loom;
use crate::token_bucket::quota::{Quota, Rate};

/// What a keyed limiter does with a key that finds all its places taken by keys whose bucket is not full.
/// Each such request is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// Rejects it until the first of them is: nobody gets more than the limit.
    Reject = 0,
    /// Admits it without counting: nobody is rejected for the sake of others.
    Admit = 1,
    /// Lets all such keys share one bucket more. A key may get that on top of its own.
    ShareOverflow = 2,
}

/// One token bucket for each key, in a fixed table of `N` places of 16 bytes.
///
/// A key is a number: an id as it is, or what [`hash_key`](crate::hash_key) makes of bytes. It needs a
/// place only while its bucket is not full, so `N` bounds how many keys are limited *at a time*: choose half as many more.
///
/// # Keys that others choose
///
/// The table never grows and a request looks at 19 places at most, whoever chooses the keys. What somebody who sends many
/// different keys can do is fill it: then [`WhenFull`] decides. With keys made by `hash_key` and a secret seed
/// they cannot aim at a place or at another key.
///
/// # Accuracy and range
///
/// Each key as a [`TokenBucketRateLimiter`](crate::TokenBucketRateLimiter), with the interval rounded up to a whole nanosecond. `now` up to 73
/// years after the clock's zero; later everything is rejected. Two of a million keys share a bucket
/// with a chance of 1 in 10,000: 40 bits of the mixed key are kept beside its places.
///
/// # Memory ordering
///
/// An admission promises none. Lock-free: a thread that is stopped anywhere keeps nobody from being decided.
///
/// # Source
///
/// GCRA as in the token bucket. Entering a table of open addressing without locks: C. Purcell, T. Harris, "Non-blocking
/// hashtables with open addressing" (2005); two groups to choose from: Y. Azar et al., "Balanced allocations" (1994). Why it never
/// admits too much stands in `keyed/table.rs`.
///
/// ```
/// use fuseboard_core::{KeyedRateLimiter, Nanos, Rate, WhenFull, hash_key};
///
/// static CLIENTS: KeyedRateLimiter<1024> =
///     KeyedRateLimiter::new(Rate::per_second(10), 1, WhenFull::Reject);
///
/// let (seed, now) = ([1, 2], Nanos::from_secs(1));
/// let alice = hash_key(seed, b"alice");
/// assert!(CLIENTS.try_acquire(alice, now).is_ok());
/// assert!(CLIENTS.try_acquire(hash_key(seed, b"bob"), now).is_ok());
/// let rejected = CLIENTS.try_acquire(alice, now).unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
/// ```
#[derive(Debug)]
#[repr(C, align(128))]
pub struct KeyedRateLimiter<const N: usize> {
    entries: [KeyedEntry; N],
    shared: Shared,
}

/// A [`KeyedRateLimiter`] whose places the caller provides: as many as fit in memory, wherever they lie.
///
/// ```
/// use fuseboard_core::{KeyedEntry, KeyedTable, Nanos, Rate, WhenFull};
///
/// let places: Vec<KeyedEntry> = (0..100_000).map(|_| KeyedEntry::new()).collect();
/// let users = KeyedTable::try_new(&places, Rate::per_minute(60), 5, WhenFull::ShareOverflow)?;
///
/// assert_eq!(users.available(4711, Nanos::ZERO), 5);
/// # Ok::<(), fuseboard_core::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct KeyedTable<'a> {
    entries: &'a [KeyedEntry],
    shared: Shared,
}

/// The operations are the same, wherever the places lie.
macro_rules! operations {
    () => {
        /// Takes one unit of `key` at `now`.
        ///
        /// # Errors
        /// [`Reason::Limited`](crate::Reason::Limited) with the exact time to come back.
        #[inline]
        pub fn try_acquire(&self, key: u64, now: Nanos) -> Result<(), Rejected> {
            self.table().acquire(key, 1, now)
        }

        /// Takes `cost` units of `key` at `now`, or none. A cost of 0 is always admitted.
        ///
        /// # Errors
        /// [`Reason::Limited`](crate::Reason::Limited) with the exact time to come back;
        /// [`Reason::Never`](crate::Reason::Never) when `cost` is more than the burst.
        #[inline]
        pub fn try_acquire_many(&self, key: u64, cost: u64, now: Nanos) -> Result<(), Rejected> {
            self.table().acquire(key, cost, now)
        }

        /// Gives `cost` units of `key` back at `now`, up to a full bucket. Give back only what was taken. `now` is at
        /// least as late as that of the key's latest admission. What was admitted without a place is not given back.
        pub fn refund(&self, key: u64, cost: u64, now: Nanos) {
            self.table().refund(key, cost, now);
        }

        /// Whole units of `key` that would be admitted at `now`.
        pub fn available(&self, key: u64, now: Nanos) -> u64 {
            self.table().available(key, now)
        }

        /// Keys whose bucket is not full at `now`. Looks at every place.
        pub fn live(&self, now: Nanos) -> usize {
            self.table().live(now)
        }

        /// Places.
        pub fn capacity(&self) -> usize {
            self.table().entries.len()
        }

        /// How many requests found no place so far.
        pub fn overflows(&self) -> u64 {
            self.shared.overflows()
        }

        /// Changes rate and burst of all keys and keeps what was taken: at most the old burst and the new
        /// one are admitted together.
        ///
        /// # Errors
        /// `rate` or `burst`, as for a new one; nothing is changed then.
        pub fn configure(&self, rate: Rate, burst: u64) -> Result<(), ConfigError> {
            self.shared.quota.store(Quota::new(rate, burst, SCALE)?);
            Ok(())
        }

        /// Fills the bucket of every key.
        pub fn reset(&self) {
            self.table().reset();
        }
    };
}

/// Times are whole nanoseconds: a place has no bits for less.
const SCALE: u64 = 1;

impl<const N: usize> KeyedRateLimiter<N> {
    const SHAPE: () = assert!(N >= 1, "a keyed limiter has at least one place");

    const_unless_loom! {
        /// A table with every bucket full.
        ///
        /// # Panics
        /// On a bad quota; in a `static` that is a compile error.
        pub const fn new(rate: Rate, burst: u64, when_full: WhenFull) -> Self {
            match Self::try_new(rate, burst, when_full) {
                Ok(limiter) => limiter,
                Err(_) => panic!("bad quota of a keyed limiter; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A table with every bucket full.
        ///
        /// # Errors
        /// `rate`: no unit, no time, or more than one unit each nanosecond. `burst`: zero, or more units than
        /// the rate gives in 18 years.
        pub const fn try_new(
            rate: Rate,
            burst: u64,
            when_full: WhenFull,
        ) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            match Quota::new(rate, burst, SCALE) {
                Ok(quota) => Ok(Self {
                    entries: {
                        #[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
                        {
                            [const { KeyedEntry::new() }; N]
                        }
                        #[cfg(any(fuseboard_loom, fuseboard_shuttle))]
                        {
                            core::array::from_fn(|_| KeyedEntry::new())
                        }
                    },
                    shared: Shared::new(quota, when_full),
                }),
                Err(error) => Err(error),
            }
        }
    }

    operations!();

    #[inline]
    fn table(&self) -> Table<'_> {
        Table {
            entries: &self.entries,
            shared: &self.shared,
        }
    }
}

impl<'a> KeyedTable<'a> {
    const_unless_loom! {
        /// A table on these places; all zero, every bucket is full. A second table on the same places, with the same quota,
        /// sees the same keys, but not what happened to those that left.
        ///
        /// # Errors
        /// As [`KeyedRateLimiter::try_new`]. `entries`: no place at all.
        pub const fn try_new(
            entries: &'a [KeyedEntry],
            rate: Rate,
            burst: u64,
            when_full: WhenFull,
        ) -> Result<Self, ConfigError> {
            if entries.is_empty() {
                return Err(ConfigError::integer("entries", 0, "at least 1 place"));
            }
            match Quota::new(rate, burst, SCALE) {
                Ok(quota) => Ok(Self {
                    entries,
                    shared: Shared::new(quota, when_full),
                }),
                Err(error) => Err(error),
            }
        }
    }

    operations!();

    #[inline]
    fn table(&self) -> Table<'_> {
        Table {
            entries: self.entries,
            shared: &self.shared,
        }
    }
}
