//! [`Store`]: where a breaker's words live, and who is told of their changes. One branch, and no cost besides, tells own words from a
//! board's.

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::board::BreakerSlot;
use crate::breaker::listeners::Listeners;
use crate::breaker::{CircuitBreakerConfig, Words};
use fuseboard_core::{
    ConfigError, Nanos, Outcome, RawPermit, Reason, Rejected, Settled, Snapshot, State,
};
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use fuseboard_core::{Counts, Totals};

/// A breaker without its clock.
#[derive(Debug)]
pub(super) struct Store {
    place: Place,
    listeners: Listeners,
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
                Ok(($words, _)) => {
                    let $observer = &$store.listeners;
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
        })
    }

    /// One on a board.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub(super) fn on_board(slot: BreakerSlot) -> Self {
        Self {
            place: Place::Board(slot),
            listeners: Listeners::default(),
        }
    }

    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    // Always: called, it would hand the permit over in memory, which costs a call of an own breaker a quarter of its time.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn acquire(&self, now: Nanos) -> Result<RawPermit, Rejected> {
        match &self.place {
            Place::Own(words) => words.acquire(now, &self.listeners),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => acquire_on_board(slot, now, &self.listeners),
        }
    }

    // Always: as `acquire`.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn settle(&self, permit: RawPermit, outcome: Outcome, now: Nanos) -> Settled {
        match &self.place {
            Place::Own(words) => words.settle(permit, outcome, now, &self.listeners),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => settle_on_board(slot, permit, outcome, now, &self.listeners),
        }
    }

    pub(super) fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
    ) -> Settled {
        match &self.place {
            Place::Own(words) => {
                words.settle_weighted(permit, outcome, weight, now, &self.listeners)
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Place::Board(slot) => {
                let Some(words) = slot.words_of(permit) else {
                    return Settled::Stale;
                };
                words.settle_weighted(permit.untagged(), outcome, weight, now, &self.listeners)
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

// Not inlined: what these need would cost a call of an own breaker the registers that its permit stays in.
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn acquire_on_board(
    slot: &BreakerSlot,
    now: Nanos,
    listeners: &Listeners,
) -> Result<RawPermit, Rejected> {
    slot.acquire(now, listeners)
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn settle_on_board(
    slot: &BreakerSlot,
    permit: RawPermit,
    outcome: Outcome,
    now: Nanos,
    listeners: &Listeners,
) -> Settled {
    slot.words_of(permit).map_or(Settled::Stale, |words| {
        words.settle(permit.untagged(), outcome, now, listeners)
    })
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
#[cold]
fn cancel_on_board(slot: &BreakerSlot, permit: RawPermit, listeners: &Listeners) {
    if !slot.is_of_another(permit)
        && let Some(words) = slot.words_of(permit)
    {
        words.cancel(permit.untagged(), listeners);
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
