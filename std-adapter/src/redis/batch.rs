//! [`Batch`]: requests for one key that travel together, and what each of them is told.

use super::decision::Answer;
use crate::limiter::{Decision, DecisionSource as Source, Unavailable};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// Most requests in one trip.
pub(super) const MOST: usize = 1_024;

/// Requests of one cost for one key. One clock reading, one trip and one deadline serve all of them; each has a slot of its own.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) cost: u64,
    /// When the first one came: nobody waits longer from then on than the deadline.
    pub(super) since: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    slots: Vec<Slot>,
    outcome: Option<Outcome>,
}

/// One request.
#[derive(Debug)]
enum Slot {
    /// It waits; a waker where it has been polled.
    Waiting(Option<Waker>),
    /// It was dropped: nobody has to be told.
    Gone,
    /// It is admitted, and so much is left behind it.
    Admitted(u64),
    Denied,
}

/// What came of the trip.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// The answer, and who gave it to those who were admitted and to those who were denied.
    Answered(Answer, [Source; 2]),
    /// There is none. Told also when nobody will answer.
    Failed(Unavailable),
}

/// What one request is told.
pub(super) type Verdict = Result<Decision, Unavailable>;

impl Batch {
    /// With room for `usual` at first.
    pub(super) fn new(cost: u64, usual: usize) -> Self {
        let state = State {
            slots: Vec::with_capacity(usual),
            outcome: None,
        };
        Self {
            cost,
            since: Instant::now(),
            state: Mutex::new(state),
        }
    }

    /// One request more; its slot. `None`: it is full.
    pub(super) fn join(&self) -> Option<usize> {
        let slots = &mut self.lock().slots;
        let slot = slots.len();
        (slot < MOST).then(|| {
            slots.push(Slot::Waiting(None));
            slot
        })
    }

    /// How many still wait.
    pub(super) fn waiting(&self) -> u64 {
        self.lock().waiting()
    }

    /// What slot `slot` is told, once that is known.
    pub(super) fn poll(&self, slot: usize, limit: u64, context: &Context<'_>) -> Poll<Verdict> {
        let mut state = self.lock();
        let State { slots, outcome } = &mut *state;
        let Some(outcome) = outcome else {
            if let Slot::Waiting(waker) = &mut slots[slot] {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
            }
            return Poll::Pending;
        };
        Poll::Ready(match (outcome, &slots[slot]) {
            (Outcome::Failed(error), _) => Err(*error),
            (Outcome::Answered(answer, [source, _]), &Slot::Admitted(left)) => {
                Ok(answer.decision(true, limit, left, *source))
            }
            (Outcome::Answered(answer, [_, source]), _) => {
                Ok(answer.decision(false, limit, answer.remaining, *source))
            }
        })
    }

    /// The request of `slot` is dropped. Whether it had been admitted, unheard.
    pub(super) fn leave(&self, slot: usize) -> bool {
        let left = std::mem::replace(&mut self.lock().slots[slot], Slot::Gone);
        matches!(left, Slot::Admitted(_))
    }

    /// Tells all: the first `admitted` of those who still wait are. Gives how many admissions nobody took.
    pub(super) fn settle(&self, admitted: u64, outcome: Outcome) -> u64 {
        let mut left = admitted;
        let mut state = self.lock();
        let remaining = match outcome {
            Outcome::Answered(answer, _) => answer.remaining,
            Outcome::Failed(_) => 0,
        };
        let mut wakers = Vec::with_capacity(state.slots.len());
        for slot in &mut state.slots {
            if let Slot::Waiting(waker) = slot {
                wakers.extend(waker.take());
                *slot = if left > 0 {
                    left -= 1;
                    Slot::Admitted(remaining.saturating_add(left.saturating_mul(self.cost)))
                } else {
                    Slot::Denied
                };
            }
        }
        state.outcome = Some(outcome);
        drop(state);
        // Without the lock: whoever is woken may come at once.
        wakers.into_iter().for_each(Waker::wake);
        left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic left is whole: nothing in here panics halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&self) -> u64 {
        let is_waiting = |slot: &&Slot| matches!(slot, Slot::Waiting(_));
        self.slots.iter().filter(is_waiting).count() as u64
    }
}
