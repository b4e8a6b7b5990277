//! [`Batch`]: requests for one key that travel together, and what each of them is told.

use super::decision::Answer;
use crate::limiter::{Decision, DecisionSource as Source, Unavailable};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
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
    room: usize,
    slots: Mutex<Slots>,
    /// Written once, with the lock; read without.
    settled: OnceLock<Settled>,
}

#[derive(Debug)]
struct Slots {
    /// Of those who wait. Nobody has to wake who was dropped.
    wakers: Vec<Option<Waker>>,
    /// Who was dropped before it was settled.
    gone: Vec<usize>,
}

#[derive(Debug)]
struct Settled {
    outcome: Outcome,
    /// So many of those who waited, the first ones, are admitted.
    admitted: u64,
    /// Who did not wait any more, in order.
    gone: Vec<usize>,
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
    /// With room for `room`, of whom perhaps `usual` will come; the one with `first` is the first.
    pub(super) fn new(cost: u64, room: usize, usual: usize, first: Waker) -> Self {
        let mut wakers = Vec::with_capacity(usual.clamp(1, room));
        wakers.push(Some(first));
        let gone = Vec::new();
        Self {
            cost,
            since: Instant::now(),
            room,
            slots: Mutex::new(Slots { wakers, gone }),
            settled: OnceLock::new(),
        }
    }

    /// One request more; its slot.
    ///
    /// # Errors
    /// The waker: it is full.
    pub(super) fn join(&self, waker: Waker) -> Result<usize, Waker> {
        let wakers = &mut self.lock().wakers;
        let slot = wakers.len();
        if slot == self.room {
            return Err(waker);
        }
        wakers.push(Some(waker));
        Ok(slot)
    }

    /// How many have come, and how many of them still wait.
    pub(super) fn count(&self) -> (usize, u64) {
        let slots = self.lock();
        let joined = slots.wakers.len();
        (joined, (joined - slots.gone.len()) as u64)
    }

    /// What slot `slot` is told, once that is known.
    pub(super) fn poll(&self, slot: usize, limit: u64, context: &Context<'_>) -> Poll<Verdict> {
        let Some(settled) = self.settled_or_wait(slot, context.waker()) else {
            return Poll::Pending;
        };
        Poll::Ready(match settled.outcome {
            Outcome::Failed(error) => Err(error),
            Outcome::Answered(answer, [admitted, denied]) => Ok(match settled.behind(slot) {
                Some(behind) => {
                    let left = answer.remaining.saturating_add(behind * self.cost);
                    answer.decision(true, limit, left, admitted)
                }
                None => answer.decision(false, limit, answer.remaining, denied),
            }),
        })
    }

    fn settled_or_wait(&self, slot: usize, waker: &Waker) -> Option<&Settled> {
        if let Some(settled) = self.settled.get() {
            return Some(settled);
        }
        let mut slots = self.lock();
        // Whoever settled it in between has woken who was there.
        let settled = self.settled.get();
        if settled.is_none() {
            let earlier = slots.wakers[slot].replace(waker.clone());
            drop(slots);
            drop(earlier);
        }
        settled
    }

    /// The request of `slot` is dropped. Whether it had been admitted, unheard.
    pub(super) fn leave(&self, slot: usize) -> bool {
        let mut slots = self.lock();
        if let Some(settled) = self.settled.get() {
            return settled.behind(slot).is_some();
        }
        slots.gone.push(slot);
        let waker = slots.wakers[slot].take();
        drop(slots);
        // Without the lock: it may be the last that is left of a task.
        drop(waker);
        false
    }

    /// Tells all: the first `admitted` of those who still wait are. Gives how many admissions nobody took.
    pub(super) fn settle(&self, admitted: u64, outcome: Outcome) -> u64 {
        let mut slots = self.lock();
        let wakers = std::mem::take(&mut slots.wakers);
        let mut gone = std::mem::take(&mut slots.gone);
        gone.sort_unstable();
        let waiting = (wakers.len() - gone.len()) as u64;
        let settled = Settled {
            outcome,
            admitted: admitted.min(waiting),
            gone,
        };
        // Nobody settles it twice.
        let _ = self.settled.set(settled);
        drop(slots);
        // Without the lock: whoever is woken may come at once.
        wakers.into_iter().flatten().for_each(Waker::wake);
        admitted.saturating_sub(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // What a panic left is whole: nothing in here panics halfway.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settled {
    /// How many were admitted behind slot `slot`; `None` if it is not admitted itself.
    fn behind(&self, slot: usize) -> Option<u64> {
        let before = slot - self.gone.partition_point(|&gone| gone < slot);
        self.admitted.checked_sub(before as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(remaining: u64) -> Outcome {
        Outcome::Answered(Answer::left(remaining), [Source::Engine; 2])
    }

    /// Whether it is admitted, and what is left behind it.
    fn told(batch: &Batch, slot: usize) -> Option<(bool, Option<u64>)> {
        match batch.poll(slot, 100, &Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(decision)) => Some((decision.is_allowed, decision.remaining)),
            _ => None,
        }
    }

    fn batch_of(requests: usize) -> Batch {
        let batch = Batch::new(3, requests, 0, Waker::noop().clone());
        for slot in 1..requests {
            assert_eq!(batch.join(Waker::noop().clone()).ok(), Some(slot));
        }
        batch
    }

    #[test]
    fn l10_the_first_of_those_who_still_wait_are_admitted_and_told_what_is_left_behind_them() {
        let batch = batch_of(5);
        assert!(!batch.leave(3) && !batch.leave(1));
        assert_eq!((batch.count(), told(&batch, 0)), ((5, 3), None));
        assert_eq!(batch.settle(2, answered(10)), 0);
        assert_eq!(told(&batch, 0), Some((true, Some(13))));
        assert_eq!(told(&batch, 2), Some((true, Some(10))));
        assert_eq!(told(&batch, 4), Some((false, Some(10))));
    }

    #[test]
    fn p6_who_leaves_unheard_says_whether_there_is_something_to_give_back() {
        let batch = batch_of(3);
        assert!(!batch.leave(0), "nothing is known yet");
        assert_eq!(batch.settle(1, answered(0)), 0);
        assert!(batch.leave(1), "admitted in the place of the first");
        assert!(!batch.leave(2), "denied");
        let batch = batch_of(3);
        assert!(!batch.leave(2));
        assert_eq!(batch.settle(3, answered(0)), 1, "nobody took the third");
        let batch = batch_of(1);
        let _ = batch.settle(0, Outcome::Failed(Unavailable::TimedOut));
        assert!(!batch.leave(0), "nobody is admitted");
    }

    #[test]
    fn a_batch_that_is_full_takes_nobody() {
        let batch = batch_of(2);
        assert!(batch.join(Waker::noop().clone()).is_err());
        assert_eq!(batch.count(), (2, 2));
    }
}
