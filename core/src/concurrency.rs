//! [`ConcurrencyLimit`]: the public face; so many calls in flight at once.

pub(crate) mod state;

use crate::concurrency::state::ConcurrencyWord;
use crate::error::ConfigError;
use crate::fault::fault;
use crate::rejected::{Reason, Rejected};
use crate::shedding::PriorityShedding;
use crate::sync::const_unless_loom;

/// At most `limit` calls in flight; more are rejected at once. One word.
///
/// # Range
///
/// 1 to 4,294,967,295 calls. The limit may change under load: lowered, it takes nothing away from calls in flight; raised,
/// it admits at once.
///
/// # Memory ordering
///
/// An admission that takes a place given back by another call sees what that call did (release and
/// acquire).
///
/// # Source
///
/// A counting semaphore that never waits (the "bulkhead" of M. Nygard, *Release It!*, 2007).
///
/// ```
/// use fuseboard_core::{ConcurrencyLimit, Reason};
///
/// static REPORTS: ConcurrencyLimit = ConcurrencyLimit::new(1);
///
/// let permit = REPORTS.try_acquire().expect("a place is free");
/// assert_eq!(REPORTS.try_acquire().unwrap_err().reason, Reason::Full);
/// drop(permit);
/// assert!(REPORTS.try_acquire().is_ok());
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct ConcurrencyLimit {
    word: ConcurrencyWord,
}

impl ConcurrencyLimit {
    const_unless_loom! {
        /// A limit with nothing in flight.
        ///
        /// # Panics
        /// On a limit of zero; in a `static` that is a compile error.
        pub const fn new(limit: u32) -> Self {
            match Self::try_new(limit) {
                Ok(limit) => limit,
                Err(_) => panic!("bad concurrency limit; `try_new` says why"),
            }
        }
    }

    const_unless_loom! {
        /// A limit with nothing in flight.
        ///
        /// # Errors
        /// `limit`: zero.
        pub const fn try_new(limit: u32) -> Result<Self, ConfigError> {
            match checked(limit) {
                Ok(limit) => Ok(Self { word: ConcurrencyWord::new(limit) }),
                Err(error) => Err(error),
            }
        }
    }

    /// Takes a place until the permit is dropped.
    ///
    /// # Errors
    /// [`Reason::Full`].
    #[inline]
    pub fn try_acquire(&self) -> Result<ConcurrencyPermit<'_>, Rejected> {
        self.acquire_raw()
            .map(|()| ConcurrencyPermit { limit: self })
    }

    /// Takes a place that the caller gives back with [`release_raw`](Self::release_raw).
    ///
    /// # Errors
    /// [`Reason::Full`].
    #[inline]
    pub fn acquire_raw(&self) -> Result<(), Rejected> {
        admitted(self.word.admit(|limit| limit))
    }

    /// As [`try_acquire`](Self::try_acquire), for a request of this priority (255 is shed last): a place of the share
    /// of the limit that `shedding` leaves to it.
    ///
    /// # Errors
    /// [`Reason::Full`].
    #[inline]
    pub fn try_acquire_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
    ) -> Result<ConcurrencyPermit<'_>, Rejected> {
        self.acquire_raw_prioritized(shedding, priority)
            .map(|()| ConcurrencyPermit { limit: self })
    }

    /// As [`try_acquire_prioritized`](Self::try_acquire_prioritized), given back with [`release_raw`](Self::release_raw).
    ///
    /// # Errors
    /// [`Reason::Full`].
    #[inline]
    pub fn acquire_raw_prioritized(
        &self,
        shedding: PriorityShedding,
        priority: u8,
    ) -> Result<(), Rejected> {
        let priority = fault!("priority_upside_down", u8::MAX - priority, priority);
        admitted(self.word.admit(|limit| shedding.places(limit, priority)))
    }

    /// Gives a place back; `false` when none was taken, and nothing is changed.
    #[inline]
    pub fn release_raw(&self) -> bool {
        self.word.release().is_some()
    }

    /// Calls in flight.
    pub fn in_flight(&self) -> u32 {
        self.word.load().1
    }

    /// The limit.
    pub fn limit(&self) -> u32 {
        self.word.load().0
    }

    /// Changes the limit. Lowered below the calls in flight, nothing is admitted until enough of them have ended.
    ///
    /// # Errors
    /// `limit`: zero.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.word.set_limit(checked(limit)?);
        Ok(())
    }
}

/// A place or [`Reason::Full`]: nobody can know when a call will end.
pub(crate) const fn admitted(is_admitted: bool) -> Result<(), Rejected> {
    if is_admitted {
        Ok(())
    } else {
        Err(Rejected {
            reason: Reason::Full,
            retry_after: None,
        })
    }
}

const fn checked(limit: u32) -> Result<u32, ConfigError> {
    if limit == 0 {
        Err(ConfigError::integer(
            "limit",
            0,
            "at least 1 call in flight",
        ))
    } else {
        Ok(limit)
    }
}

/// A place in a [`ConcurrencyLimit`]; dropping it gives the place back, once.
///
/// ```compile_fail
/// # use fuseboard_core::ConcurrencyLimit;
/// let limit = ConcurrencyLimit::new(1);
/// let permit = limit.try_acquire().unwrap();
/// drop(permit);
/// drop(permit); // a place is given back once
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, the place is free again before the call"]
pub struct ConcurrencyPermit<'a> {
    limit: &'a ConcurrencyLimit,
}

impl ConcurrencyPermit<'_> {
    /// Keeps the place taken; the caller gives it back with [`ConcurrencyLimit::release_raw`].
    pub fn into_raw(self) {
        core::mem::forget(self);
    }
}

impl Drop for ConcurrencyPermit<'_> {
    fn drop(&mut self) {
        self.limit.release_raw();
    }
}
