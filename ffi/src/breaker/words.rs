//! Where a breaker's words are, and what asks them for no permit.

use crate::breaker::fb_breaker;
use crate::status::fb_status;
#[cfg(all(feature = "board", target_os = "linux"))]
use fuseboard::RawBreaker;
#[cfg(all(feature = "board", target_os = "linux"))]
use fuseboard_core::Policy;
use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, ConfigError, Nanos, Observer, Outcome, RawPermit,
    Rejected, RestoreError, Saved, Settled, Snapshot, State, Transition,
};
#[cfg(feature = "std")]
use fuseboard_core::{LatencyHistogram, LatencySnapshot};

/// How many handles a breaker made with them has.
#[cfg(feature = "std")]
pub const FB_HANDLES: usize = 32;

/// A breaker whose words have room for handles.
#[cfg(feature = "std")]
pub(crate) type WithHandles = CircuitBreaker<10, 1, FB_HANDLES>;

/// What a breaker has that counts for single threads or counts latencies: too much for memory that a program may set aside for many.
#[cfg(feature = "std")]
pub(crate) struct Roomy {
    pub(crate) words: WithHandles,
    latency: LatencyHistogram,
}

#[cfg(feature = "std")]
impl Roomy {
    pub(crate) fn try_new(config: CircuitBreakerConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            words: WithHandles::try_new(config)?,
            latency: LatencyHistogram::new(),
        })
    }

    /// Counts how long the call of `permit` took, where that is asked for.
    #[inline]
    pub(crate) fn count(&self, permit: RawPermit, outcome: Outcome, now: Nanos) {
        if self.words.records_latency() {
            self.latency.record_call(permit, outcome, now);
        }
    }

    fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.count(permit, outcome, now);
        self.words
            .settle_weighted(permit, outcome, weight, now, observer)
    }
}

/// Where the words are of a breaker that has none in its handle.
#[cfg(feature = "std")]
#[allow(
    clippy::large_enum_variant,
    reason = "a pointer to a slot would cost each call on a board a load"
)]
pub(crate) enum Elsewhere {
    /// On the heap, with room.
    Roomy(Box<Roomy>),
    /// In a slot of a board.
    #[cfg(all(feature = "board", target_os = "linux"))]
    Board(RawBreaker),
}

/// A breaker's words, wherever they are.
#[derive(Clone, Copy)]
pub(crate) enum Words<'a> {
    Plain(&'a CircuitBreaker),
    #[cfg(feature = "std")]
    Roomy(&'a WithHandles),
}

/// Runs `$then` on the words, of whichever type they are.
macro_rules! with_words {
    ($of:expr, |$words:ident| $then:expr) => {
        match $of {
            Words::Plain($words) => $then,
            #[cfg(feature = "std")]
            Words::Roomy($words) => $then,
        }
    };
}

impl Words<'_> {
    pub(crate) fn check(self, now: Nanos) -> Result<(), Rejected> {
        with_words!(self, |words| words.check(now))
    }

    pub(crate) fn state(self) -> State {
        with_words!(self, |words| words.state())
    }

    pub(crate) fn snapshot(self, now: Nanos) -> Snapshot {
        with_words!(self, |words| words.snapshot(now))
    }

    pub(crate) fn config(self) -> CircuitBreakerConfig {
        with_words!(self, |words| words.config())
    }

    pub(crate) fn save(self, now: Nanos) -> Saved {
        with_words!(self, |words| words.save(now))
    }

    pub(crate) fn force_open(self, now: Nanos, observer: &impl Observer) {
        with_words!(self, |words| words.force_open(now, observer));
    }

    pub(crate) fn force_open_until(self, until: Nanos, now: Nanos, observer: &impl Observer) {
        with_words!(self, |words| words.force_open_until(until, now, observer));
    }

    pub(crate) fn disable(self, now: Nanos, observer: &impl Observer) {
        with_words!(self, |words| words.disable(now, observer));
    }

    pub(crate) fn metrics_only(self, now: Nanos, observer: &impl Observer) {
        with_words!(self, |words| words.metrics_only(now, observer));
    }

    pub(crate) fn reset(self, now: Nanos, observer: &impl Observer) {
        with_words!(self, |words| words.reset(now, observer));
    }
}

impl fb_breaker {
    /// One whose words are not in its handle. Those that are there are forced open, so that the fast path admits no call by them.
    #[cfg(feature = "std")]
    pub(crate) fn elsewhere(place: Elsewhere) -> Self {
        let core = CircuitBreaker::new(CircuitBreakerConfig::new());
        core.force_open(Nanos::ZERO, &());
        Self {
            elsewhere: Some(place),
            ..Self::new(core)
        }
    }

