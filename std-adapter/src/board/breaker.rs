//! [`BoardBreaker`]: a breaker that all processes share.

use super::Shared;
use super::error::BoardError;
use super::named::Named;
use crate::clock::{Clock, CoarseClock};
use fuseboard_core::{Outcome, RawPermit, Reason, Rejected, Settled, SlotId, Snapshot, State};
use std::sync::Arc;

type Words = fuseboard_core::CircuitBreaker<10, 1>;

/// A circuit breaker on a [`Board`](super::Board): what any process sees of the dependency, all know.
///
/// Its clock is the system's coarse monotonic one. When an operator removes its name, the next call claims it anew.
#[derive(Debug)]
pub struct BoardBreaker(pub(super) Named<Words>);

impl BoardBreaker {
    /// Its name on the board.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Asks for the right to make one call.
    ///
    /// # Errors
    /// Why not, and when to come back. [`Reason::Full`]: the name was removed, and no slot is free for it any more.
    pub fn try_acquire(&self) -> Result<BoardPermit, Rejected> {
        let (words, id) = self.0.policy().map_err(no_slot)?;
        let raw = words.acquire(CoarseClock.now(), &())?;
        Ok(BoardPermit {
            shared: Arc::clone(self.0.shared()),
            id,
            raw: Some(raw),
        })
    }

    /// What the breaker does at the moment.
    pub fn state(&self) -> State {
        self.0
            .policy()
            .map_or(State::Closed, |(words, _)| words.state())
    }

    /// State, window, totals and the time to the next probe, as of now. Reading changes nothing.
    ///
    /// # Errors
    /// The name was removed, and cannot be claimed again.
    pub fn snapshot(&self) -> Result<Snapshot, BoardError> {
        Ok(self.0.policy()?.0.snapshot(CoarseClock.now()))
    }

    /// Rejects every call of all processes until [`reset`](Self::reset).
    ///
    /// # Errors
    /// The name was removed, and cannot be claimed again.
    pub fn force_open(&self) -> Result<(), BoardError> {
        self.0.policy()?.0.force_open(CoarseClock.now(), &());
        Ok(())
    }

    /// Closed with an empty window for all processes, whatever the state was.
    ///
    /// # Errors
    /// The name was removed, and cannot be claimed again.
    pub fn reset(&self) -> Result<(), BoardError> {
        self.0.policy()?.0.reset(CoarseClock.now(), &());
        Ok(())
    }
}

pub(super) fn no_slot(_: BoardError) -> Rejected {
    Rejected {
        reason: Reason::Full,
        retry_after: None,
    }
}

/// The right to make one call, from a [`BoardBreaker`]. Dropped, it counts as nothing and gives its place back. One
/// that dies with its process gives a probe's place back when the lease is over.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct BoardPermit {
    shared: Arc<Shared>,
    id: SlotId,
    raw: Option<RawPermit>,
}

impl BoardPermit {
    /// The dependency did what it was asked.
    pub fn success(self) -> Settled {
        self.settle(Outcome::Success)
    }

    /// The dependency failed.
    pub fn failure(self) -> Settled {
        self.settle(Outcome::Failure)
    }

    /// Settles with an outcome decided elsewhere.
    pub fn settle(mut self, outcome: Outcome) -> Settled {
        match (
            self.raw.take(),
            Named::<Words>::policy_of(&self.shared, self.id),
        ) {
            (Some(raw), Some(words)) => words.settle(raw, outcome, CoarseClock.now(), &()),
            _ => Settled::Stale,
        }
    }
}

impl Drop for BoardPermit {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take()
            && let Some(words) = Named::<Words>::policy_of(&self.shared, self.id)
        {
            words.cancel(raw, &());
        }
    }
}
