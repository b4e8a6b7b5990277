//! [`ConcurrencyLimit`] and its [`ConcurrencyPermit`].

use fuseboard_core::{ConfigError, Rejected};
use std::sync::Arc;

/// Admits at most so many calls at once.
///
/// A clone is another handle of the same limit.
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
    words: Arc<fuseboard_core::ConcurrencyLimit>,
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
        Ok(Self {
            words: Arc::new(fuseboard_core::ConcurrencyLimit::try_new(limit)?),
        })
    }

    /// Takes one place, held as long as the permit.
    ///
    /// # Errors
    /// All places are taken; there is no telling when one is free.
    pub fn try_acquire(&self) -> Result<ConcurrencyPermit, Rejected> {
        self.words.acquire_raw()?;
        Ok(ConcurrencyPermit {
            words: Arc::clone(&self.words),
        })
    }

    /// Places taken now.
    pub fn in_flight(&self) -> u32 {
        self.words.in_flight()
    }

    /// Places in all.
    pub fn limit(&self) -> u32 {
        self.words.limit()
    }

    /// Changes the number of places. Permits beyond a lower limit stay valid until they end.
    ///
    /// # Errors
    /// `limit` where it is out of its range; nothing has changed then.
    pub fn set_limit(&self, limit: u32) -> Result<(), ConfigError> {
        self.words.set_limit(limit)
    }
}

/// One place of a [`ConcurrencyLimit`]; dropping it gives the place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place"]
pub struct ConcurrencyPermit {
    words: Arc<fuseboard_core::ConcurrencyLimit>,
}

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.words.release_raw();
    }
}
