//! The window: what the breaker judges. One file for each kind; this one chooses.

// On a 64-bit machine the way of an outcome is one piece of code, a third shorter than in functions; a small image has it in functions.
#![allow(clippy::inline_always)]

mod consecutive;
mod count;
mod decay;
pub(crate) mod owned;
mod sample;
mod slot;
mod time;
mod words;

use crate::breaker::rules::{Geometry, Kind};
use crate::breaker::window::owned::OwnedStripe;
pub(crate) use crate::breaker::window::sample::{Judgement, Sample, Verdict, Weighed};
pub(crate) use crate::breaker::window::slot::Misplaced;
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::time::tick::Tick;
use crate::breaker::window::words::Totals;
pub(crate) use crate::breaker::window::words::{Counters, Head, Stripe};
use crate::event::Counts;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering};

/// The window's words, borrowed from the breaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a, const SLOTS: usize> {
    pub(crate) head: &'a Head,
    pub(crate) stripes: &'a [Stripe<SLOTS>],
    pub(crate) owned: &'a [OwnedStripe<SLOTS>],
}

impl<'a, const SLOTS: usize> Window<'a, SLOTS> {
    #[inline]
    fn time(self, geometry: Geometry) -> TimeWindow<'a, SLOTS> {
        TimeWindow {
            tick: &self.head.tick,
            totals: &self.head.totals,
            stripes: self.stripes,
            owned: self.owned,
            slot: geometry.slot,
            slots: u64::from(geometry.size).clamp(1, SLOTS as u64),
            decays: geometry.kind() == Kind::Decay,
        }
    }

    /// Where a count window keeps its outcomes.
    fn ring(self) -> &'a [AtomicU64] {
        self.stripes.first().map_or(&[], |stripe| &stripe.slots)
    }

    /// The fast path of [`record`](Self::record) in a window of time with slots so long: a success that was not slow, where counting
    /// takes one addition and there is nothing to judge. `false`: nothing was counted, `record` it; what was counted in the wrong slot
    /// is for `take_back`.
    #[inline]
    pub(crate) fn record_success(
        self,
        slot: Nanos,
        stripe: &'a Stripe<SLOTS>,
        generation: u32,
        now: Nanos,
        take_back: impl FnOnce(Misplaced<'a>),
    ) -> bool {
        time::record_success(&self.head.tick, slot, stripe, generation, now, take_back)
    }

    /// As [`record_success`](Self::record_success), in the counters of a handle. Which kind the window is need not be asked: only one of time
    /// makes them ready.
    #[inline]
    pub(crate) fn record_own_success(
        self,
        own: &OwnedStripe<SLOTS>,
        generation: u32,
        now: Nanos,
    ) -> bool {
        own.record_at_once(Tick::load(&self.head.tick), generation, now)
    }

    /// As [`record_success`](Self::record_success), where the window is not one of time: a success that finds an empty run.
    #[inline]
    pub(crate) fn record_run_success(
        self,
        kind: Kind,
        counters: Counters<'_, SLOTS>,
        generation: u32,
    ) -> bool {
        let is_empty =
            kind == Kind::Consecutive && consecutive::is_empty_run(&self.head.tick, generation);
        if is_empty {
            self.count_total(counters, Sample::new(false, false, 1));
        }
        is_empty
    }

    /// Takes one outcome of `generation` in; `is_current` says whether that generation still stands.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn record(
        self,
        geometry: Geometry,
        counters: Counters<'_, SLOTS>,
        generation: u32,
        now: Nanos,
        sample: Sample,
        is_current: &dyn Fn() -> bool,
    ) -> Verdict {
        match geometry.kind() {
            Kind::Time | Kind::Decay => self
                .time(geometry)
                .record(counters, generation, now, sample, is_current),
            Kind::Count => self.record_count(geometry, generation, sample, is_current),
            Kind::Consecutive => {
                let verdict = consecutive::record(&self.head.tick, generation, sample, is_current);
                if verdict != Verdict::Stale {
                    self.count_total(counters, sample);
                }
                verdict
            }
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn record_count(
        self,
        geometry: Geometry,
        generation: u32,
        sample: Sample,
        is_current: &dyn Fn() -> bool,
    ) -> Verdict {
        let ring = self.ring();
        let size = geometry.size;
        let mut verdict = Verdict::Stale;
        // One call that weighs as many as the window fills it; more cannot be told apart.
        let pushes = sample.weight.min(u64::from(size)).max(1);
        let (mut before, mut pushed) = (0, 0);
        while pushed < pushes {
            match count::push(&self.head.tick, ring, size, generation, sample, is_current) {
                count::Push::Stale if pushed == 0 || fault!("cut_short_forgets_totals") => {
                    return verdict;
                }
                // The generation ended in the middle of a weighted call: it was recorded, so the totals have all of it.
                count::Push::Stale => break,
                count::Push::Done {
                    counts,
                    calls_before,
                    folded,
                } => {
                    self.head.totals.add(Counts {
                        calls: folded,
                        failures: 0,
                        slow: 0,
                    });
                    if pushed == 0 {
                        before = calls_before;
                    }
                    verdict = Verdict::Judge(Judgement {
                        held: Weighed::whole(counts),
                        calls_before: before,
                        tick: None,
                    });
                    pushed += 1;
                }
            }
        }
        self.head.totals.add(Counts {
            calls: sample.weight - pushed,
            failures: if sample.failed { sample.weight } else { 0 },
            slow: if sample.slow { sample.weight } else { 0 },
        });
        verdict
    }

    /// Consecutive failures keep no calls: count them beside the run.
    #[inline]
    fn count_total(self, counters: Counters<'_, SLOTS>, sample: Sample) {
        let counts = sample.counts();
        match counters {
            Counters::Owned(stripe) => stripe.count_total(counts),
            Counters::Shared(stripe) => {
                if let Some((calls, slow)) = stripe.at(0) {
                    // Relaxed: totals for display.
                    calls.fetch_add(counts.calls, Ordering::Relaxed);
                    if counts.slow > 0 {
                        slow.fetch_add(counts.slow, Ordering::Relaxed);
                    }
                }
                self.head.totals.add(Counts {
                    failures: counts.failures,
                    ..Counts::default()
                });
            }
        }
    }

    /// Counts a call in flight, as `time/overdue.rs` says.
    pub(crate) fn enter(
        self,
        geometry: Geometry,
        generation: u32,
        now: Nanos,
        is_current: &dyn Fn() -> bool,
    ) -> Option<Nanos> {
        self.time(geometry).enter(generation, now, is_current)
    }

    /// Takes a call that was counted in flight out of it.
    pub(crate) fn leave(self, geometry: Geometry, generation: u32, started: Nanos) {
        self.time(geometry).leave(generation, started);
    }

    /// What the window of `generation` holds, and the calls in flight for longer than `limit` as slow ones.
    /// `None`: there are no such calls.
    pub(crate) fn sum_with_overdue(
        self,
        geometry: Geometry,
        generation: u32,
        now: Nanos,
        limit: Nanos,
    ) -> Option<Weighed> {
        let time = self.time(geometry);
        // First what has ended: of a call that ends meanwhile neither is seen, never both.
        let ended = time.sum_at(generation, now);
        let overdue = time.overdue(generation, now, limit);
        (overdue.counts.calls > 0).then(|| ended.plus(overdue))
    }

    /// Calls in flight for longer than `limit`.
    pub(crate) fn overdue(
        self,
        geometry: Geometry,
        generation: u32,
        now: Nanos,
        limit: Nanos,
    ) -> Weighed {
        self.time(geometry).overdue(generation, now, limit)
    }

    /// Remembers that the window had reached the minimum when it was judged.
    pub(crate) fn set_mature(self, geometry: Geometry, tick: u64, generation: u32) {
        self.time(geometry).set_mature(tick, generation);
    }

    /// Lets the next success be judged again, for a minimum that has changed.
    pub(crate) fn forget_maturity(self, geometry: Geometry) {
        if let Kind::Time | Kind::Decay = geometry.kind() {
            self.time(geometry).forget_maturity();
        }
    }

    /// The content of the window of `generation` at `now`.
    pub(crate) fn sum(self, geometry: Geometry, generation: u32, now: Nanos) -> Counts {
        match geometry.kind() {
            Kind::Time | Kind::Decay => self.time(geometry).sum_at(generation, now).rounded(),
            Kind::Count => count::sum(&self.head.tick, self.ring(), geometry.size, generation),
            Kind::Consecutive => consecutive::sum(&self.head.tick, generation),
        }
    }

    /// Empties the window before `generation` begins, unless `is_current` says that somebody else has
    /// changed the state.
    pub(crate) fn clear(self, geometry: Geometry, generation: u32, is_current: &dyn Fn() -> bool) {
        match geometry.kind() {
            Kind::Time | Kind::Decay => self.time(geometry).clear(is_current),
            Kind::Count => {
                let ring = self.ring();
                let calls =
                    count::clear(&self.head.tick, ring, geometry.size, generation, is_current);
                self.head.totals.add(Counts {
                    calls,
                    failures: 0,
                    slow: 0,
                });
            }
            // The run names its generation in full.
            Kind::Consecutive => {}
        }
    }

    /// Everything ever counted, the current window included.
    pub(crate) fn totals(self, geometry: Geometry) -> Counts {
        let folded = self.head.totals.load();
        let live = match geometry.kind() {
            Kind::Time | Kind::Decay => self.time(geometry).unfolded(),
            Kind::Count => Counts {
                calls: count::unfolded(&self.head.tick),
                failures: 0,
                slow: 0,
            },
            Kind::Consecutive => {
                let mut live = Counts::default();
                for (calls, slow) in self.stripes.iter().filter_map(|stripe| stripe.at(0)) {
                    // Relaxed: totals for display.
                    live.calls = live.calls.saturating_add(calls.load(Ordering::Relaxed));
                    live.slow = live.slow.saturating_add(slow.load(Ordering::Relaxed));
                }
                live
            }
        };
        let owned = self.owned.iter().map(OwnedStripe::totals);
        owned.fold(folded.plus(live), Counts::plus)
    }

    /// The window of `generation` as words, for [`restore`](Self::restore).
    pub(crate) fn save(
        self,
        geometry: Geometry,
        generation: u32,
        now: Nanos,
        mut push: impl FnMut(u64),
    ) {
        match geometry.kind() {
            Kind::Time | Kind::Decay => self.time(geometry).save(generation, now, push),
            Kind::Count => {
                count::save(
                    &self.head.tick,
                    self.ring(),
                    geometry.size,
                    generation,
                    push,
                );
            }
            Kind::Consecutive => {
                let counts = consecutive::sum(&self.head.tick, generation);
                push(counts.failures);
                push(counts.slow);
            }
        }
    }

    /// Fills an empty window that nobody else has yet; returns what it now counts and no total
    /// does. `None`: the words are not such a window's.
    pub(crate) fn restore(
        self,
        geometry: Geometry,
        generation: u32,
        words: &[u64],
        now: Nanos,
        away: Nanos,
    ) -> Option<Counts> {
        match (geometry.kind(), words) {
            (Kind::Time | Kind::Decay, _) => {
                self.time(geometry).restore(generation, words, now, away)
            }
            (Kind::Count, [number, outcomes @ ..]) => {
                let size = geometry.size;
                let bits = |place: u64| {
                    let word = outcomes.get((place / 32) as usize)?;
                    Some(word >> (place % 32 * 2) & 3)
                };
                for place in 0..(*number).min(u64::from(size)) {
                    let sample = Sample::from_bits(bits(place)?);
                    count::push(
                        &self.head.tick,
                        self.ring(),
                        size,
                        generation,
                        sample,
                        &|| true,
                    );
                }
                Some(Counts {
                    calls: count::unfolded(&self.head.tick),
                    failures: 0,
                    slow: 0,
                })
            }
            (Kind::Consecutive, &[failures, slow]) => {
                consecutive::restore(&self.head.tick, generation, failures, slow);
                Some(Counts::default())
            }
            _ => None,
        }
    }

    /// Forgets everything, totals too, of a window that nobody else reads.
    pub(crate) fn zero(self) {
        self.head.zero();
        for stripe in self.stripes {
            stripe.zero();
        }
    }

    /// Sets the totals of a window that nobody else has yet.
    pub(crate) fn set_totals(self, totals: Counts) {
        self.head.totals.add(totals);
    }

    /// Sets what a breaker that nobody else has yet did not count as calls.
    pub(crate) fn set_uncounted(self, rejected: u64, ignored: u64) {
        if let Some(stripe) = self.stripes.first() {
            // Relaxed: the breaker is not shared yet.
            stripe.rejected.store(rejected, Ordering::Relaxed);
            stripe.ignored.store(ignored, Ordering::Relaxed);
        }
    }
}
