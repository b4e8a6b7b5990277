//! [`Shadow`]: any policy, decided and counted but never enforced.

use crate::fault::fault;
use crate::rejected::{Reason, Rejected};
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

/// Lets every request pass and counts, by reason, those that the policy would have rejected: to try a
/// setting on real traffic before it can hurt.
///
/// It wraps the decision, not the policy, so it works with every breaker and limiter alike. A breaker in
/// shadow opens, probes and closes as it would; calls that it would have rejected have no permit and are not counted by it.
///
/// ```
/// use fuseboard_core::{Nanos, Rate, Reason, Shadow, TokenBucketRateLimiter};
///
/// static LIMIT: TokenBucketRateLimiter = TokenBucketRateLimiter::new(Rate::per_second(1), 1);
/// static TRIAL: Shadow = Shadow::new();
///
/// for _ in 0..3 {
///     let _permit = TRIAL.admit(LIMIT.try_acquire(Nanos::ZERO));
///     // The call is made in any case.
/// }
/// assert_eq!(TRIAL.would_reject(Reason::Limited), 2);
/// ```
#[derive(Debug)]
pub struct Shadow {
    would_reject: [AtomicU64; Reason::ALL.len()],
}

impl Shadow {
    const_unless_loom! {
        /// Nothing counted yet.
        pub const fn new() -> Self {
            Self { would_reject: zeroed_words!() }
        }
    }

    /// The permit of a request that the policy admits; `None` for one that it would have rejected,
    /// which is counted and admitted all the same.
    pub fn admit<P>(&self, decision: Result<P, Rejected>) -> Option<P> {
        match decision {
            Ok(permit) => Some(permit),
            Err(rejected) => {
                if let Some(count) = self.count(rejected.reason) {
                    // Relaxed: a counter for display.
                    count.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
        }
    }

    /// Requests that would have been rejected for this reason.
    pub fn would_reject(&self, reason: Reason) -> u64 {
        // Relaxed: a counter for display.
        self.count(reason)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn count(&self, reason: Reason) -> Option<&AtomicU64> {
        let place = Reason::ALL
            .iter()
            .position(|&listed| listed == reason || fault!("shadow_counts_in_one"))?;
        self.would_reject.get(place)
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O1: every reason has a count of its own.
    #[test]
    fn o1_each_reason_is_counted_apart() {
        let shadow = Shadow::new();
        for (times, &reason) in Reason::ALL.iter().enumerate() {
            for _ in 0..times {
                let rejected = Rejected {
                    reason,
                    retry_after: None,
                };
                assert_eq!(shadow.admit::<()>(Err(rejected)), None);
            }
        }
        assert_eq!(shadow.admit(Ok(7)), Some(7));
        for (times, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(shadow.would_reject(reason), times as u64);
        }
    }
}
