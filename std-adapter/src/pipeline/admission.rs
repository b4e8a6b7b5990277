//! [`Admission`]: a breaker, a throttle, a limit of places and a rate limit, asked as one; the core's order, with waiting.

use crate::adaptive::{AdaptiveLimit, AdaptivePermit};
use crate::breaker::CircuitBreaker;
use crate::call::{CallError, PolicyKind};
use crate::clock::Clock;
use crate::limiter::{ConcurrencyLimit, ConcurrencyPermit};
use crate::pipeline::CallOptions;
use crate::queue::{ConcurrencyQueue, QueuePermit};
use crate::rate_limit::{RateLimit, Turn};
use crate::shedding::{LoadShedding, SheddingPermit};
use crate::tally::Tally;
use crate::throttle::{ClientThrottle, ThrottlePermit};
use fuseboard_core::{Outcome, RawPermit, Rejected};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the operation was called inside of an admission, and of those around it.
pub(super) struct Called<'a> {
    flag: AtomicBool,
    outer: Option<&'a Called<'a>>,
}

impl<'a> Called<'a> {
    pub(super) fn inside(outer: Option<&'a Called<'a>>) -> Self {
        Self {
            flag: AtomicBool::new(false),
            outer,
        }
    }

    pub(super) fn set(&self) {
        // Relaxed: one call's stages run one after the other.
        self.flag.store(true, Ordering::Relaxed);
        if let Some(outer) = self.outer {
            outer.set();
        }
    }

    fn is_set(&self) -> bool {
        // Relaxed: as in `set`.
        self.flag.load(Ordering::Relaxed)
    }
}

/// A breaker on whichever clock.
pub(super) trait Gate: Send + Sync {
    fn check(&self) -> Result<(), Rejected>;
    fn acquire(&self) -> Result<RawPermit, Rejected>;
    fn settle(&self, permit: RawPermit, outcome: Outcome);
    fn cancel(&self, permit: RawPermit);
    fn name(&self) -> &str;
}

impl<C: Clock + Send + Sync> Gate for CircuitBreaker<C> {
    fn check(&self) -> Result<(), Rejected> {
        self.check()
    }

    fn acquire(&self) -> Result<RawPermit, Rejected> {
        self.acquire_raw()
    }

    fn settle(&self, permit: RawPermit, outcome: Outcome) {
        self.settle_raw(permit, outcome);
    }

    fn cancel(&self, permit: RawPermit) {
        self.cancel_raw(permit);
    }

    fn name(&self) -> &str {
        self.name()
    }
}

/// Whose places are limited.
#[derive(Debug)]
pub(super) enum Places {
    Limit(ConcurrencyLimit),
    Queue(ConcurrencyQueue),
    Adaptive(AdaptiveLimit),
    Shedding(LoadShedding),
}

/// At most one of each.
#[derive(Default)]
pub(super) struct Admission {
    pub(super) breaker: Option<Box<dyn Gate>>,
    pub(super) throttle: Option<ClientThrottle>,
    pub(super) places: Option<Places>,
    pub(super) rate: Option<RateLimit>,
}

impl Admission {
    /// What its policies count.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        let throttle = self.throttle.as_ref().map(ClientThrottle::tally);
        let places = self.places.as_ref().map(|places| match places {
            Places::Limit(limit) => limit.tally(),
            Places::Queue(queue) => queue.tally(),
            Places::Adaptive(limit) => limit.tally(),
            Places::Shedding(shedding) => shedding.tally(),
        });
        let rate = self.rate.as_ref().map(RateLimit::tally);
        let all = throttle.into_iter().chain(places).chain(rate);
        all.cloned().collect()
    }

    /// All of them, or none. The breaker is looked at first and asked last, as the core's `Admission` does: waiting for the others must not
    /// hold a probe's place, nor must their rejection cost it one.
    pub(super) async fn acquire<'a, E>(
        &'a self,
        options: CallOptions,
        called: &'a Called<'a>,
    ) -> Result<Held<'a>, CallError<E>> {
        let mut held = Held {
            breaker: None,
            throttle: None,
            place: Place::None,
            turn: None,
            called,
        };
        let by = |policy| move |rejected| CallError::rejected(policy, rejected);
        if let Some(breaker) = &self.breaker
            && breaker.check().is_err()
        {
            // In earnest: a rejection is counted, and a ramping breaker earns credit by it.
            let permit = breaker.acquire().map_err(by(PolicyKind::Breaker))?;
            held.breaker = Some((&**breaker, permit));
        }
        if let Some(throttle) = &self.throttle {
            let permit = throttle.try_acquire().map_err(by(PolicyKind::Throttle))?;
            held.throttle = Some(permit);
        }
        held.place = match &self.places {
            None => Place::None,
            Some(Places::Limit(limit)) => {
                Place::Limit(limit.try_acquire().map_err(by(PolicyKind::Concurrency))?)
            }
            Some(Places::Queue(queue)) => {
                Place::Queue(queue.acquire().await.map_err(by(PolicyKind::Concurrency))?)
            }
            Some(Places::Adaptive(limit)) => {
                Place::Adaptive(limit.try_acquire().map_err(by(PolicyKind::Adaptive))?)
            }
            Some(Places::Shedding(shedding)) => Place::Shedding(
                shedding
                    .try_acquire(options.priority)
                    .map_err(by(PolicyKind::Shedding))?,
            ),
        };
        if let Some(rate) = &self.rate {
            let turn = rate.turn(options.cost).await;
            held.turn = Some(turn.map_err(by(PolicyKind::RateLimit))?);
        }
        if let Some(breaker) = &self.breaker
            && held.breaker.is_none()
        {
            let permit = breaker.acquire().map_err(by(PolicyKind::Breaker))?;
            held.breaker = Some((&**breaker, permit));
        }
        Ok(held)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field(
                "breaker",
                &self.breaker.as_ref().map(|breaker| breaker.name()),
            )
            .field("throttle", &self.throttle)
            .field("places", &self.places)
            .field("rate", &self.rate)
            .finish()
    }
}

enum Place {
    None,
    Limit(#[expect(dead_code, reason = "held for its drop")] ConcurrencyPermit),
    Queue(#[expect(dead_code, reason = "held for its drop")] QueuePermit),
    Adaptive(AdaptivePermit),
    Shedding(SheddingPermit),
}

/// What an admitted call holds. Dropped, it gives everything back; tokens only while the operation was not called.
pub(super) struct Held<'a> {
    breaker: Option<(&'a dyn Gate, RawPermit)>,
    throttle: Option<ThrottlePermit>,
    place: Place,
    turn: Option<Turn>,
    called: &'a Called<'a>,
}

impl Held<'_> {
    /// The call has ended: what the breaker counts, and what it says about load.
    pub(super) fn settle(mut self, outcome: Outcome, load: Outcome) {
        if let Some((breaker, permit)) = self.breaker.take() {
            breaker.settle(permit, outcome);
        }
        if let Some(permit) = self.throttle.take() {
            permit.settle(outcome);
        }
        match std::mem::replace(&mut self.place, Place::None) {
            Place::Adaptive(permit) => permit.settle(load),
            Place::Shedding(permit) => permit.settle(load),
            Place::Limit(_) | Place::Queue(_) | Place::None => {}
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some((breaker, permit)) = self.breaker.take() {
            breaker.cancel(permit);
        }
        if self.called.is_set()
            && let Some(turn) = self.turn.take()
        {
            turn.spend();
        }
    }
}
