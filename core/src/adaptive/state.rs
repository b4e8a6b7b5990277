//! The adaptive limit's words: the only file that swaps them.
//!
//! | word | holds |
//! |---|---|
//! | `word` | published limit and calls in flight (`concurrency/state.rs`) |
//! | `limit` | the limit as found, with its fraction |
//! | `begin` | when the current window began; swapping it is the right to close the window before |
//! | `epoch` | calls that began earlier count no more: the last decrease, or change to or from a baseline window |
//! | `samples`, `shortest` | the current window; `shortest` is inverted, so that zero is none |
//! | `baseline`, `average` | what the algorithm remembers |
//! | `windows` | windows closed; says which one measures the baseline |
//!
//! Orderings are Relaxed but for `word`: what admits stands in that one word, the others only steer it, and any mix of
//! old and new of them gives a limit within its bounds. Whoever sets the limit in `word` looks again afterwards at what it was
//! made from; sets see each other (`AcqRel`), so the last one publishes the last limit found.
//!
//! A closer that is stopped on the way may take samples of a later window, or move the limit once more than there were windows:
//! still within the bounds. **Wrap-around.** `windows` counts 64 bits: never.

use crate::adaptive::config::Algorithm;
use crate::adaptive::policy::{self, Estimate, FRACTION_BITS, Observed};
use crate::adaptive::sample::{self, Samples};
use crate::adaptive::settings::{Settings, SettingsWords};
use crate::concurrency::state::ConcurrencyWord;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::outcome::Outcome;
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

// See the head of the file.
// Relaxed: each word is whole by itself and publishes no other memory.
const ORDER: Ordering = Ordering::Relaxed;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct AdaptiveWords {
    pub(crate) word: ConcurrencyWord,
    limit: AtomicU64,
    begin: AtomicU64,
    epoch: AtomicU64,
    samples: AtomicU64,
    shortest: AtomicU64,
    baseline: AtomicU64,
    average: AtomicU64,
    windows: AtomicU64,
}

#[cfg(not(any(fuseboard_loom, fuseboard_shuttle)))]
const _: () = assert!(size_of::<AdaptiveWords>() == 72, "nine words");

impl AdaptiveWords {
    const_unless_loom! {
        pub(crate) const fn new(limit: u32) -> Self {
            Self {
                word: ConcurrencyWord::new(limit),
                limit: AtomicU64::new((limit as u64) << FRACTION_BITS),
                begin: AtomicU64::new(0),
                epoch: AtomicU64::new(0),
                samples: AtomicU64::new(0),
                shortest: AtomicU64::new(0),
                baseline: AtomicU64::new(0),
                average: AtomicU64::new(0),
                windows: AtomicU64::new(0),
            }
        }
    }

    pub(crate) fn baseline(&self) -> Option<Nanos> {
        match self.baseline.load(ORDER) {
            0 => None,
            units => Some(sample::time(units)),
        }
    }

    /// Gives a place back and takes the call's end in; `false`: none was taken.
    #[inline]
    pub(crate) fn settle(
        &self,
        started: Nanos,
        outcome: Outcome,
        now: Nanos,
        settings: &SettingsWords,
    ) -> bool {
        let Some((limit, in_flight)) = self.word.release() else {
            return false;
        };
        if outcome != Outcome::Ignored {
            let used = u64::from(in_flight) * 2 >= u64::from(limit);
            if self.record(started, outcome, now, used, &settings.load()) {
                self.publish(settings);
            }
        }
        true
    }

    /// Whether the limit may have moved.
    fn record(
        &self,
        started: Nanos,
        outcome: Outcome,
        now: Nanos,
        used: bool,
        settings: &Settings,
    ) -> bool {
        let begin = self.begin_of_window(now, settings);
        let is_earlier =
            started.get() < self.epoch.load(ORDER) && !fault!("adaptive_earlier_epoch");
        let Some(latency) = now.checked_sub(started).filter(|_| !is_earlier) else {
            return false;
        };
        let latency = (outcome == Outcome::Success).then(|| sample::units(latency));
        let dropped = match latency {
            None => true,
            Some(latency) => {
                self.shortest.fetch_max(!latency, ORDER);
                settings.algorithm == Algorithm::Aimd && latency > settings.latency_limit
            }
        };
        let mut bits = self.samples.load(ORDER);
        let samples = loop {
            let next = Samples::from_bits(bits).with(latency, dropped, used);
            match self
                .samples
                .compare_exchange_weak(bits, next.bits(), ORDER, ORDER)
            {
                Ok(_) => break next,
                Err(seen) => bits = seen,
            }
        };
        let is_over = now.get().saturating_sub(begin) >= settings.window.get();
        is_over
            && (samples.dropped() || samples.count() >= u64::from(settings.min_samples))
            && self.close(begin, now, settings)
    }

