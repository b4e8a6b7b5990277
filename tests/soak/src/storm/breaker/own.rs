//! A thread's way to the breakers: with a handle of its own or without, and what it has out.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fuseboard_core::{CircuitBreaker, Handle, Nanos, Outcome, RawPermit, Rejected, Settled};

use crate::storm::Walker;
use crate::storm::breaker::{MILLISECOND, ORDER, Watched};

/// Fewer than threads, so that handles change hands and some threads have none.
const HANDLES: usize = 3;

pub type Breaker = CircuitBreaker<10, 2, HANDLES>;

/// Permits that a thread has out, and its handle of each breaker.
pub struct Held<'a> {
    pub permits: Vec<(usize, RawPermit)>,
    pub handles: Vec<Own<'a>>,
}

/// What a thread asks: its handle, or the breaker itself.
pub struct Own<'a> {
    pub watched: &'a Watched,
    pub handle: Option<Handle<'a, 10, 2, HANDLES>>,
}

impl Own<'_> {
    pub fn acquire(&self, now: Nanos) -> Result<RawPermit, Rejected> {
        let told = &self.watched.told;
        match &self.handle {
            Some(handle) => handle.acquire(now, told),
            None => self.watched.breaker.acquire(now, told),
        }
    }

    pub fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
    ) -> Settled {
        let told = &self.watched.told;
        match &self.handle {
            Some(handle) => handle.settle_weighted(permit, outcome, weight, now, told),
            None => self
                .watched
                .breaker
                .settle_weighted(permit, outcome, weight, now, told),
        }
    }

    fn cancel(&self, permit: RawPermit) -> Settled {
        let told = &self.watched.told;
        match &self.handle {
            Some(handle) => handle.cancel(permit, told),
            None => self.watched.breaker.cancel(permit, told),
        }
    }
}

/// A call of a disabled breaker; its outcome is not counted.
fn is_uncounted(permit: RawPermit) -> bool {
    permit.to_words()[0] & 7 == 3
}

impl Own<'_> {
    pub fn acquire_counted(&self, walker: &mut Walker<'_>) -> Option<RawPermit> {
        let now = walker.now();
        self.watched.attempts.fetch_add(1, ORDER);
        let permit = self.acquire(now).ok()?;
        self.watched.admitted.fetch_add(1, ORDER);
        self.watched.given(permit, walker);
        Some(permit)
    }

    pub fn settle(&self, permit: RawPermit, walker: &mut Walker<'_>) {
        let outcome = match walker.random.below(10) {
            0..5 => Outcome::Success,
            5..9 => Outcome::Failure,
            _ => Outcome::Ignored,
        };
        let weight = 1 + walker.random.below(2) as u32;
        let now = walker.now();
        // A slow success counts as failed, so that only a quick one surely is none.
        let slow = now.saturating_sub(permit.started()).get() > 4 * MILLISECOND;
        self.watched
            .giving_back(permit, outcome != Outcome::Success || slow);
        let settled = self.settle_weighted(permit, outcome, weight, now);
        if settled == Settled::Recorded {
            if outcome == Outcome::Ignored {
                self.watched.cancelled.fetch_add(1, ORDER);
            } else if !permit.is_probe() && !is_uncounted(permit) {
                let weight = if outcome == Outcome::Failure {
                    weight
                } else {
                    1
                };
                self.watched.counted.fetch_add(weight.into(), ORDER);
            }
        }
    }

    /// A call that unwinds.
    pub fn protected_call(&self, walker: &mut Walker<'_>) {
        let Some(permit) = self.acquire_counted(walker) else {
            return;
        };
        self.watched.giving_back(permit, true);
        let cancels = Cancels { own: self, permit };
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _cancels = cancels;
            // No hook, no message: this one is planned.
            resume_unwind(Box::new("a protected call panics"));
        }));
        walker.require(unwound.is_err(), "P2", || "the panic was lost".to_owned());
    }
}

/// Cancels when it is dropped, as the core's own permit does; that one tells no observer.
struct Cancels<'a> {
    own: &'a Own<'a>,
    permit: RawPermit,
}

impl Drop for Cancels<'_> {
    fn drop(&mut self) {
        if self.own.cancel(self.permit) == Settled::Recorded {
            self.own.watched.cancelled.fetch_add(1, ORDER);
        }
    }
}
