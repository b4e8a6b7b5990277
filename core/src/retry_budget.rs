//! [`RetryBudget`]: the public face; retries as a share of requests.

mod state;

use crate::error::ConfigError;
use crate::nanos::Nanos;
use crate::rejected::{Reason, Rejected};
use crate::retry_budget::state::{Budget, BudgetWords, Rules};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};
use crate::throttle::slots;

/// Retries bounded by a share of the requests, so that they cannot multiply an outage.
///
/// Each request makes a deposit of `ratio`; each retry withdraws one. Both are forgotten after `ttl`. Beside the deposits
/// `minimum_per_second * ttl` retries are free in each `ttl`, for clients with few requests.
///
/// In any `ttl` (by slots) retries are at most `ratio * requests + minimum_per_second * ttl`, by however many threads: a
/// withdrawal is one swap that knows all the others.
///
/// # Accuracy
///
/// The time moves by slots, `SLOTS` of them a `ttl`: deposits and withdrawals stand for `ttl`, less up to one slot. The ratio
/// is kept in parts per million. A slot counts to 4,294,967,295 and stays there: then it admits less, never more.
///
/// # Range
///
/// Slots are numbered by 32 bits: an idle time of more than 2^31 slots (248 days at the shortest slot, 10 ms; 68 years at the default)
/// may take old counts for new ones. A clock that went back is taken for the latest time of a withdrawal until it has caught up.
///
/// # Source
///
/// Twitter, *Finagle*, `RetryBudget` (2015), whose defaults these are.
///
/// ```
/// use fuseboard_core::{Nanos, RetryBudget};
///
/// static RETRIES: RetryBudget = RetryBudget::new(0.2, 0, Nanos::from_secs(10));
///
/// let now = Nanos::from_secs(1);
/// for _request in 0..10 {
///     RETRIES.deposit(now);
/// }
/// assert!(RETRIES.withdraw(now).is_ok());
/// assert!(RETRIES.withdraw(now).is_ok());
/// assert!(RETRIES.withdraw(now).is_err());
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct RetryBudget<const SLOTS: usize = 10> {
    words: BudgetWords<SLOTS>,
    slot: AtomicU64,
    /// Ratio in parts per million above, free retries below, 32 bits each.
    rules: AtomicU64,
}

impl<const SLOTS: usize> RetryBudget<SLOTS> {
    /// Finagle's share of retries.
    pub const RATIO: f64 = 0.2;
    /// Finagle's free retries a second.
    pub const MINIMUM_PER_SECOND: u32 = 10;
    /// Finagle's time to live.
    pub const TTL: Nanos = Nanos::from_secs(10);

    const SHAPE: () = assert!(
        SLOTS >= 1 && SLOTS <= slots::SLOTS_MAX,
        "a retry budget has 1 to 64 slots"
    );

    const_unless_loom! {
        /// A budget without deposits.
        ///
        /// # Panics
        /// On a bad setting; in a `static` that is a compile error.
        pub const fn new(ratio: f64, minimum_per_second: u32, ttl: Nanos) -> Self {
            match Self::try_new(ratio, minimum_per_second, ttl) {
                Ok(budget) => budget,
                Err(_) => panic!("bad retry budget; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A budget without deposits.
        ///
        /// # Errors
        /// `ratio`: below 0 or above 1,000. `ttl`: less than 10 ms for each slot. `minimum_per_second`: with the `ttl` more than
        /// 4,294,967,295 retries, or none while the ratio is 0, so that there could never be a retry.
        pub const fn try_new(
            ratio: f64,
            minimum_per_second: u32,
            ttl: Nanos,
        ) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            match Rules::checked(ratio, minimum_per_second, ttl, SLOTS) {
                Ok((rules, slot)) => Ok(Self {
                    words: BudgetWords::new(),
                    slot: AtomicU64::new(slot.get()),
                    rules: AtomicU64::new(rules.bits()),
                }),
                Err(error) => Err(error),
            }
        }
    }

    /// A request was made at `now` (the first try, not the retries).
    #[inline]
    pub fn deposit(&self, now: Nanos) {
        let budget = self.budget();
        budget.words.deposit(budget.tick(now));
    }

    /// Asks for one retry at `now`.
    ///
    /// # Errors
    /// [`Reason::Limited`] with the time at which enough withdrawals are forgotten, if nothing else happens; `None` where
    /// only deposits help.
    pub fn withdraw(&self, now: Nanos) -> Result<(), Rejected> {
        self.budget().withdraw(now).map_err(|retry_after| Rejected {
            reason: Reason::Limited,
            retry_after,
        })
    }

    /// Whole retries that would be admitted at `now`.
    pub fn available(&self, now: Nanos) -> u64 {
        self.budget().available(now)
    }

    /// Changes ratio and minimum; deposits and withdrawals stay. The `ttl` stays as it was made.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new); nothing is changed then.
    pub fn configure(&self, ratio: f64, minimum_per_second: u32) -> Result<(), ConfigError> {
        let ttl = Nanos::new(self.budget().slot.saturating_mul(SLOTS as u64));
        let (rules, _) = Rules::checked(ratio, minimum_per_second, ttl, SLOTS)?;
        // Relaxed: one word, whole by itself.
        self.rules.store(rules.bits(), Ordering::Relaxed);
        Ok(())
    }

    fn budget(&self) -> Budget<'_, SLOTS> {
        Budget {
            words: &self.words,
            // Relaxed: written once, before the budget is shared. A word of shared memory may be anything.
            slot: self.slot.load(Ordering::Relaxed).max(1),
            // Relaxed: as in `configure`.
            rules: Rules::from_bits(self.rules.load(Ordering::Relaxed)),
        }
    }
}
