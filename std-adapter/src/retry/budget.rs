//! [`RetryBudget`]: the core's budget behind a shared handle.

use crate::clock::{Clock, TokioClock};
use fuseboard_core::{ConfigError, Rejected};
use std::sync::Arc;
use std::time::Duration;

/// Retries and hedges as a share of the calls, so that they cannot multiply an outage. A clone is another handle of the
/// same budget: share one among all callers of a dependency.
///
/// The default is Finagle's: a fifth of the calls, and ten a second for clients with few of them.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    words: Arc<fuseboard_core::RetryBudget>,
}

impl RetryBudget {
    /// So many retries to a call (0 to 1,000), `minimum_per_second` beside that; both are forgotten after `ttl`.
    ///
    /// # Errors
    /// `ratio`, `minimum_per_second` or `ttl` where it is out of its range.
    pub fn new(ratio: f64, minimum_per_second: u32, ttl: Duration) -> Result<Self, ConfigError> {
        let words = fuseboard_core::RetryBudget::try_new(ratio, minimum_per_second, ttl.into())?;
        Ok(Self {
            words: Arc::new(words),
        })
    }

    /// A call was made (not a retry).
    pub fn deposit(&self) {
        self.words.deposit(TokioClock.now());
    }

    /// Asks for one retry.
    ///
    /// # Errors
    /// The budget is used up.
    pub fn withdraw(&self) -> Result<(), Rejected> {
        self.words.withdraw(TokioClock.now())
    }

    /// Retries that would be admitted now.
    pub fn available(&self) -> u64 {
        self.words.available(TokioClock.now())
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        type Words = fuseboard_core::RetryBudget;
        let words = Words::new(Words::RATIO, Words::MINIMUM_PER_SECOND, Words::TTL);
        Self {
            words: Arc::new(words),
        }
    }
}
