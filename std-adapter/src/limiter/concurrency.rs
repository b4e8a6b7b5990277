//! [`ConcurrencyLimit`] and its [`ConcurrencyPermit`].

use crate::tally::{Tally, did};
use fuseboard_core::{ConfigError, Rejected};
use std::sync::Arc;

/// Admits at most so many calls at once.
///
/// A clone is another handle of the same limit.
///
/// One from `Board::concurrency_limit` is shared with every process that claims its name; then `limit` is at most 65,535, and the places of a
/// process that dies come back when somebody finds the limit full, at most 50 ms later. When an operator removes the name, the next
/// use claims it anew, with the limit it was claimed with; where the board has no slot left for it then, it rejects every
/// call, and its numbers are 0.
///
/// ```
/// use fuseboard::ConcurrencyLimit;
///
/// let limit = ConcurrencyLimit::new(1);
/// let permit = limit.try_acquire().unwrap();
/// assert!(limit.try_acquire().is_err());
/// drop(permit);
/// assert!(limit.try_acquire().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    store: Store,
    tally: Tally,
}

/// Where the words are.
#[derive(Clone, Debug)]
enum Store {
    /// In this process.
    Own(Arc<fuseboard_core::ConcurrencyLimit>),
    /// In a named slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(Arc<crate::board::LimitSlot>),
}

impl ConcurrencyLimit {
    /// At most `limit` calls at once.
    ///
    /// # Panics
    ///
    /// When `limit` is out of its range; [`try_new`](Self::try_new) returns that.
    pub fn new(limit: u32) -> Self {
        match Self::try_new(limit) {
            Ok(limit) => limit,
            Err(error) => panic!("concurrency limit: {error}"),
        }
    }

    /// At most `limit` calls at once.
    ///
    /// # Errors
    /// `limit` where it is out of its range.
    pub fn try_new(limit: u32) -> Result<Self, ConfigError> {
        let words = fuseboard_core::ConcurrencyLimit::try_new(limit)?;
        Ok(Self {
            store: Store::Own(Arc::new(words)),
            tally: Tally::new::<did::Concurrency>(),
        })
    }

    /// One whose words are in a slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(crate) fn on_board(slot: crate::board::LimitSlot) -> Self {
        Self {
            store: Store::Board(Arc::new(slot)),
            tally: Tally::new::<did::Concurrency>(),
        }
    }

    /// Its name on the board; `None` for one of this process alone.
    pub fn name(&self) -> Option<&str> {
        match &self.store {
            Store::Own(_) => None,
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => Some(slot.name()),
        }
    }

    /// Takes one place, held as long as the permit.
    ///
    /// # Errors
    /// All places are taken; there is no telling when one is free.
    pub fn try_acquire(&self) -> Result<ConcurrencyPermit, Rejected> {
        match self.held() {
            Ok(held) => Ok(ConcurrencyPermit { held }),
            Err(rejected) => {
                // Admissions are not counted: that would cost as much as the admission.
                self.tally.count(did::Concurrency::Rejected);
                Err(rejected)
            }
        }
    }

    fn held(&self) -> Result<Held, Rejected> {
        Ok(match &self.store {
            Store::Own(words) => {
                words.acquire_raw()?;
                Held::Own(Arc::clone(words))
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => Held::Board(Arc::clone(slot), slot.acquire()?),
        })
    }

    /// How often this process was rejected; admissions are not counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Places taken now.
    pub fn in_flight(&self) -> u32 {
        match &self.store {
            Store::Own(words) => words.in_flight(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => slot.numbers().0,
        }
    }

    /// Places in all.
    pub fn limit(&self) -> u32 {
        match &self.store {
            Store::Own(words) => words.limit(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => slot.numbers().1,
        }
    }

    /// Changes the number of places. Permits beyond a lower limit stay valid until they end.
    ///
    /// # Errors
    /// `limit` where it is out of its range; nothing has changed then.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        match &self.store {
            Store::Own(words) => words.set_limit(limit),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Store::Board(slot) => slot.set_limit(limit),
        }
    }
}

/// One place of a [`ConcurrencyLimit`]; dropping it gives the place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place"]
pub struct ConcurrencyPermit {
    held: Held,
}

/// Whose place it is.
#[derive(Debug)]
enum Held {
    Own(Arc<fuseboard_core::ConcurrencyLimit>),
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(Arc<crate::board::LimitSlot>, crate::board::Place),
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        match &self.held {
            Held::Own(words) => {
                words.release_raw();
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Held::Board(slot, place) => slot.release(*place),
        }
    }
}
