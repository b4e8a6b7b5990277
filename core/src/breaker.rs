//! [`CircuitBreaker`]: the public face; it wires settings, state word and window together.

pub(crate) mod config;
mod open_duration;
pub(crate) mod permit;
mod policy;
mod settings;
mod state;
mod window;
mod word;

use crate::breaker::config::CircuitBreakerConfig;
use crate::breaker::permit::{Kind, RawPermit};
use crate::breaker::settings::SettingsWords;
use crate::breaker::state::{Change, ProbeSettled, StateWord};
use crate::breaker::window::{Head, Sample, Stripe, Verdict, Window};
use crate::breaker::word::Word;
use crate::error::ConfigError;
use crate::event::{Counts, Observer, State, Transition};
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};
use crate::rejected::Rejected;
use crate::snapshot::{Snapshot, Totals};
use crate::sync::{Ordering, const_unless_loom};

/// A circuit breaker: a few plain atomic words, without pointer, lock or allocation.
///
/// `SLOTS` is the capacity of its window (time slots, or 24 calls of a count window each). With
/// `STRIPES` above 1 its counters are spread over so many cache lines, so that threads do not wait
/// for each other's; a decision then sums them all.
///
/// # Time
///
/// Every method takes `now` from the caller's monotonic clock. It may be old: nothing is admitted that the
/// latest time seen would not admit.
///
/// # Memory ordering
///
/// An admission after a state change sees everything that the thread that caused the change did before
/// (release and acquire on the state word). Recording an outcome orders nothing else.
///
/// # Source
///
/// M. Nygard, *Release It!* (2007), for the pattern; the half-open round, the generation in each permit and
/// the lease answer faults that are known from its many versions.
///
/// ```
/// use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, Reason, State};
///
/// static PAYMENTS: CircuitBreaker =
///     CircuitBreaker::new(CircuitBreakerConfig::new().minimum_requests(2));
///
/// for second in 0..2 {
///     let now = Nanos::from_secs(second);
///     PAYMENTS.try_acquire(now).expect("closed").failure(now);
/// }
/// assert_eq!(PAYMENTS.state(), State::Open);
/// let rejected = PAYMENTS.try_acquire(Nanos::from_secs(2)).unwrap_err();
/// assert_eq!(rejected.reason, Reason::Open);
/// assert_eq!(rejected.retry_after, Some(Nanos::from_secs(29)));
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct CircuitBreaker<const SLOTS: usize = 10, const STRIPES: usize = 1> {
    words: Words<SLOTS, STRIPES>,
    settings: SettingsWords,
}

/// What changes while the breaker runs.
#[derive(Debug)]
#[repr(C)]
struct Words<const SLOTS: usize, const STRIPES: usize> {
    state: StateWord,
    head: Head,
    stripes: [Stripe<SLOTS>; STRIPES],
}

impl<const SLOTS: usize, const STRIPES: usize> Words<SLOTS, STRIPES> {
    const_unless_loom! {
        const fn new() -> Self {
            Self {
                state: StateWord::new(Word::INITIAL),
                head: Head::new(),
                stripes: {
                    #[cfg(not(fuseboard_loom))]
                    {
                        [const { Stripe::new() }; STRIPES]
                    }
                    #[cfg(fuseboard_loom)]
                    {
                        core::array::from_fn(|_| Stripe::new())
                    }
                },
            }
        }
    }

    #[inline]
    fn window(&self) -> Window<'_, SLOTS> {
        Window {
            head: &self.head,
            stripes: &self.stripes,
        }
    }
}

#[cfg(not(fuseboard_loom))]
const _: () = assert!(
    size_of::<Words<10, 1>>() == 256,
    "ten slots, one stripe: 256 bytes"
);

impl<const SLOTS: usize, const STRIPES: usize> CircuitBreaker<SLOTS, STRIPES> {
    const SHAPE: () = assert!(
        SLOTS >= 1 && SLOTS <= config::SLOTS_MAX && STRIPES >= 1,
        "a breaker has 1 to 63 slots and at least one stripe"
    );

    const_unless_loom! {
        /// A closed breaker.
        ///
        /// # Panics
        /// On a bad configuration; in a `static` that is a compile error.
        pub const fn new(config: CircuitBreakerConfig) -> Self {
            match Self::try_new(config) {
                Ok(breaker) => breaker,
                Err(_) => panic!("bad circuit breaker configuration; `try_new` says which field"),
            }
        }
    }

