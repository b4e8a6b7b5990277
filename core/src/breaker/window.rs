//! The window: what the breaker judges. One file for each kind; this one chooses.

mod consecutive;
mod count;
mod decay;
mod slot;
mod time;
mod words;

use crate::breaker::rules::{Geometry, Kind};
use crate::breaker::window::time::TimeWindow;
use crate::breaker::window::words::Totals;
pub(crate) use crate::breaker::window::words::{Head, Stripe};
use crate::event::Counts;
use crate::nanos::Nanos;
use crate::sync::{AtomicU64, Ordering};

/// One outcome, as the window takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    failed: bool,
    slow: bool,
    /// How many calls it counts for; 1 to 1,000.
    weight: u64,
}

impl Sample {
    #[inline]
    pub(crate) fn new(failed: bool, slow: bool, weight: u32) -> Self {
        Self {
            failed,
            slow,
            weight: u64::from(weight.clamp(1, slot::WEIGHT_MAX)),
        }
    }

    /// Whether the outcome can bring the breaker closer to a trip by itself.
    pub(crate) fn is_bad(self) -> bool {
        self.failed || self.slow
    }

    /// From [`bits`](Self::bits).
    fn from_bits(bits: u64) -> Self {
        Self::new(bits & 2 != 0, bits & 1 != 0, 1)
    }

    /// The two bits of a count window's ring.
    fn bits(self) -> u64 {
        u64::from(self.failed) << 1 | u64::from(self.slow)
    }
}

/// What recording did, and what is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The generation is over; nothing was counted.
    Stale,
    /// Counted; it cannot have crossed a threshold.
    Counted,
    /// Counted; judge this.
    Judge(Judgement),
}

/// What a window holds after an outcome, exactly as it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) held: Weighed,
    /// Calls before this outcome, in the same units: at least those that no concurrent recorder
    /// can have added in the same slot.
    pub(crate) calls_before: u64,
    /// The tick of a time window.
    pub(crate) tick: Option<u64>,
}

/// Counts in fractions of a call: a decaying window's calls weigh less with age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weighed {
    pub(crate) counts: Counts,
    /// Units in one whole call.
    pub(crate) one: u64,
}

impl Weighed {
    pub(crate) const fn whole(counts: Counts) -> Self {
        Self { counts, one: 1 }
    }

    /// In whole calls, rounded to the nearest.
    pub(crate) fn rounded(self) -> Counts {
        let round = |count: u64| (count + self.one / 2) / self.one;
        Counts {
            calls: round(self.counts.calls),
            failures: round(self.counts.failures),
            slow: round(self.counts.slow),
        }
    }
}

/// The window's words, borrowed from the breaker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a, const SLOTS: usize> {
    pub(crate) head: &'a Head,
    pub(crate) stripes: &'a [Stripe<SLOTS>],
}

