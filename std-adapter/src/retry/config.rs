//! [`RetryConfig`].

use crate::retry::{Backoff, RetryBudget};
use fuseboard_core::ConfigError;
use std::time::Duration;

/// Settings of a [`Retry`](crate::Retry).
#[derive(Clone, Debug)]
pub struct RetryConfig {
    /// Attempts in all, the first included; 1 to 1,000. Default 3.
    pub max_attempts: u32,
    /// The pauses between them.
    pub backoff: Backoff,
    /// No attempt is begun this long after the first one. Default `None`: only `max_attempts` counts.
    pub deadline: Option<Duration>,
    /// Where retries are taken from. Default `None`: each call may use all its attempts.
    pub budget: Option<RetryBudget>,
    /// The longest time that a dependency may ask to be left alone (`Retry-After`); longer, and its error is returned at
    /// once. Default 60 s.
    pub max_retry_after: Duration,
    /// Where the jitter's draws start; the same seed gives the same draws. Default `None`: each its own.
    pub jitter_seed: Option<u64>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            backoff: Backoff::default(),
            deadline: None,
            budget: None,
            max_retry_after: Duration::from_secs(60),
            jitter_seed: None,
        }
    }
}

impl RetryConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that is out of its range, with the value and the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=1_000).contains(&self.max_attempts) {
            let allowed = "1 to 1,000 attempts, the first included";
            let given = u64::from(self.max_attempts);
            return Err(ConfigError::integer("max_attempts", given, allowed));
        }
        self.backoff.validate()
    }
}
