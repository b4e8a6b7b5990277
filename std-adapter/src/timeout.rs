//! [`Timeout`]: a call may take so long.

use crate::call::CallError;
use crate::tally::{Tally, did};
use fuseboard_core::ConfigError;
use std::time::Duration;

/// A time limit for a call: when it is over, the call's future is dropped.
///
/// Around a retry it limits all attempts together, inside it each of them. What the operation has done when it is cut off, it
/// has done: make sure that repeating it is safe, or classify a timeout as not repeatable.
///
/// ```
/// use fuseboard::Timeout;
/// use std::time::Duration;
///
/// # async fn fetch() -> std::io::Result<String> { Ok(String::new()) }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let page = Timeout::new(Duration::from_secs(2))?.call(fetch()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropped at any point, the operation is dropped with it and nothing is left behind.
/// A clone is another handle, which counts with it.
#[derive(Clone, Debug)]
pub struct Timeout {
    limit: Duration,
    tally: Tally,
}

impl Timeout {
    /// A limit of more than no time.
    ///
    /// # Errors
    /// `timeout` where it is zero.
    pub fn new(limit: Duration) -> Result<Self, ConfigError> {
        if limit.is_zero() {
            return Err(ConfigError::span(
                "timeout",
                limit.into(),
                "more than 0 s; leave the policy out where there is to be no limit",
            ));
        }
        Ok(Self {
            limit,
            tally: Tally::new::<did::Timeout>(),
        })
    }

    /// The limit.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Makes a call that has so long.
    ///
    /// # Errors
    /// [`CallError::TimedOut`], or the operation's own. An operation that ends at the very moment of the limit has ended.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        if let Ok(result) = tokio::time::timeout(self.limit, operation).await {
            self.tally.count(did::Timeout::Ended);
            return result.map_err(CallError::OperationFailed);
        }
        self.tally.count(did::Timeout::TimedOut);
        Err(CallError::TimedOut { limit: self.limit })
    }

    /// What became of its calls.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}