    const_unless_loom! {
        /// A closed breaker.
        ///
        /// # Errors
        /// The first field that is out of its range.
        pub const fn try_new(config: CircuitBreakerConfig) -> Result<Self, ConfigError> {
            let () = Self::SHAPE;
            let settings = match config.settings(SLOTS) {
                Ok(settings) => settings,
                Err(error) => return Err(error),
            };
            Ok(Self {
                words: Words::new(),
                settings: SettingsWords::new(&settings),
            })
        }
    }

    /// Asks for the right to make one call at `now`.
    ///
    /// # Errors
    /// [`Rejected`] with the reason and, where it can be known, the time to come back.
    #[inline]
    pub fn try_acquire(&self, now: Nanos) -> Result<Permit<'_, SLOTS, STRIPES>, Rejected> {
        self.acquire(now, &())
            .map(|raw| Permit { breaker: self, raw })
    }

    /// As [`try_acquire`](Self::try_acquire), with the permit as a value and an observer.
    ///
    /// # Errors
    /// As `try_acquire`.
    #[inline]
    pub fn acquire(&self, now: Nanos, observer: &impl Observer) -> Result<RawPermit, Rejected> {
        match self.words.state.acquire(now, &self.settings) {
            Ok(admitted) => {
                if let Some(change) = admitted.changed {
                    self.tell(observer, change, now, Counts::default());
                }
                Ok(RawPermit::new(admitted.word, now))
            }
            Err(rejected) => {
                // Relaxed: a counter for display.
                self.stripe().rejected.fetch_add(1, Ordering::Relaxed);
                Err(rejected)
            }
        }
    }

    /// What [`try_acquire`](Self::try_acquire) would decide; changes and counts nothing.
    ///
    /// # Errors
    /// As `try_acquire`.
    #[inline]
    pub fn check(&self, now: Nanos) -> Result<(), Rejected> {
        self.words.state.check(now, &self.settings)
    }

    /// Settles a permit at `now` with the outcome of its call.
    #[inline]
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.settle_weighted(permit, outcome, 1, now, observer)
    }

    /// As [`settle`](Self::settle); a failure counts as `weight` failed calls (1 to 1,000; what is beyond
    /// is taken as the nearest).
    #[inline]
    pub fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        if outcome == Outcome::Ignored {
            return self.cancel(permit, observer);
        }
        let weight = if outcome == Outcome::Failure {
            weight.clamp(1, 1_000)
        } else {
            1
        };
        let slow = now.saturating_sub(permit.started()) > self.settings.slow_call_duration();
        match permit.kind() {
            Kind::Call => {
                let sample = Sample::new(outcome == Outcome::Failure, slow, weight);
                self.record(permit.generation(), now, sample, observer)
            }
            Kind::Probe => {
                let outcome = if slow { Outcome::Failure } else { outcome };
                self.settle_probe(permit.generation(), outcome, weight, now, observer)
            }
            Kind::Uncounted => self.if_current(permit.generation()),
        }
    }

    /// Settles a permit whose call gave no outcome: neutral, and its place is free again.
    pub fn cancel(&self, permit: RawPermit, observer: &impl Observer) -> Settled {
        let settled = match permit.kind() {
            Kind::Call | Kind::Uncounted => self.if_current(permit.generation()),
            Kind::Probe => {
                // A cancelled probe changes no state, so its moment is not needed.
                self.settle_probe(
                    permit.generation(),
                    Outcome::Ignored,
                    1,
                    Nanos::ZERO,
                    observer,
                )
            }
        };
        if settled == Settled::Recorded {
            // Relaxed: a counter for display.
            self.stripe().ignored.fetch_add(1, Ordering::Relaxed);
        }
        settled
    }

    fn if_current(&self, generation: u32) -> Settled {
        if self.words.state.load().generation() == generation {
            Settled::Recorded
        } else {
            Settled::Stale
        }
    }

    #[inline]
    fn record(
        &self,
        generation: u32,
        now: Nanos,
        sample: Sample,
        observer: &impl Observer,
    ) -> Settled {
        let (state, window) = (&self.words.state, self.words.window());
        let is_current = || state.load().generation() == generation;
        if !is_current() && !cfg!(fuseboard_fault = "call_without_generation") {
            return Settled::Stale;
        }
        let geometry = self.settings.geometry();
        match window.record(geometry, self.stripe(), generation, now, sample, is_current) {
            Verdict::Stale => return Settled::Stale,
            Verdict::Counted => {}
            Verdict::Judge(counts) => {
                self.judge(generation, counts, now, observer);
            }
            Verdict::JudgeAt { counts, tick } => {
                if self.judge(generation, counts, now, observer) {
                    window.set_mature(geometry, tick, generation);
                }
            }
        }
        Settled::Recorded
    }

    /// Trips the breaker if the counts say so. `true`: they reached the minimum and did not trip.
    fn judge(&self, generation: u32, counts: Counts, now: Nanos, observer: &impl Observer) -> bool {
        let geometry = self.settings.geometry();
        let cause = match geometry.kind {
            config::Kind::Consecutive => policy::judge_run(counts, u64::from(geometry.size)),
            _ => {
                let minimum = self.settings.minimum();
                let (failure_ppm, slow_ppm) = self.settings.thresholds();
                let cause = policy::judge(counts, minimum, failure_ppm, slow_ppm);
                if cause.is_none() {
                    return counts.calls >= minimum;
                }
                cause
            }
        };
        if let Some(change) = cause.and_then(|cause| self.words.state.trip(generation, cause, now))
        {
            self.tell(observer, change, now, counts);
        }
        false
    }

    fn settle_probe(
        &self,
        generation: u32,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        let settled = self.words.state.settle_probe(
            generation,
            outcome,
            weight,
            now,
            &self.settings,
            |from, to| self.clear_window(from, to),
        );
        match settled {
            ProbeSettled::Stale => Settled::Stale,
            ProbeSettled::Counted(change) => {
                if let Some(change) = change {
                    let round = change.from.round();
                    let (failures, successes) = match outcome {
                        Outcome::Failure => (round.failures + weight, round.successes),
                        _ => (round.failures, round.successes + 1),
                    };
                    let counts = Counts {
                        calls: u64::from(failures + successes),
                        failures: u64::from(failures),
                        slow: 0,
                    };
                    self.tell(observer, change, now, counts);
                }
                Settled::Recorded
            }
        }
    }

    /// The state now; it may be over when the caller looks at it.
    #[inline]
    pub fn state(&self) -> State {
        self.words.state.load().state()
    }

    /// Whether the start of a call matters: `slow_call_duration` is set.
    pub fn measures_duration(&self) -> bool {
        self.settings.slow_call_duration() != Nanos::MAX
    }

    /// State, window and totals at `now`; reading disturbs no decision.
    pub fn snapshot(&self, now: Nanos) -> Snapshot {
        let (state, window) = (&self.words.state, self.words.window());
        let geometry = self.settings.geometry();
        let word = state.load();
        let round = if word.state() == State::HalfOpen {
            word.round()
        } else {
            Word::INITIAL.round()
        };
        let counts = match word.state() {
            State::Closed | State::MetricsOnly => window.sum(geometry, word.generation(), now),
            _ => Counts::default(),
        };
        let total = window.totals(geometry);
        let mut totals = Totals {
            calls: total.calls,
            failures: total.failures,
            slow: total.slow,
            ..Totals::default()
        };
        for stripe in window.stripes {
            // Relaxed: counters for display.
            totals.rejected += stripe.rejected.load(Ordering::Relaxed);
            totals.ignored += stripe.ignored.load(Ordering::Relaxed);
        }
        Snapshot {
            state: word.state(),
            generation: word.generation(),
            openings: word.openings(),
            in_flight: round.in_flight,
            probe_successes: round.successes,
            probe_failures: round.failures,
            since: state.moment(word),
            retry_after: self
                .check(now)
                .err()
                .and_then(|rejected| rejected.retry_after),
            window: counts,
            totals,
        }
    }

    /// Rejects every request until another manual verb.
    pub fn force_open(&self, now: Nanos, observer: &impl Observer) {
        self.operate(State::ForcedOpen, now, observer);
    }

    /// Admits every request and counts nothing until another manual verb.
    pub fn disable(&self, now: Nanos, observer: &impl Observer) {
        self.operate(State::Disabled, now, observer);
    }

    /// Admits and counts every request and never trips until another manual verb.
    pub fn metrics_only(&self, now: Nanos, observer: &impl Observer) {
        self.operate(State::MetricsOnly, now, observer);
    }

    /// Closes the breaker with an empty window; permits given before change nothing any more.
    pub fn reset(&self, now: Nanos, observer: &impl Observer) {
        self.operate(State::Closed, now, observer);
    }

    fn operate(&self, to: State, now: Nanos, observer: &impl Observer) {
        let change = self
            .words
            .state
            .operate(to, now, |from, to| self.clear_window(from, to));
        self.tell(observer, change, now, Counts::default());
    }

    /// Takes new settings over and keeps state and window. The window's kind and size stay.
    ///
    /// A decision that runs meanwhile may still see an old setting beside a new one.
    ///
    /// # Errors
    /// The first field that is out of its range; `window` when its kind or size would change.
    /// Nothing is changed then.
    pub fn configure(&self, config: CircuitBreakerConfig) -> Result<(), ConfigError> {
        let settings = config.settings(SLOTS)?;
        if settings.geometry != self.settings.geometry() {
            return Err(ConfigError::conflict(
                "window",
                "its kind or size differs from the running breaker's",
                "what it was made with; make a new breaker for another window",
            ));
        }
        self.settings.store(&settings);
        Ok(())
    }

    fn clear_window(&self, from: Word, to: Word) {
        let (state, window) = (&self.words.state, self.words.window());
        window.clear(self.settings.geometry(), to.generation(), || {
            state.load() == from
        });
    }

    fn tell(&self, observer: &impl Observer, change: Change, at: Nanos, counts: Counts) {
        observer.transition(&Transition {
            from: change.from.state(),
            to: change.to.state(),
            generation: change.to.generation(),
            at,
            cause: change.cause,
            counts,
        });
    }

    /// The caller's stripe: threads have stacks of their own, so the address of a local tells them apart.
    #[inline]
    fn stripe(&self) -> &Stripe<SLOTS> {
        let local = 0_u8;
        let address = core::ptr::from_ref(&local).addr();
        // Fibonacci hashing of the page: neighbouring stacks differ in few bits.
        let hash =
            (address >> 12).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as usize) >> (usize::BITS / 2);
        &self.words.stripes[hash % STRIPES]
    }
}

