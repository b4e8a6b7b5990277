//! The words of a window, of whatever kind.

use crate::breaker::window::owned::OwnedStripe;
use crate::event::Counts;
use crate::fault::fault;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

/// Counts that have left the window, for ever.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Totals {
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

impl Totals {
    const_unless_loom! {
        pub(super) const fn new() -> Self {
            Self {
                calls: AtomicU64::new(0),
                failures: AtomicU64::new(0),
                slow: AtomicU64::new(0),
            }
        }
    }

    /// As [`add`](Self::add), where nobody else writes.
    pub(super) fn raise(&self, counts: Counts) {
        for (total, count) in [
            (&self.calls, counts.calls),
            (&self.failures, counts.failures),
            (&self.slow, counts.slow),
        ] {
            // Relaxed: counters for display, and the caller their only writer.
            total.store(
                total.load(Ordering::Relaxed).wrapping_add(count),
                Ordering::Relaxed,
            );
        }
    }

    pub(super) fn add(&self, counts: Counts) {
        // Relaxed: counters for display; each is exact by itself.
        for (total, count) in [
            (&self.calls, counts.calls),
            (&self.failures, counts.failures),
            (&self.slow, counts.slow),
        ] {
            if count > 0 {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn load(&self) -> Counts {
        // Relaxed: as in `add`. Below zero while something is taken back before it was added: no count comes near the upper half.
        let load = |total: &AtomicU64| {
            total
                .load(Ordering::Relaxed)
                .cast_signed()
                .max(0)
                .cast_unsigned()
        };
        Counts {
            calls: load(&self.calls),
            failures: load(&self.failures),
            slow: load(&self.slow),
        }
    }
}

/// The words that callers write, on cache lines of their own.
///
/// A time window uses the slots as `slot.rs` says; a count window keeps its ring in the slots of the first
/// stripe; consecutive failures keep their totals in the first slot pair.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Stripe<const SLOTS: usize> {
    pub(crate) rejected: AtomicU64,
    pub(crate) ignored: AtomicU64,
    pub(super) slots: [AtomicU64; SLOTS],
    slow: [AtomicU64; SLOTS],
}

impl<const SLOTS: usize> Stripe<SLOTS> {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                rejected: AtomicU64::new(0),
                ignored: AtomicU64::new(0),
                slots: zeroed_words!(),
                slow: zeroed_words!(),
            }
        }
    }

    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<(&AtomicU64, &AtomicU64)> {
        Some((self.slots.get(index)?, self.slow.get(index)?))
    }

    pub(super) fn zero(&self) {
        let words = self.slots.iter().chain(&self.slow);
        for word in words.chain([&self.rejected, &self.ignored]) {
            // Relaxed: whoever shares the breaker publishes it.
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&AtomicU64, &AtomicU64)> {
        self.slots.iter().zip(&self.slow)
    }
}

/// Where a caller counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counters<'a, const SLOTS: usize> {
    /// With others.
    Shared(&'a Stripe<SLOTS>),
    /// Alone: the caller is the only writer.
    Owned(&'a OwnedStripe<SLOTS>),
}

impl<const SLOTS: usize> Counters<'_, SLOTS> {
    #[inline]
    pub(crate) fn count_rejected(self) {
        match self {
            Self::Shared(stripe) => {
                // Relaxed: a counter for display.
                let one = u64::from(!fault!("rejection_uncounted"));
                stripe.rejected.fetch_add(one, Ordering::Relaxed);
            }
            Self::Owned(stripe) => stripe.count_rejected(),
        }
    }

    pub(crate) fn count_ignored(self) {
        match self {
            Self::Shared(stripe) => {
                // Relaxed: a counter for display.
                stripe.ignored.fetch_add(1, Ordering::Relaxed);
            }
            Self::Owned(stripe) => stripe.count_ignored(),
        }
    }
}

/// What the stripes share. `tick` is the tick word, the count window's head, or the run.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Head {
    pub(super) tick: AtomicU64,
    pub(super) totals: Totals,
}

impl Head {
    const_unless_loom! {
        pub(crate) const fn new() -> Self {
            Self {
                tick: AtomicU64::new(0),
                totals: Totals::new(),
            }
        }
    }

    pub(super) fn zero(&self) {
        let Totals {
            calls,
            failures,
            slow,
        } = &self.totals;
        for word in [&self.tick, calls, failures, slow] {
            // Relaxed: whoever shares the breaker publishes it.
            word.store(0, Ordering::Relaxed);
        }
    }
}
