//! Asking: what a request meets, and where it is counted.

use crate::breaker::permit::RawPermit;
use crate::breaker::window::owned::OwnedStripe;
use crate::breaker::window::{Counters, Stripe};
use crate::breaker::{CircuitBreaker, tell};
use crate::event::{Counts, Observer};
use crate::nanos::Nanos;
use crate::rejected::Rejected;

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// Asks, and counts in `own` where the caller has a handle.
    #[inline]
    pub(super) fn acquire_in(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        now: Nanos,
        observer: &impl Observer,
    ) -> Result<RawPermit, Rejected> {
        let state = &self.words.state;
        let word = state.load();
        match state.decide_at_once(word, now, &self.settings) {
            Some(Ok(())) => Ok(RawPermit::new(word, now)),
            Some(Err(rejected)) => {
                self.counters(own).count_rejected();
                Err(rejected)
            }
            None => self.acquire_by_state(own, now, observer),
        }
    }

    /// The general path of [`acquire_in`](Self::acquire_in), right in every state. Not inlined: the memory that it
    /// needs would cost a closed call as much as its counting.
    #[cold]
    fn acquire_by_state(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        now: Nanos,
        observer: &impl Observer,
    ) -> Result<RawPermit, Rejected> {
        self.judge_overdue(now, observer);
        match self.words.state.acquire(now, &self.settings) {
            Ok(admitted) => {
                if let Some(change) = admitted.changed {
                    tell(observer, change, now, Counts::default());
                }
                Ok(self.begin(admitted.word, now))
            }
            Err(rejected) => {
                self.counters(own).count_rejected();
                Err(rejected)
            }
        }
    }

    /// The general path of [`check`](Self::check).
    #[cold]
    pub(super) fn check_by_state(&self, now: Nanos) -> Result<(), Rejected> {
        self.check_overdue(now)
            .unwrap_or_else(|| self.words.state.check(now, &self.settings))
    }

    /// Where a caller counts: its own stripe, or the one that its thread shares.
    #[inline]
    pub(super) fn counters<'a>(
        &'a self,
        own: Option<&'a OwnedStripe<SLOTS>>,
    ) -> Counters<'a, SLOTS> {
        own.map_or_else(|| Counters::Shared(self.stripe()), Counters::Owned)
    }

    /// The caller's stripe: threads have stacks of their own, so the address of a local tells them apart.
    #[inline]
    pub(super) fn stripe(&self) -> &Stripe<SLOTS> {
        let local = 0_u8;
        let address = core::ptr::from_ref(&local).addr();
        &self.words.stripes[spread(address, STRIPES) % STRIPES]
    }
}

/// A number whose remainder by `stripes` is the stripe of a thread whose stack is at `address`. The remainder is taken where the stripe is:
/// there the compiler sees that there is one.
///
/// Stacks lie a power of two apart, and perhaps a guard page more. The shift takes the page off, and an odd modulus spreads the
/// multiples of any power of two evenly. The depth of a call hardly matters.
#[inline]
const fn spread(address: usize, stripes: usize) -> usize {
    (address >> 16) % (stripes | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R1: as many threads as stripes have nearly one each, however far apart a system lays their stacks.
    #[test]
    fn r1_threads_spread_over_the_stripes() {
        const PAGE: usize = 4 << 10;
        for stripes in [1, 2, 4, 8, 16] {
            for stack in (17..=26).map(|bits| 1 << bits) {
                for guard in [0, PAGE] {
                    let mut used = [0; 16];
                    for thread in 0..stripes {
                        let address = 0x7F00_1234_5678 - thread * (stack + guard);
                        used[spread(address, stripes) % stripes] += 1;
                    }
                    assert!(
                        used.iter().all(|threads| *threads <= 2),
                        "{stripes} stripes, stacks of {stack} and {guard} bytes: {used:?}"
                    );
                }
            }
        }
    }
}
