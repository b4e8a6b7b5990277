//! [`Line`]: who waits for a place, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

/// Tickets in line, and those to which a place was given and who have not come for it yet.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: u64,
    waiting: BTreeMap<u64, Waker>,
    granted: BTreeSet<u64>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A ticket at the end.
    pub(super) fn join(&mut self, waker: Waker) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, waker);
        self.last
    }

    /// The first one's place is taken; who is to be told.
    pub(super) fn grant_first(&mut self) -> Option<Waker> {
        let (ticket, waker) = self.waiting.pop_first()?;
        self.granted.insert(ticket);
        Some(waker)
    }

    /// Whether a place was given to this ticket; if so, it is the caller's now. If not, it waits on.
    pub(super) fn collect(&mut self, ticket: u64, waker: &Waker) -> bool {
        if self.granted.remove(&ticket) {
            return true;
        }
        if let Some(known) = self.waiting.get_mut(&ticket) {
            known.clone_from(waker);
        }
        false
    }

    /// Leaves the line; whether a place had been given, which is the caller's to give back.
    pub(super) fn leave(&mut self, ticket: u64) -> bool {
        self.waiting.remove(&ticket);
        self.granted.remove(&ticket)
    }
}