/// The right to make one call. Settle it with the outcome; dropped, it is cancelled: neutral, and its
/// place is free again. Settling never waits, allocates or panics.
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = breaker.try_acquire(Nanos::ZERO).unwrap();
/// permit.success(Nanos::ZERO);
/// permit.success(Nanos::ZERO); // a permit is settled once
/// ```
///
/// ```compile_fail
/// # use fuseboard_core::*;
/// let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
/// let permit = breaker.try_acquire(Nanos::ZERO).unwrap();
/// drop(breaker); // a permit does not outlive its breaker
/// permit.success(Nanos::ZERO);
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, the call is not counted; settle it with `success` or `failure`"]
pub struct Permit<'a, const SLOTS: usize = 10, const STRIPES: usize = 1> {
    breaker: &'a CircuitBreaker<SLOTS, STRIPES>,
    raw: RawPermit,
}

impl<const SLOTS: usize, const STRIPES: usize> Permit<'_, SLOTS, STRIPES> {
    /// The call succeeded, at `now`.
    #[inline]
    pub fn success(self, now: Nanos) -> Settled {
        let breaker = self.breaker;
        breaker.settle(self.into_raw(), Outcome::Success, now, &())
    }

    /// The call failed, at `now`.
    #[inline]
    pub fn failure(self, now: Nanos) -> Settled {
        self.failure_weighted(1, now)
    }

    /// The call failed, at `now`, and counts as `weight` failed calls (1 to 1,000).
    #[inline]
    pub fn failure_weighted(self, weight: u32, now: Nanos) -> Settled {
        let breaker = self.breaker;
        breaker.settle_weighted(self.into_raw(), Outcome::Failure, weight, now, &())
    }

    /// The call's end says nothing about the dependency.
    pub fn ignore(self) -> Settled {
        let breaker = self.breaker;
        breaker.cancel(self.into_raw(), &())
    }

    /// Whether this call is a probe of a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.raw.is_probe()
    }

    /// The permit as a value; the caller now settles it.
    #[inline]
    pub fn into_raw(self) -> RawPermit {
        let raw = self.raw;
        core::mem::forget(self);
        raw
    }
}

impl<const SLOTS: usize, const STRIPES: usize> Drop for Permit<'_, SLOTS, STRIPES> {
    fn drop(&mut self) {
        let _ = self.breaker.cancel(self.raw, &());
    }
}
