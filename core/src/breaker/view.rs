//! Reading a breaker without disturbing it.

use crate::breaker::CircuitBreaker;
use crate::breaker::word::Word;
use crate::event::{Counts, State};
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::snapshot::{Snapshot, Totals};
use crate::sync::Ordering;

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// The state now; it may be over when the caller looks at it.
    #[inline]
    pub fn state(&self) -> State {
        self.words.state.load().state()
    }

    /// Whether the start of a call matters: `slow_call_duration` is set.
    pub fn measures_duration(&self) -> bool {
        self.settings.slow_call_duration() != Nanos::MAX
    }

    /// Whether `record_latency` is set.
    #[inline]
    pub fn records_latency(&self) -> bool {
        self.settings.records_latency()
    }

    /// Where the jitter's draws start: what [`configure`](Self::configure) has to be given where an open period is to keep its deadline.
    pub fn jitter_seed(&self) -> u64 {
        self.settings.open_rules().seed
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
        let overdue = if word.is_watched() {
            let limit = self.settings.slow_call_duration();
            let overdue = window.overdue(geometry, word.generation(), now, limit);
            overdue.rounded().slow
        } else {
            0
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
            let (rejected, ignored) = (&stripe.rejected, &stripe.ignored);
            totals.rejected = (totals.rejected).saturating_add(rejected.load(Ordering::Relaxed));
            totals.ignored = (totals.ignored).saturating_add(ignored.load(Ordering::Relaxed));
        }
        for stripe in window.owned {
            let (rejected, ignored) = stripe.uncounted();
            totals.rejected += rejected;
            totals.ignored += ignored;
        }
        Snapshot {
            state: word.state(),
            generation: fault!(
                "snapshot_of_two_moments",
                state.load().generation(),
                word.generation()
            ),
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
            overdue,
            totals,
        }
    }
}
