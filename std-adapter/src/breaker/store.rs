//! [`Store`]: where a breaker's words live, and who is told of their changes. One branch, and no cost besides, tells own words from a
//! board's.

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::board::BreakerSlot;
use crate::breaker::listeners::Listeners;
use crate::breaker::{CircuitBreakerConfig, Words};
use crate::clock::Clock;
use fuseboard_core::{
    ConfigError, LatencyHistogram, LatencySnapshot, Nanos, Outcome, RawPermit, Reason, Rejected,
    Settled, Snapshot, State,
};
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use fuseboard_core::{Counts, Totals};
use std::sync::OnceLock;

/// A breaker without its clock.
#[derive(Debug)]
pub(super) struct Store {
    place: Place,
    listeners: Listeners,
    /// Of own words; made when it is first asked for. A board has its own.
    latency: OnceLock<Box<LatencyHistogram>>,
}

/// Where the words are.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "the usual variant is the large one, and a pointer to it would cost each call a load"
)]
enum Place {
    /// In this process.
    Own(Words),
    /// In a named slot of a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(BreakerSlot),
}

/// Runs `$then` on the words, wherever they are, and `$lost` where the name was removed from its board and has no slot any more.
macro_rules! with_words {
    ($store:expr, |$words:ident, $observer:ident| $then:expr, $lost:expr) => {
        match &$store.place {
            Place::Own($words) => {
                let $observer = &$store.listeners;
                $then
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => match slot.policy() {
                Ok(($words, id)) => {
                    let $observer = &slot.told(id, &$store.listeners);
                    $then
                }
                Err(_) => $lost,
            },
        }
    };
}

impl Store {
    /// A closed breaker of this process.
    pub(super) fn own(config: &CircuitBreakerConfig) -> Result<Self, ConfigError> {
        let seed = super::fresh_seed();
        Ok(Self {
            place: Place::Own(Words::try_new(config.core_settings(seed)?)?),
            listeners: Listeners::default(),
            latency: OnceLock::new(),
        })
    }

    /// One on a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(super) fn on_board(slot: BreakerSlot) -> Self {
        Self {
            place: Place::Board(slot),
            listeners: Listeners::default(),
            latency: OnceLock::new(),
        }
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    // Always: called, it would hand the permit over in memory, which costs a call of an own breaker a quarter of its time.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn acquire(&self, clock: &impl Clock) -> Result<RawPermit, Rejected> {
        match &self.place {
            Place::Own(words) => {
                words.acquire(now(clock, words.records_latency()), &self.listeners)
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => acquire_on_board(slot, clock, &self.listeners),
        }
    }

    // Always: as `acquire`.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        clock: &impl Clock,
    ) -> Settled {
        match &self.place {
            Place::Own(words) => {
                let now = if words.records_latency() {
                    self.record(permit, outcome, clock)
                } else {
                    clock.now()
                };
                words.settle(permit, outcome, now, &self.listeners)
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => settle_on_board(slot, permit, outcome, clock, &self.listeners),
        }
    }

    pub(super) fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        clock: &impl Clock,
    ) -> Settled {
        match &self.place {
            Place::Own(words) => {
                let now = if words.records_latency() {
                    self.record(permit, outcome, clock)
                } else {
                    clock.now()
                };
                words.settle_weighted(permit, outcome, weight, now, &self.listeners)
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => {
                let Some(words) = slot.words_of(permit) else {
                    return Settled::Stale;
                };
                let now = now(clock, words.records_latency());
                let told = slot.told(slot.id(), &self.listeners);
                words.settle_weighted(permit.untagged(), outcome, weight, now, &told)
            }
        }
    }

    /// Counts how long the call took, which ends now.
    #[cold]
    fn record(&self, permit: RawPermit, outcome: Outcome, clock: &impl Clock) -> Nanos {
        let now = clock.precise();
        let latency = self.latency.get_or_init(Box::default);
        latency.record_call(permit, outcome, now);
        now
    }

    /// `None`: it is not recorded.
    pub(super) fn latency(&self) -> Option<LatencySnapshot> {
        match &self.place {
            Place::Own(words) => words
                .records_latency()
                .then(|| self.latency.get_or_init(Box::default).snapshot()),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => {
                let (words, _) = slot.policy().ok()?;
                words.records_latency().then(|| words.latency().snapshot())
            }
        }
    }

    /// What dropping a permit does.
    #[inline]
    pub(super) fn cancel(&self, permit: RawPermit) {
        match &self.place {
            Place::Own(words) => {
                words.cancel(permit, &self.listeners);
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => cancel_on_board(slot, permit, &self.listeners),
        }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        with_words!(self, |words, _observer| words.state(), State::ForcedOpen)
    }

    /// What it runs with; the defaults where the name was removed from its board.
    pub(super) fn config(&self) -> fuseboard_core::CircuitBreakerConfig {
        with_words!(
            self,
            |words, _observer| words.config(),
            fuseboard_core::CircuitBreakerConfig::new()
        )
    }

    /// Whether other processes may change its state.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self.place, Place::Own(_))
    }

    pub(super) fn check(&self, now: Nanos) -> Result<(), Rejected> {
        with_words!(
            self,
            |words, _observer| words.check(now),
            Err(Rejected {
                reason: Reason::Full,
                retry_after: None,
            })
        )
    }

    pub(super) fn snapshot(&self, now: Nanos) -> Snapshot {
        with_words!(self, |words, _observer| words.snapshot(now), NOWHERE)
    }

    pub(super) fn force_open(&self, now: Nanos) {
        with_words!(self, |words, observer| words.force_open(now, observer), ());
    }

    pub(super) fn disable(&self, now: Nanos) {
        with_words!(self, |words, observer| words.disable(now, observer), ());
    }

    pub(super) fn metrics_only(&self, now: Nanos) {
        with_words!(
            self,
            |words, observer| words.metrics_only(now, observer),
            ()
        );
    }

    pub(super) fn reset(&self, now: Nanos) {
        with_words!(self, |words, observer| words.reset(now, observer), ());
    }

    pub(super) fn configure(&self, config: &CircuitBreakerConfig) -> Result<(), ConfigError> {
        with_words!(
            self,
            |words, _observer| {
                // Without a new seed the old one stays: another would move the deadline of an open period.
                words.configure(config.core_settings(words.jitter_seed())?)
            },
            Err(crate::board::nowhere())
        )
    }
}

/// The time, precise where it measures how long a call takes.
#[inline]
fn now(clock: &impl Clock, is_precise: bool) -> Nanos {
    if is_precise {
        clock.precise()
    } else {
        clock.now()
    }
}

// Not inlined: what these need would cost a call of an own breaker the registers that its permit stays in.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn acquire_on_board(
    slot: &BreakerSlot,
    clock: &impl Clock,
    listeners: &Listeners,
) -> Result<RawPermit, Rejected> {
    slot.acquire(|is_precise| now(clock, is_precise), listeners)
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn settle_on_board(
    slot: &BreakerSlot,
    permit: RawPermit,
    outcome: Outcome,
    clock: &impl Clock,
    listeners: &Listeners,
) -> Settled {
    slot.words_of(permit).map_or(Settled::Stale, |words| {
        let now = now(clock, words.records_latency());
        let told = slot.told(slot.id(), listeners);
        words.settle(permit.untagged(), outcome, now, &told)
    })
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn cancel_on_board(slot: &BreakerSlot, permit: RawPermit, listeners: &Listeners) {
    if !slot.is_of_another(permit)
        && let Some(words) = slot.words_of(permit)
    {
        words.cancel(permit.untagged(), &slot.told(slot.id(), listeners));
    }
}

/// What is read of a breaker whose name was removed from its board and has no slot any more: it rejects every call.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
const NOWHERE: Snapshot = Snapshot {
    state: State::ForcedOpen,
    generation: 0,
    openings: 0,
    in_flight: 0,
    probe_successes: 0,
    probe_failures: 0,
    since: Nanos::ZERO,
    retry_after: None,
    window: Counts {
        calls: 0,
        failures: 0,
        slow: 0,
    },
    overdue: 0,
    totals: Totals {
        calls: 0,
        failures: 0,
        slow: 0,
        rejected: 0,
        ignored: 0,
    },
};
