//! [`Acquire`]: waiting for a place; [`QueuePermit`]: having it.

use crate::queue::{FULL, Shared};
use fuseboard_core::Rejected;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A place, or a rejection. Dropped while it waits, it leaves the line.
pub(super) struct Acquire {
    shared: Arc<Shared>,
    max_waiting: usize,
    ticket: Option<u64>,
}

impl Acquire {
    pub(super) fn new(shared: &Arc<Shared>, max_waiting: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            max_waiting,
            ticket: None,
        }
    }
}

impl Future for Acquire {
    /// And whether it was waited for.
    type Output = Result<(QueuePermit, bool), Rejected>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut line = this.shared.line();
        let has_place = match this.ticket {
            Some(ticket) => line.collect(ticket, context.waker()),
            // Who waits comes before who comes.
            None if line.is_empty() && this.shared.places.acquire_raw().is_ok() => true,
            None if line.len() >= this.max_waiting => return Poll::Ready(Err(FULL)),
            None => {
                this.ticket = Some(line.join(context.waker().clone()));
                false
            }
        };
        if !has_place {
            return Poll::Pending;
        }
        drop(line);
        let has_waited = this.ticket.take().is_some();
        let permit = QueuePermit::new(Arc::clone(&this.shared));
        Poll::Ready(Ok((permit, has_waited)))
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let was_granted = self.shared.line().leave(ticket);
            if was_granted {
                self.shared.give_back();
            }
        }
    }
}

/// One place of a [`ConcurrencyQueue`](crate::ConcurrencyQueue); dropping it gives it to the first in line.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once holds no place"]
pub struct QueuePermit {
    shared: Arc<Shared>,
}

impl QueuePermit {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        self.shared.give_back();
    }
}