impl<'a, const SLOTS: usize> Window<'a, SLOTS> {
    #[inline]
    fn time(self, geometry: Geometry) -> TimeWindow<'a, SLOTS> {
        TimeWindow {
            tick: &self.head.tick,
            totals: &self.head.totals,
            stripes: self.stripes,
            slot: geometry.slot,
            slots: u64::from(geometry.size).clamp(1, SLOTS as u64),
            decays: geometry.kind == Kind::Decay,
        }
    }

    /// Where a count window keeps its outcomes.
    fn ring(self) -> &'a [AtomicU64] {
        self.stripes.first().map_or(&[], |stripe| &stripe.slots)
    }

    /// The fast path of [`record`](Self::record): a success that was not slow, where counting takes one
    /// addition and there is nothing to judge. `false`: nothing was counted, `record` it.
    #[inline]
    pub(crate) fn record_success(
        self,
        geometry: Geometry,
        stripe: &Stripe<SLOTS>,
        generation: u32,
        now: Nanos,
    ) -> bool {
        match geometry.kind {
            Kind::Time | Kind::Decay => self.time(geometry).record_success(stripe, generation, now),
            Kind::Count => false,
            Kind::Consecutive => {
                let is_empty = consecutive::is_empty_run(&self.head.tick, generation);
                if is_empty {
                    self.count_total(stripe, Sample::new(false, false, 1));
                }
                is_empty
            }
        }
    }

    /// Takes one outcome of `generation` in; `is_current` says whether that generation still stands.
    #[inline]
    pub(crate) fn record(
        self,
        geometry: Geometry,
        stripe: &Stripe<SLOTS>,
        generation: u32,
        now: Nanos,
        sample: Sample,
        is_current: impl Fn() -> bool,
    ) -> Verdict {
        match geometry.kind {
            Kind::Time | Kind::Decay => self
                .time(geometry)
                .record(stripe, generation, now, sample, is_current),
            Kind::Count => self.record_count(geometry, generation, sample, is_current),
            Kind::Consecutive => {
                let verdict = consecutive::record(&self.head.tick, generation, sample, is_current);
                if verdict != Verdict::Stale {
                    self.count_total(stripe, sample);
                }
                verdict
            }
        }
    }

    fn record_count(
        self,
        geometry: Geometry,
        generation: u32,
        sample: Sample,
        is_current: impl Fn() -> bool,
    ) -> Verdict {
        let ring = self.ring();
        let size = geometry.size;
        let mut verdict = Verdict::Stale;
        // One call that weighs as many as the window fills it; more cannot be told apart.
        let pushes = sample.weight.min(u64::from(size)).max(1);
        let mut before = 0;
        for pushed in 0..pushes {
            match count::push(&self.head.tick, ring, size, generation, sample, &is_current) {
                count::Push::Stale => return verdict,
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
                }
            }
        }
        self.head.totals.add(Counts {
            calls: sample.weight - pushes,
            failures: if sample.failed { sample.weight } else { 0 },
            slow: if sample.slow { sample.weight } else { 0 },
        });
        verdict
    }

    /// Consecutive failures keep no calls: count them beside the run.
    #[inline]
    fn count_total(self, stripe: &Stripe<SLOTS>, sample: Sample) {
        if let Some((calls, slow)) = stripe.at(0) {
            // Relaxed: totals for display.
            calls.fetch_add(sample.weight, Ordering::Relaxed);
            if sample.slow {
                slow.fetch_add(sample.weight, Ordering::Relaxed);
            }
        }
        if sample.failed {
            self.head.totals.add(Counts {
                calls: 0,
                failures: sample.weight,
                slow: 0,
            });
        }
    }

    /// Remembers that the window had reached the minimum when it was judged.
    pub(crate) fn set_mature(self, geometry: Geometry, tick: u64, generation: u32) {
        self.time(geometry).set_mature(tick, generation);
    }

    /// The content of the window of `generation` at `now`.
    pub(crate) fn sum(self, geometry: Geometry, generation: u32, now: Nanos) -> Counts {
        match geometry.kind {
            Kind::Time | Kind::Decay => self.time(geometry).sum_at(generation, now).rounded(),
            Kind::Count => count::sum(&self.head.tick, self.ring(), geometry.size, generation),
            Kind::Consecutive => consecutive::sum(&self.head.tick, generation),
        }
    }

    /// Empties the window before `generation` begins, unless `is_current` says that somebody else has
    /// changed the state.
    pub(crate) fn clear(self, geometry: Geometry, generation: u32, is_current: impl Fn() -> bool) {
        match geometry.kind {
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
        let live = match geometry.kind {
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
                    live.calls += calls.load(Ordering::Relaxed);
                    live.slow += slow.load(Ordering::Relaxed);
                }
                live
            }
        };
        Counts {
            calls: folded.calls + live.calls,
            failures: folded.failures + live.failures,
            slow: folded.slow + live.slow,
        }
    }

    /// The window of `generation` as words, for [`restore`](Self::restore).
    pub(crate) fn save(
        self,
        geometry: Geometry,
        generation: u32,
        now: Nanos,
        mut push: impl FnMut(u64),
    ) {
        match geometry.kind {
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
        match (geometry.kind, words) {
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
                        || true,
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