    /// The words, for what asks for no permit. Refused, with `FB_FULL`, where its name was removed from its board, which has no slot for it
    /// any more.
    #[allow(clippy::unnecessary_wraps, reason = "only a board refuses")]
    #[inline]
    pub(crate) fn words(&self) -> Result<Words<'_>, fb_status> {
        #[cfg(feature = "std")]
        match &self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => return Ok(Words::Roomy(&roomy.words)),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(slot)) => {
                let words = slot.words().map_err(|rejected| rejected.reason)?;
                return Ok(Words::Plain(words));
            }
        }
        Ok(Words::Plain(&self.core))
    }

    /// Changes the settings. On a board the seed of the jitter stays, and so do latencies that others have asked for.
    pub(crate) fn configure(
        &self,
        config: CircuitBreakerConfig,
    ) -> Result<Result<(), ConfigError>, fb_status> {
        #[cfg(all(feature = "board", target_os = "linux"))]
        if let Some(Elsewhere::Board(slot)) = &self.elsewhere {
            let words = slot.words().map_err(|rejected| rejected.reason)?;
            return Ok(Policy::configure(words, &config));
        }
        Ok(with_words!(self.words()?, |words| words.configure(config)))
    }

    /// What it has for handles; `FB_EINVAL` where it was made without.
    #[cfg(feature = "std")]
    pub(crate) fn roomy(&self) -> Result<&Roomy, fb_status> {
        match &self.elsewhere {
            Some(Elsewhere::Roomy(roomy)) => Ok(roomy),
            _ => Err(fb_status::FB_EINVAL),
        }
    }

    /// How long calls took; `None` where that is not recorded, also by a board that has lost the name.
    #[cfg(feature = "std")]
    pub(crate) fn latency(&self) -> Option<LatencySnapshot> {
        match self.elsewhere.as_ref()? {
            Elsewhere::Roomy(roomy) => {
                (roomy.words.records_latency()).then(|| roomy.latency.snapshot())
            }
            #[cfg(all(feature = "board", target_os = "linux"))]
            Elsewhere::Board(slot) => {
                let words = slot.words().ok()?;
                (words.records_latency()).then(|| words.latency().snapshot())
            }
        }
    }

    /// Whether it has a place to count latencies in.
    pub(crate) const fn can_record_latency(&self) -> bool {
        #[cfg(feature = "std")]
        {
            self.elsewhere.is_some()
        }
        #[cfg(not(feature = "std"))]
        false
    }

    /// Takes over what was saved; `FB_EINVAL` on a board, where others have it too.
    #[allow(clippy::unnecessary_wraps, reason = "only a board refuses")]
    pub(crate) fn restore(
        &mut self,
        saved: &[u8],
        now: Nanos,
        away: Nanos,
    ) -> Result<Result<(), RestoreError>, fb_status> {
        #[cfg(feature = "std")]
        match &mut self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => return Ok(roomy.words.restore(saved, now, away)),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(_)) => return Err(fb_status::FB_EINVAL),
        }
        Ok(self.core.restore(saved, now, away))
    }

    pub(crate) fn admit(&self, now: Nanos) -> Result<RawPermit, Rejected> {
        #[cfg(feature = "std")]
        match &self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => return roomy.words.acquire(now, &self.listeners),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(slot)) => return slot.acquire(now, &self.listeners),
        }
        self.core.acquire(now, &self.listeners)
    }

    pub(crate) fn end(&self, permit: RawPermit, outcome: Outcome, now: Nanos) -> Settled {
        #[cfg(feature = "std")]
        if self.elsewhere.is_some() {
            return self.end_weighted(permit, outcome, 1, now);
        }
        self.core.settle(permit, outcome, now, &self.listeners)
    }

    pub(crate) fn end_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
    ) -> Settled {
        let listeners = &self.listeners;
        #[cfg(feature = "std")]
        match &self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => {
                return roomy.settle(permit, outcome, weight, now, listeners);
            }
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(slot)) => {
                return slot.settle(permit, outcome, weight, now, listeners);
            }
        }
        self.core
            .settle_weighted(permit, outcome, weight, now, listeners)
    }

    pub(crate) fn give_back(&self, permit: RawPermit) -> Settled {
        #[cfg(feature = "std")]
        match &self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => return roomy.words.cancel(permit, &self.listeners),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(slot)) => return slot.cancel(permit, &self.listeners),
        }
        self.core.cancel(permit, &self.listeners)
    }

    /// A permit that the words themselves gave, as C gets it.
    #[allow(clippy::unused_self, reason = "a board has tags")]
    pub(crate) fn tagged(&self, permit: RawPermit) -> RawPermit {
        #[cfg(all(feature = "board", target_os = "linux"))]
        if let Some(Elsewhere::Board(slot)) = &self.elsewhere {
            return slot.tagged(permit);
        }
        permit
    }

    /// The permit as the words know it; `None` where they must not be asked: of a board, one from before its name was removed, and, to be
    /// given back, one of this process's parent.
    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "only a board refuses"
    )]
    pub(crate) fn untagged(&self, permit: RawPermit, is_given_back: bool) -> Option<RawPermit> {
        #[cfg(all(feature = "board", target_os = "linux"))]
        if let Some(Elsewhere::Board(slot)) = &self.elsewhere {
            return slot.untagged(permit, is_given_back);
        }
        let _ = is_given_back;
        Some(permit)
    }

    /// Counts how long a call took that the words themselves settle.
    pub(crate) fn count_latency(&self, permit: RawPermit, outcome: Outcome, now: Nanos) {
        #[cfg(feature = "std")]
        match &self.elsewhere {
            None => {}
            Some(Elsewhere::Roomy(roomy)) => roomy.count(permit, outcome, now),
            #[cfg(all(feature = "board", target_os = "linux"))]
            Some(Elsewhere::Board(slot)) => {
                if let Ok(words) = slot.words()
                    && words.records_latency()
                {
                    words.latency().record_call(permit, outcome, now);
                }
            }
        }
        #[cfg(not(feature = "std"))]
        let _ = (permit, outcome, now);
    }
}

/// Of what an operator does, or the words themselves: a board writes it down for all, and then the listeners are told.
impl Observer for fb_breaker {
    fn transition(&self, transition: &Transition) {
        #[cfg(all(feature = "board", target_os = "linux"))]
        if let Some(Elsewhere::Board(slot)) = &self.elsewhere {
            slot.tell(transition);
        }
        self.listeners.transition(transition);
    }
}
