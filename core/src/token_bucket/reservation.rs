//! [`Reservation`]: an admission that may lie ahead.

use crate::fault::fault;
use crate::nanos::Nanos;
use crate::token_bucket::policy;

/// Units that are the caller's from now on, to be used after [`wait`](Self::wait).
///
/// Dropping it keeps them taken. It is given back with `cancel` of the limiter that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the units are taken; wait for them, or give them back with `cancel`"]
pub struct Reservation {
    wait: Nanos,
    /// What was paid, in divisions.
    paid: u64,
    /// The tat after it.
    tat: u64,
}

impl Reservation {
    pub(crate) const fn new(wait: Nanos, base: u64, tat: u64) -> Self {
        Self {
            wait,
            paid: tat.saturating_sub(base),
            tat,
        }
    }

    /// How long after the `now` of the reservation its turn comes; zero: at once.
    pub const fn wait(&self) -> Nanos {
        self.wait
    }

    /// The divisions that go back when it is cancelled at `now` while the tat is `tat`: not what has flowed in again
    /// since, which others may have taken. What they have reserved behind it keeps its turn, so so much less can be given to
    /// somebody new.
    pub(crate) fn given_back(&self, tat: u64, now: u64) -> u64 {
        let unused = policy::unused(self.paid, self.tat, now);
        if fault!("cancel_moves_the_queue") {
            return unused;
        }
        unused.saturating_sub(tat.abs_diff(self.tat))
    }
}
