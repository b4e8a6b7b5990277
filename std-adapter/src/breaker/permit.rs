//! [`Permit`]: the right to make one call, owned; and [`Held`], the same borrowed, for one future.

use crate::breaker::Shared;
use crate::breaker::store::Store;
use crate::clock::{Clock, CoarseClock};
use fuseboard_core::{Outcome, RawPermit, Settled};
use std::sync::Arc;

/// The right to make one call, from [`CircuitBreaker::try_acquire`](crate::CircuitBreaker::try_acquire).
///
/// Settle it once with the call's end. Dropped without that, also by a panic or because the task
/// that held it was cancelled, it counts as nothing and gives its place back. It may move to
/// another thread, outlive the handle it came from, and be settled late: when the breaker's state
/// has changed meanwhile, settling is [`Settled::Stale`] and changes nothing.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<C: Clock = CoarseClock> {
    shared: Arc<Shared<C>>,
    raw: Option<RawPermit>,
}

impl<C: Clock> Permit<C> {
    pub(super) fn new(shared: Arc<Shared<C>>, raw: RawPermit) -> Self {
        Self {
            shared,
            raw: Some(raw),
        }
    }

    /// The dependency did what it was asked.
    pub fn success(self) -> Settled {
        self.settle(Outcome::Success)
    }

    /// The dependency failed.
    pub fn failure(self) -> Settled {
        self.settle(Outcome::Failure)
    }

    /// The dependency failed in a way that counts as `weight` failed calls; 0 counts as 1.
    pub fn failure_weighted(mut self, weight: u32) -> Settled {
        self.raw.take().map_or(Settled::Stale, |raw| {
            let Shared { store, clock, .. } = &*self.shared;
            store.settle_weighted(raw, Outcome::Failure, weight, clock)
        })
    }

    /// The end says nothing about the dependency: counted nowhere.
    pub fn ignore(self) -> Settled {
        self.settle(Outcome::Ignored)
    }

    /// Settles with an outcome decided elsewhere.
    pub fn settle(mut self, outcome: Outcome) -> Settled {
        self.raw.take().map_or(Settled::Stale, |raw| {
            let Shared { store, clock, .. } = &*self.shared;
            store.settle(raw, outcome, clock)
        })
    }
}

impl<C: Clock> Drop for Permit<C> {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            self.shared.store.cancel(raw);
        }
    }
}

/// A permit inside a guarded future or closure, which borrows the breaker: no reference is counted.
pub(super) struct Held<'a> {
    store: &'a Store,
    raw: Option<RawPermit>,
}

impl<'a> Held<'a> {
    pub(super) fn new(store: &'a Store, raw: RawPermit) -> Self {
        Self {
            store,
            raw: Some(raw),
        }
    }

    // Always: as `Store::acquire`.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn settle(mut self, outcome: Outcome, clock: &impl Clock) {
        if let Some(raw) = self.raw.take() {
            self.store.settle(raw, outcome, clock);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            self.store.cancel(raw);
        }
    }
}
