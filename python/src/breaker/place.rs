//! [`Place`]: where a breaker's words are. It is told the time and the listeners; on a board both are the adapter's.

use super::SLOTS;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::clock::{Precision, system_now};
use crate::listeners::Telling;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
use crate::listeners::stop_of_this_thread;
use fuseboard::CircuitBreakerConfig;
use fuseboard_core::{
    CircuitBreaker, ConfigError, LatencyHistogram, LatencySnapshot, Nanos, Observer, Outcome,
    RawPermit, Rejected, Saved, Settled, Snapshot, State,
};
use pyo3::prelude::*;
use std::sync::OnceLock;

/// The core's breaker.
pub(crate) enum Place {
    /// In this process. Boxed: its cache lines are aligned more strictly than Python allocates objects.
    Own(Box<CircuitBreaker<SLOTS>>, OnceLock<Box<LatencyHistogram>>),
    /// In a named slot of a board, on the system's clock.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board {
        breaker: fuseboard::CircuitBreaker,
        board: fuseboard::Board,
    },
}

/// When a call began that nobody needs to know of: it is not slow, however long it takes.
const UNTIMED: Nanos = Nanos::MAX;

#[inline]
fn times_calls(words: &CircuitBreaker<SLOTS>) -> bool {
    words.measures_duration() || words.records_latency()
}

/// What an operator does.
#[derive(Clone, Copy)]
pub(crate) enum Verb {
    ForceOpen { duration: Option<Nanos> },
    Disable,
    MetricsOnly,
    Reset,
}

fn operate<const SLOTS: usize, const STRIPES: usize>(
    words: &CircuitBreaker<SLOTS, STRIPES>,
    verb: Verb,
    now: Nanos,
    telling: &impl Observer,
) {
    match verb {
        Verb::ForceOpen { duration: None } => words.force_open(now, telling),
        Verb::ForceOpen {
            duration: Some(span),
        } => words.force_open_until(now.saturating_add(span), now, telling),
        Verb::Disable => words.disable(now, telling),
        Verb::MetricsOnly => words.metrics_only(now, telling),
        Verb::Reset => words.reset(now, telling),
    }
}

impl Place {
    /// The permit of a breaker that is plainly closed and asks for no time; `None`: [`acquire`](Self::acquire) decides.
    #[inline]
    pub(crate) fn acquire_at_once(&self) -> Option<RawPermit> {
        match self {
            Self::Own(words, _) if !times_calls(words) => words.acquire_at_once(UNTIMED),
            _ => None,
        }
    }

    pub(crate) fn acquire(
        &self,
        now: Nanos,
        telling: Telling<'_, '_>,
    ) -> PyResult<Result<RawPermit, Rejected>> {
        let (answer, told) = match self {
            Self::Own(words, _) => {
                let answer = words.acquire(now, &telling);
                (answer, telling.end(()))
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => (breaker.acquire_raw(), stop_of_this_thread()),
        };
        if let (Err(_), Ok(raw)) = (&told, answer) {
            // A listener was told to stop the program: the call is not made.
            self.forget(raw);
        }
        told.map(|()| answer)
    }

    #[inline]
    pub(crate) fn settle(
        &self,
        raw: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        telling: Telling<'_, '_>,
    ) -> PyResult<bool> {
        let settled = match self {
            Self::Own(words, latency) => {
                let settled = if weight == 1 {
                    words.settle(raw, outcome, now, &telling)
                } else {
                    words.settle_weighted(raw, outcome, weight, now, &telling)
                };
                if words.records_latency() && raw.started() != UNTIMED {
                    let latency = latency.get_or_init(Box::default);
                    latency.record_call(raw, outcome, now);
                }
                telling.end(settled)?
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => {
                let settled = breaker.settle_raw_weighted(raw, outcome, weight);
                stop_of_this_thread().map(|()| settled)?
            }
        };
        Ok(settled == Settled::Recorded)
    }

    /// The caller says that the call did not take place.
    pub(crate) fn cancel(&self, raw: RawPermit, telling: Telling<'_, '_>) -> PyResult<bool> {
        match self {
            Self::Own(words, _) => {
                let settled = words.cancel(raw, &telling);
                telling.end(settled == Settled::Recorded)
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { .. } => self.settle(raw, Outcome::Ignored, 1, Nanos::ZERO, telling),
        }
    }

    /// Nobody settled it. What a forked child has of its parent's is the parent's to give back.
    pub(crate) fn forget(&self, raw: RawPermit) {
        match self {
            Self::Own(words, _) => {
                words.cancel(raw, &());
            }
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.cancel_raw(raw),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        match self {
            Self::Own(words, _) => words.state(),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.state(),
        }
    }

    #[inline]
    pub(crate) fn times_calls(&self) -> bool {
        match self {
            Self::Own(words, _) => times_calls(words),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { .. } => false,
        }
    }

    /// On a board the time is the adapter's.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        matches!(self, Self::Own(..))
    }

    pub(crate) fn snapshot(&self, now: Nanos) -> Snapshot {
        match self {
            Self::Own(words, _) => words.snapshot(now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.snapshot(),
        }
    }

    /// What a request would be told, without asking for it.
    pub(crate) fn check(&self, now: Nanos) -> Result<(), Rejected> {
        match self {
            Self::Own(words, _) => words.check(now),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.check(),
        }
    }

    /// Its state as bytes; a board's is in the board.
    pub(crate) fn save(&self, now: Nanos) -> Option<Saved> {
        match self {
            Self::Own(words, _) => Some(words.save(now)),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { .. } => None,
        }
    }

    /// How long calls took; `None` unless that is recorded.
    pub(crate) fn latency(&self) -> Option<LatencySnapshot> {
        match self {
            Self::Own(words, latency) => words
                .records_latency()
                .then(|| latency.get_or_init(Box::default).snapshot()),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.latency(),
        }
    }

    pub(crate) fn operate(&self, verb: Verb, now: Nanos, telling: Telling<'_, '_>) -> PyResult<()> {
        match self {
            Self::Own(words, _) => operate(words, verb, now, &telling),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, board } => {
                // Claims the name again, if it was removed.
                let _ = breaker.state();
                let breakers = board.words().breakers();
                if let Ok(name) = fuseboard_core::SlotName::new(breaker.name())
                    && let Some(slot) = breakers.slot_of(&name)
                    && let Some(words) = breakers.get(slot)
                {
                    let told = (board.observer(slot), &telling);
                    operate(words, verb, system_now(Precision::Fine), &told);
                }
            }
        }
        telling.end(())
    }

    pub(crate) fn configure(&self, config: CircuitBreakerConfig) -> Result<(), ConfigError> {
        match self {
            Self::Own(words, _) => words.configure(crate::config::core(&config)),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board { breaker, .. } => breaker.configure(config),
        }
    }
}
