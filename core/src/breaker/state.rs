//! The state word: the only file that swaps it.
//!
//! # Orderings
//!
//! | operation | ordering | pairs with | what breaks if weaker |
//! |---|---|---|---|
//! | load the word | Acquire | the swap that wrote it | a new state with an old moment (B19) |
//! | raise a moment | Release | the load of that moment | a reader of the raised moment could miss what the raiser saw |
//! | load a moment | Acquire | the raise, and keeps the word's second load behind it | a rejection from a moment that belongs to a later generation |
//! | swap the word | `AcqRel`, failure Acquire | the loads above | as the first row; the winner must see what the loser published |
//!
//! # The two moments
//!
//! `moments[generation & 1]` is when the generation began; in half-open, when its last place was given.
//! It is raised (`fetch_max`) *before* the swap that makes it valid, so whoever sees the new word
//! sees its moment or a later one. A late raiser can never move a moment back. A decision to reject is
//! checked against the word once more, because the moment may by then belong to the
//! generation after the next.
//!
//! # Transitions, and who may cause them
//!
//! `acquire`: Open or a timed `ForcedOpen` to `HalfOpen`, `HalfOpen` to `HalfOpen` (a new round). `settle_probe`: `HalfOpen` to
//! Open or Closed. `trip`: Closed to Open. `operate`: any state to a manual one, or to Closed.
//! Each is one successful swap and raises the generation by one; nothing else does.

use crate::breaker::policy::{self, Admission, ProbeEnd};
use crate::breaker::settings::SettingsWords;
use crate::breaker::word::Word;
use crate::event::{Cause, State};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::rejected::Rejected;
use crate::sync::{AtomicU64, Ordering, const_unless_loom, zeroed_words};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct StateWord {
    word: AtomicU64,
    moments: [AtomicU64; 2],
    /// When a timed forced opening ends.
    until: AtomicU64,
}

/// A request was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The word under which it was admitted.
    pub(crate) word: Word,
    /// The word before, when the admission changed the state.
    pub(crate) changed: Option<Change>,
}

/// One successful change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: Word,
    pub(crate) to: Word,
    pub(crate) cause: Cause,
}

/// What settling a probe did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum ProbeSettled {
    Stale,
    Counted(Option<Change>),
}

impl StateWord {
    const_unless_loom! {
        pub(crate) const fn new(initial: Word) -> Self {
            Self { word: AtomicU64::new(initial.bits()), moments: zeroed_words!(), until: AtomicU64::new(0) }
        }
    }

    /// Sets word and moment of a breaker that nobody else has yet.
    pub(crate) fn restore(&self, word: Word, moment: Nanos, until: Nanos) {
        let [even, odd] = &self.moments;
        // Relaxed: the breaker is not shared yet; sharing it publishes both.
        let own = if word.generation() & 1 == 0 {
            even
        } else {
            odd
        };
        own.store(moment.get(), Ordering::Relaxed);
        self.until.store(until.get(), Ordering::Relaxed);
        self.word.store(word.bits(), Ordering::Relaxed);
    }

    /// Begins anew with this word, in a breaker that nobody else reads.
    pub(crate) fn renew(&self, word: Word) {
        for moment in &self.moments {
            // Relaxed: whoever shares the breaker publishes it.
            moment.store(0, Ordering::Relaxed);
        }
        self.until.store(0, Ordering::Relaxed);
        self.word.store(word.bits(), Ordering::Relaxed);
    }