    /// When the window began. More than a window after `now`, the clock went back: it begins again. The epoch, too: whoever
    /// closed a window by the later clock may raise it after that.
    fn begin_of_window(&self, now: Nanos, settings: &Settings) -> u64 {
        let latest = now.saturating_add(settings.window).get();
        let epoch = self.epoch.load(ORDER);
        if epoch > latest && !fault!("adaptive_epoch_ahead") {
            // Failure: somebody else moved it.
            let _ = self.epoch.compare_exchange(epoch, now.get(), ORDER, ORDER);
        }
        let begin = self.begin.load(ORDER);
        if begin <= latest || fault!("adaptive_frozen_by_a_jump") {
            return begin;
        }
        if self
            .begin
            .compare_exchange(begin, now.get(), ORDER, ORDER)
            .is_ok()
        {
            self.epoch.store(now.get(), ORDER);
        }
        now.get()
    }

    /// Moves the limit by the window that began at `begin`; `false`: somebody else does.
    fn close(&self, begin: u64, now: Nanos, settings: &Settings) -> bool {
        if self
            .begin
            .compare_exchange(begin, now.get(), ORDER, ORDER)
            .is_err()
            && !fault!("adaptive_two_closers")
        {
            return false;
        }
        let samples = Samples::from_bits(self.samples.swap(Samples::NONE.bits(), ORDER));
        let shortest = !self.shortest.swap(0, ORDER);
        let windows = self.windows.load(ORDER);
        let probing = policy::is_probing(windows, settings);
        let observed = Observed {
            latency: samples.mean().map(|mean| (mean, shortest.min(mean).max(1))),
            dropped: samples.dropped(),
            used: samples.used(),
            probing,
        };
        let mut limit = self.limit.load(ORDER);
        let next = loop {
            let known = Estimate {
                limit,
                // Foreign bits: latencies have 32 bits, the average 16 of fraction.
                baseline: self.baseline.load(ORDER) & u64::from(u32::MAX),
                average: self.average.load(ORDER) & (u64::MAX >> 16),
            };
            let next = policy::next(known, observed, settings);
            match self
                .limit
                .compare_exchange_weak(limit, next.limit, ORDER, ORDER)
            {
                Ok(_) => break next,
                Err(seen) => limit = seen,
            }
        };
        self.baseline.store(next.baseline, ORDER);
        self.average.store(next.average, ORDER);
        self.windows.fetch_add(1, ORDER);
        if next.limit < limit || probing != policy::is_probing(windows.wrapping_add(1), settings) {
            self.epoch.fetch_max(now.get(), ORDER);
        }
        true
    }

    /// Makes the published limit what was found last, within the bounds that were set last.
    fn publish(&self, settings: &SettingsWords) {
        let first = settings.load();
        let current = || {
            let settings = fault!("adaptive_old_bounds", first, settings.load());
            let probing = policy::is_probing(self.windows.load(ORDER), &settings);
            policy::published(
                policy::bounded(self.limit.load(ORDER), &settings),
                probing,
                &settings,
            )
        };
        let mut limit = current();
        loop {
            self.word.set_limit(limit);
            let again = current();
            if again == limit {
                return;
            }
            limit = again;
        }
    }

    /// Brings the limit within new bounds.
    pub(crate) fn rebound(&self, settings: &SettingsWords) {
        let bounds = settings.load();
        let _ = self
            .limit
            .fetch_update(ORDER, ORDER, |limit| Some(policy::bounded(limit, &bounds)));
        self.publish(settings);
    }
}
