//! Calls in flight: counted when they begin and when they end, judged while they last.

use crate::breaker::CircuitBreaker;
use crate::breaker::permit::{Purpose, RawPermit};
use crate::breaker::policy::{self, Admission};
use crate::breaker::window::Weighed;
use crate::breaker::word::Word;
use crate::event::{Cause, Observer, State};
use crate::nanos::Nanos;
use crate::rejected::Rejected;

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// The permit of a call admitted under `word`, counted in flight where that is watched.
    pub(super) fn begin(&self, word: Word, now: Nanos) -> RawPermit {
        let state = &self.words.state;
        let entered = word.is_watched().then(|| {
            let is_current = || state.load().generation() == word.generation();
            let (window, geometry) = (self.words.window(), self.settings.geometry());
            window.enter(geometry, word.generation(), now, &is_current)
        });
        match entered.flatten() {
            Some(started) => RawPermit::watched(word, started),
            None => RawPermit::new(word, now),
        }
    }

    /// Takes a call out of flight, before its outcome is counted: it is never counted twice.
    pub(super) fn leave(&self, permit: RawPermit) {
        if permit.purpose() == Purpose::WatchedCall {
            let (window, geometry) = (self.words.window(), self.settings.geometry());
            window.leave(geometry, permit.generation(), permit.started());
        }
    }

    /// Trips a watched breaker if calls are overdue and what the window holds with them says so.
    pub(super) fn judge_overdue(&self, now: Nanos, observer: &impl Observer) {
        let word = self.words.state.load();
        if let Some((held, cause)) = self.find_overdue(word, now) {
            self.trip(word.generation(), cause, now, held, observer);
        }
    }

    /// What the next request would meet if `judge_overdue` trips the breaker for it; changes nothing. `None`: it does not.
    pub(super) fn check_overdue(&self, now: Nanos) -> Option<Result<(), Rejected>> {
        let word = self.words.state.load();
        if word.state() != State::Closed {
            return None;
        }
        self.find_overdue(word, now)?;
        let opened = word.next(State::Open, 0);
        let rules = self.settings.open_rules();
        // Where the clock went back, the new state's moment is later than `now`.
        let moment = self.words.state.moment(opened).max(now);
        Some(match policy::admit_open(opened, moment, now, &rules) {
            Admission::Reject(rejected) => Err(rejected),
            // The clock has ended, and with it the open time.
            _ => Ok(()),
        })
    }

    /// What a watched window holds with its overdue calls, if there are any and that would trip the breaker.
    fn find_overdue(&self, word: Word, now: Nanos) -> Option<(Weighed, Cause)> {
        if !word.is_watched() {
            return None;
        }
        let (window, geometry) = (self.words.window(), self.settings.geometry());
        let limit = self.settings.slow_call_duration();
        let held = window.sum_with_overdue(geometry, word.generation(), now, limit)?;
        Some((held, self.judge_held(held)?))
    }
}
