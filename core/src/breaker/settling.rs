//! Settling: what becomes of a permit when its call ends.

use crate::breaker::permit::{Purpose, RawPermit};
use crate::breaker::rules::{Geometry, Kind, TIME_WINDOWS_ONLY};
use crate::breaker::state::ProbeSettled;
use crate::breaker::window::owned::OwnedStripe;
use crate::breaker::window::{Judgement, Misplaced, Sample, Verdict, Weighed};
use crate::breaker::word::Word;
use crate::breaker::{CircuitBreaker, policy, tell};
use crate::event::{Cause, Counts, Observer};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::{Outcome, Settled};

/// A success that [`succeed_at_once`](CircuitBreaker::succeed_at_once) did not count, or not where it should have.
#[derive(Clone, Copy, Debug)]
#[must_use = "give it to `take_back`, then settle the permit"]
pub struct NotAtOnce<'a>(Option<Misplaced<'a>>);

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// Settles a permit at `now` with the outcome of its call.
    #[inline]
    pub fn settle(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.settle_in(None, permit, outcome, now, observer)
    }

    /// The fast path of [`settle`](Self::settle) alone, for hosts that keep permits as [words](RawPermit::to_words): a call of the current
    /// generation succeeded, was not slow, and one addition counts it. Words of no permit are not counted.
    ///
    /// # Errors
    /// Where it is not so simple: give what is returned to [`take_back`](Self::take_back), then `settle` the permit.
    #[inline]
    pub fn succeed_at_once(&self, permit: [u64; 2], now: Nanos) -> Result<(), NotAtOnce<'_>> {
        let mut wrongly = None;
        let permit = RawPermit::from_words_unchecked(permit);
        if self.record_success(None, permit, now, |misplaced| wrongly = Some(misplaced)) {
            Ok(())
        } else {
            Err(NotAtOnce(wrongly))
        }
    }

    /// Takes back what [`succeed_at_once`](Self::succeed_at_once) has counted in the wrong slot, if it has: apart from it, so that it calls
    /// nothing and needs no stack.
    pub fn take_back(&self, not_at_once: NotAtOnce<'_>) {
        if let NotAtOnce(Some(misplaced)) = not_at_once {
            misplaced.take_back_success(self.words.window().head);
        }
    }

    /// Settles, and counts in `own` where the caller has a handle.
    #[inline]
    pub(super) fn settle_in(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        permit: RawPermit,
        outcome: Outcome,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        let take_back =
            |misplaced: Misplaced<'_>| misplaced.take_back_success(self.words.window().head);
        if outcome == Outcome::Success && self.record_success(own, permit, now, take_back) {
            return Settled::Recorded;
        }
        self.settle_weighted_in(own, permit, outcome, 1, now, observer)
    }

    /// As [`settle`](Self::settle); a failure counts as `weight` failed calls (1 to 1,000; what is beyond
    /// is taken as the nearest).
    pub fn settle_weighted(
        &self,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        self.settle_weighted_in(None, permit, outcome, weight, now, observer)
    }

    // The general path, not inlined: the memory that it needs would cost a closed call as much as its counting.
    #[inline(never)]
    pub(super) fn settle_weighted_in(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        permit: RawPermit,
        outcome: Outcome,
        weight: u32,
        now: Nanos,
        observer: &impl Observer,
    ) -> Settled {
        if outcome == Outcome::Ignored {
            return self.cancel_in(own, permit, observer);
        }
        let weight = if outcome == Outcome::Failure && !fault!("weight_ignored") {
            weight.clamp(1, 1_000)
        } else {
            1
        };
        let slow = self.is_slow(permit, now);
        if !fault!("overdue_leaves_late") {
            self.leave(permit);
        }
        match permit.purpose() {
            Purpose::Call | Purpose::WatchedCall => {
                let sample = Sample::new(outcome == Outcome::Failure, slow, weight);
                let now = fault!("call_counts_at_its_start", permit.started(), now);
                let settled = self.record(own, permit.generation(), now, sample, observer);
                if fault!("overdue_leaves_late") {
                    self.leave(permit);
                }
                settled
            }
            Purpose::Probe => {
                let outcome = if slow && !fault!("slow_probe_succeeds") {
                    Outcome::Failure
                } else {
                    outcome
                };
                self.settle_probe(permit.generation(), outcome, weight, now, observer)
            }
            Purpose::Uncounted => self.if_current(permit.generation()),
        }
    }

    /// The fast path of [`settle_weighted`](Self::settle_weighted): the success of a call of the current generation, not slow,
    /// that the window counts with one addition. `false`: nothing was counted, settle it there; what was counted in the wrong slot is for
    /// `take_back`.
    // Always where code is not scarce: called, it costs a third of a call.
    #[cfg_attr(target_has_atomic = "64", allow(clippy::inline_always))]
    #[cfg_attr(target_has_atomic = "64", inline(always))]
    #[cfg_attr(not(target_has_atomic = "64"), inline)]
    fn record_success<'a>(
        &'a self,
        own: Option<&OwnedStripe<SLOTS>>,
        permit: RawPermit,
        now: Nanos,
        take_back: impl FnOnce(Misplaced<'a>),
    ) -> bool {
        if !permit.is_call_of(self.words.state.load()) || self.is_slow(permit, now) {
            return false;
        }
        let (window, generation) = (self.words.window(), permit.generation());
        if let Some(own) = own
            && window.record_own_success(own, generation, now)
        {
            return true;
        }
        let slot = self.settings.slot();
        if own.is_none() && window.record_success(slot, self.stripe(), generation, now, take_back) {
            return true;
        }
        let kind = self.settings.geometry().kind();
        window.record_run_success(kind, self.counters(own), generation)
    }

    #[inline]
    fn is_slow(&self, permit: RawPermit, now: Nanos) -> bool {
        // Longer than the limit; by a clock that went back, no call is.
        let limit = self.settings.slow_call_duration();
        now.get()
            .checked_sub(permit.started().get())
            .is_some_and(|took| {
                took > limit.get() || fault!("slow_when_as_long") && took == limit.get()
            })
    }

    /// Settles a permit whose call gave no outcome: neutral, and its place is free again.
    pub fn cancel(&self, permit: RawPermit, observer: &impl Observer) -> Settled {
        self.cancel_in(None, permit, observer)
    }

    // Not inlined: a permit's end is then small enough to be inlined everywhere, and the permit stays in registers.
    #[inline(never)]
    pub(super) fn cancel_in(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        permit: RawPermit,
        observer: &impl Observer,
    ) -> Settled {
        if fault!("cancelled_call_fails") {
            return self.settle_weighted(permit, Outcome::Failure, 1, permit.started(), observer);
        }
        self.leave(permit);
        let settled = match permit.purpose() {
            Purpose::Call | Purpose::WatchedCall | Purpose::Uncounted => {
                self.if_current(permit.generation())
            }
            Purpose::Probe => {
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
        if settled == Settled::Recorded && !fault!("ignored_uncounted") {
            self.counters(own).count_ignored();
        }
        settled
    }

    fn if_current(&self, generation: u32) -> Settled {
        if self.words.state.load().generation() == generation || fault!("stale_cancel_recorded") {
            Settled::Recorded
        } else {
            Settled::Stale
        }
    }

    fn record(
        &self,
        own: Option<&OwnedStripe<SLOTS>>,
        generation: u32,
        now: Nanos,
        sample: Sample,
        observer: &impl Observer,
    ) -> Settled {
        let (state, window) = (&self.words.state, self.words.window());
        let is_current = || state.load().generation() == generation;
        if !is_current() && !fault!("call_without_generation") {
            return Settled::Stale;
        }
        let geometry = self.settings.geometry();
        let verdict = window.record(
            geometry,
            self.counters(own),
            generation,
            now,
            sample,
            &is_current,
        );
        match verdict {
            Verdict::Stale => Settled::Stale,
            Verdict::Counted => Settled::Recorded,
            Verdict::Judge(judgement) => {
                self.judge(geometry, generation, sample, judgement, now, observer);
                Settled::Recorded
            }
        }
    }

    /// Trips the breaker if what the window holds says so.
    fn judge(
        &self,
        geometry: Geometry,
        generation: u32,
        sample: Sample,
        judgement: Judgement,
        now: Nanos,
        observer: &impl Observer,
    ) {
        let Judgement {
            held: ended,
            calls_before,
            tick,
        } = judgement;
        let mut held = ended;
        if geometry.counts_overdue && !TIME_WINDOWS_ONLY {
            let limit = self.settings.slow_call_duration();
            let window = self.words.window();
            held = held.plus(window.overdue(geometry, generation, now, limit));
        }
        let minimum = self.settings.minimum().saturating_mul(held.one);
        let cause = if geometry.kind() == Kind::Consecutive {
            policy::judge_run(held.counts, u64::from(geometry.size))
        } else {
            // A success is judged only when it reaches the minimum.
            let reaches = calls_before < minimum && !fault!("success_never_judged");
            let is_due = sample.is_bad() || reaches || fault!("every_success_judged");
            is_due.then(|| self.judge_held(held)).flatten()
        };
        if let Some(cause) = cause {
            self.trip(generation, cause, now, held, observer);
        } else if let Some(tick) = tick
            // What is in flight may end without an outcome, so it does not make a window mature.
            && ended.counts.calls >= minimum
        {
            self.words.window().set_mature(geometry, tick, generation);
        }
    }

    /// Whether what a window holds trips the breaker.
    pub(super) fn judge_held(&self, held: Weighed) -> Option<Cause> {
        let minimum = self.settings.minimum().saturating_mul(held.one);
        let (failure_ppm, slow_ppm) = self.settings.thresholds();
        let minimum = minimum + u64::from(fault!("minimum_must_be_exceeded"));
        (held.counts.calls >= minimum || fault!("minimum_ignored"))
            .then(|| policy::judge(held.counts, failure_ppm, slow_ppm))
            .flatten()
    }

    pub(super) fn trip(
        &self,
        generation: u32,
        cause: Cause,
        now: Nanos,
        held: Weighed,
        observer: &impl Observer,
    ) {
        if let Some(change) = self.words.state.trip(generation, cause, now) {
            tell(observer, change, now, held.rounded());
        }
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
                    tell(observer, change, now, counts);
                }
                Settled::Recorded
            }
        }
    }

    pub(super) fn clear_window(&self, from: Word, to: Word) {
        let (state, window) = (&self.words.state, self.words.window());
        window.clear(self.settings.geometry(), to.generation(), &|| {
            state.load() == from
        });
    }
}