    /// The whole truth of one moment.
    #[inline]
    pub(crate) fn load(&self) -> Word {
        // Acquire: pairs with the swap, so the word's moment is visible.
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// When the word's generation began (in half-open: when its last place was given), or later.
    #[inline]
    pub(crate) fn moment(&self, word: Word) -> Nanos {
        let [even, odd] = &self.moments;
        let moment = if word.generation() & 1 == 0 {
            even
        } else {
            odd
        };
        // Acquire: pairs with the raise; also keeps a second load of the word behind this one.
        Nanos::new(moment.load(Ordering::Acquire))
    }

    /// When a timed forced opening ends.
    pub(crate) fn until(&self) -> Nanos {
        // Acquire: keeps the second load of the word behind this one.
        Nanos::new(self.until.load(Ordering::Acquire))
    }

    fn raise_moment(&self, word: Word, now: Nanos) {
        let [even, odd] = &self.moments;
        let moment = if word.generation() & 1 == 0 {
            even
        } else {
            odd
        };
        if fault!("moment_goes_back") {
            // Release: a fault for the tests to catch.
            return moment.store(now.get(), Ordering::Release);
        }
        // Release: pairs with the load in `moment`. A maximum, so a late raiser moves nothing back.
        moment.fetch_max(now.get(), Ordering::Release);
    }

    fn swap(&self, from: Word, to: Word) -> bool {
        if fault!("word_store") {
            // Release: a fault for the tests to catch.
            self.word.store(to.bits(), Ordering::Release);
            return true;
        }
        // AcqRel: publishes the raised moment to `load`; failure Acquire: the next try decides on
        // what the winner published.
        self.word
            .compare_exchange(from.bits(), to.bits(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Swaps to the word of a new generation (or of a new probe) that begins at `now`.
    fn swap_at(&self, from: Word, to: Word, now: Nanos) -> bool {
        if fault!("probe_moment_kept") && from.generation() == to.generation() {
            return self.swap(from, to);
        }
        if fault!("moment_after_swap") {
            let won = self.swap(from, to);
            if won {
                self.raise_moment(to, now);
            }
            return won;
        }
        self.raise_moment(to, now);
        self.swap(from, to)
    }

    /// The fast path of [`acquire`](Self::acquire) and [`check`](Self::check), where `word` was just loaded and nothing has to be
    /// swapped: plainly closed, or open and its time not over. `None`: it is neither; ask them.
    #[inline]
    pub(crate) fn decide_at_once(
        &self,
        word: Word,
        now: Nanos,
        settings: &SettingsWords,
    ) -> Option<Result<(), Rejected>> {
        if word.is_plainly_closed() {
            return Some(Ok(()));
        }
        if word.state() != State::Open {
            return None;
        }
        match policy::admit_open(word, self.moment(word), now, &settings.open_rules()) {
            // As in `acquire`.
            Admission::Reject(rejected) if self.load() == word => Some(Err(rejected)),
            _ => None,
        }
    }

    /// Asks for admission at `now`.
    pub(crate) fn acquire(
        &self,
        now: Nanos,
        settings: &SettingsWords,
    ) -> Result<Admitted, Rejected> {
        loop {
            let word = self.load();
            match self.decide(word, now, settings) {
                Admission::Pass => {
                    return Ok(Admitted {
                        word,
                        changed: None,
                    });
                }
                Admission::Reject(rejected) => {
                    // The moment that was read belongs to this word only if the word still stands.
                    if self.load() == word {
                        return Err(rejected);
                    }
                }
                Admission::Probe { next, cause } => {
                    if self.swap_at(word, next, now) {
                        let changed = cause.map(|cause| Change {
                            from: word,
                            to: next,
                            cause,
                        });
                        return Ok(Admitted {
                            word: next,
                            changed,
                        });
                    }
                }
                Admission::Ramp { next, rejected } => {
                    if self.swap(word, next) {
                        return match rejected {
                            None => Ok(Admitted {
                                word: next,
                                changed: None,
                            }),
                            Some(rejected) => Err(rejected),
                        };
                    }
                }
            }
        }
    }

    /// The decision that `acquire` would take, with nothing changed.
    #[cold]
    pub(crate) fn check(&self, now: Nanos, settings: &SettingsWords) -> Result<(), Rejected> {
        if fault!("looking_is_a_probe") {
            return self.acquire(now, settings).map(|_| ());
        }
        loop {
            let word = self.load();
            let decision = self.decide(word, now, settings);
            let rejected = match decision {
                Admission::Pass
                | Admission::Probe { .. }
                | Admission::Ramp { rejected: None, .. } => {
                    return Ok(());
                }
                Admission::Reject(rejected)
                | Admission::Ramp {
                    rejected: Some(rejected),
                    ..
                } => rejected,
            };
            // As in `acquire`.
            if self.load() == word {
                return Err(rejected);
            }
        }
    }

    fn decide(&self, word: Word, now: Nanos, settings: &SettingsWords) -> Admission {
        match word.state() {
            State::Closed if word.ramp_credit() == 0 => Admission::Pass,
            State::Disabled | State::MetricsOnly => Admission::Pass,
            State::Open => policy::admit_open(word, self.moment(word), now, &settings.open_rules()),
            State::HalfOpen => {
                policy::admit_half_open(word, self.moment(word), now, &settings.round_rules())
            }
            State::Closed => {
                policy::admit_ramping(word, self.moment(word), now, settings.ramp_up())
            }
            State::ForcedOpen => policy::admit_forced_open(word, self.until(), now),
        }
    }

    /// Settles a probe of `generation`. `before_closing` runs before the swap that would close the
    /// breaker, with the word that is about to end and the one that is to begin.
    pub(crate) fn settle_probe(
        &self,
        generation: u32,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        settings: &SettingsWords,
        before_closing: impl Fn(Word, Word),
    ) -> ProbeSettled {
        loop {
            let word = self.load();
            let current = word.generation() == generation || fault!("probe_without_generation");
            if word.state() != State::HalfOpen || !current {
                return ProbeSettled::Stale;
            }
            let rules = settings.round_rules();
            let Some(ProbeEnd { next, cause }) =
                policy::settle_probe(word, outcome, weight, &rules, settings.ramp_up())
            else {
                return ProbeSettled::Stale;
            };
            let next = next.watched(settings.counts_overdue());
            let won = if cause.is_some() {
                if next.state() == State::Closed {
                    before_closing(word, next);
                }
                self.swap_at(word, next, now)
            } else {
                self.swap(word, next)
            };
            if won {
                return ProbeSettled::Counted(cause.map(|cause| Change {
                    from: word,
                    to: next,
                    cause,
                }));
            }
        }
    }

    /// Opens a closed breaker of `generation`; `None` when that generation is over already.
    pub(crate) fn trip(&self, generation: u32, cause: Cause, now: Nanos) -> Option<Change> {
        loop {
            let word = self.load();
            let counts = word.state() == State::Closed
                || fault!("metrics_only_trips") && word.state() == State::MetricsOnly;
            if !counts || word.generation() != generation {
                return None;
            }
            let next = word.next(State::Open, 0);
            if self.swap_at(word, next, now) {
                return Some(Change {
                    from: word,
                    to: next,
                    cause,
                });
            }
            // Only the ramp's credit can have changed; the next round finds out.
        }
    }

    /// An operator's change to `state`, which never fails. `until`: when a forced opening ends.
    pub(crate) fn operate(
        &self,
        state: State,
        now: Nanos,
        until: Option<Nanos>,
        settings: &SettingsWords,
        before_counting: impl Fn(Word, Word),
    ) -> Change {
        loop {
            let word = self.load();
            let next = word
                .next(state, u32::from(until.is_some()))
                .watched(settings.counts_overdue());
            if matches!(state, State::Closed | State::MetricsOnly) {
                before_counting(word, next);
            }
            if let Some(until) = until {
                // Release: pairs with `until`; the swap publishes it with the word. Of two operators at
                // once the one that swaps last stored last.
                self.until.store(until.get(), Ordering::Release);
            }
            if self.swap_at(word, next, now) {
                return Change {
                    from: word,
                    to: next,
                    cause: Cause::Manual,
                };
            }
        }
    }
}
