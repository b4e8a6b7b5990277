//! [`Change`] and [`Changes`]: what happened to a breaker's state, and how long it was in each.

use fuseboard_core::{Cause, Counts, Nanos, Snapshot, State, Transition};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Changes kept of each breaker.
const KEPT: usize = 50;
/// Generations are counted in 28 bits.
const GENERATIONS: u32 = 1 << 28;

/// States, in the order of [`State::ALL`].
pub(super) const STATES: usize = State::ALL.len();

/// One change of a breaker's state, as somebody is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The breaker's name.
    pub name: String,
    /// The board that it is on.
    pub board: Option<String>,
    /// The state that ended.
    pub from: State,
    /// The state that began.
    pub to: State,
    /// The generation that began with it, modulo 2^28.
    pub generation: u32,
    /// When, by the system's clock.
    pub at: SystemTime,
    /// Why. `None`: another process caused it, and more than one cause is possible.
    pub cause: Option<Cause>,
    /// What was judged. `None`: another process caused it.
    pub counts: Option<Counts>,
    /// The process that caused it, where a board says so.
    pub process: Option<u32>,
}

/// What is kept of one breaker's changes.
#[derive(Debug)]
pub(super) struct Changes {
    name: String,
    board: Option<String>,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    generation: u32,
    since: Nanos,
    times: [Duration; STATES],
    counts: [[u64; STATES]; STATES],
    recent: VecDeque<Change>,
    /// A look has found a newer generation, whose change may be on its way to be told.
    is_ahead: bool,
}

/// A copy, to read.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) times: [Duration; STATES],
    pub(super) counts: [[u64; STATES]; STATES],
    pub(super) recent: Vec<Change>,
}

impl Changes {
    /// Of a breaker that is as `snapshot` says.
    pub(super) fn new(name: &str, board: Option<&str>, snapshot: &Snapshot, now: Nanos) -> Self {
        Self {
            name: name.to_owned(),
            board: board.map(str::to_owned),
            kept: Mutex::new(Kept {
                state: snapshot.state,
                generation: snapshot.generation,
                // Time before it was observed is nobody's.
                since: now,
                times: [Duration::ZERO; STATES],
                counts: [[0; STATES]; STATES],
                recent: VecDeque::new(),
                is_ahead: false,
            }),
        }
    }

    /// Takes in a change that somebody tells of, perhaps after newer ones. `None`: it was known.
    pub(super) fn told(
        &self,
        transition: &Transition,
        now: Nanos,
        process: Option<u32>,
    ) -> Option<Change> {
        let mut kept = self.lock();
        let change = Change {
            name: self.name.clone(),
            board: self.board.clone(),
            from: transition.from,
            to: transition.to,
            generation: transition.generation,
            at: ago(now.saturating_sub(transition.at)),
            cause: Some(transition.cause),
            counts: Some(transition.counts),
            process,
        };
        if is_newer(transition.generation, kept.generation) {
            kept.take_in(&change, transition.at);
            return Some(change);
        }
        let is_same = |known: &&mut Change| known.generation == transition.generation;
        if let Some(known) = kept.recent.iter_mut().find(is_same) {
            // Seen from outside first; now the cause is known.
            if known.counts.is_none() {
                *known = change;
            }
            return None;
        }
        kept.add(change.clone());
        Some(change)
    }

    /// Takes in what others have changed and nobody has told of since the last look. `None`: nothing. Of several changes only the
    /// last is known.
    pub(super) fn looked(&self, snapshot: &Snapshot, now: Nanos) -> Option<Change> {
        let mut kept = self.lock();
        let was_ahead = kept.is_ahead;
        kept.is_ahead = is_newer(snapshot.generation, kept.generation);
        if !kept.is_ahead || !was_ahead {
            return None;
        }
        kept.is_ahead = false;
        let change = Change {
            name: self.name.clone(),
            board: self.board.clone(),
            from: kept.state,
            to: snapshot.state,
            generation: snapshot.generation,
            at: ago(now.saturating_sub(snapshot.since)),
            cause: only_cause(kept.state, snapshot.state),
            counts: None,
            process: None,
        };
        kept.take_in(&change, snapshot.since);
        Some(change)
    }

    /// Everything kept, with the time in the present state up to `now`.
    pub(super) fn history(&self, now: Nanos) -> History {
        let kept = self.lock();
        let mut times = kept.times;
        times[index(kept.state)] += duration(now.saturating_sub(kept.since));
        History {
            times,
            counts: kept.counts,
            recent: kept.recent.iter().cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A poisoned lock is taken as it is: nothing here can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The newest change.
    fn take_in(&mut self, change: &Change, at: Nanos) {
        self.times[index(self.state)] += duration(at.saturating_sub(self.since));
        (self.state, self.generation) = (change.to, change.generation);
        self.since = self.since.max(at);
        self.add(change.clone());
    }

    /// One of the changes, which are in the order of their generations.
    fn add(&mut self, change: Change) {
        self.counts[index(change.from)][index(change.to)] += 1;
        let newer = |known: &Change| is_newer(known.generation, change.generation);
        let place = self.recent.iter().position(newer);
        self.recent
            .insert(place.unwrap_or(self.recent.len()), change);
        if self.recent.len() > KEPT {
            self.recent.pop_front();
        }
    }
}

/// Whether a generation comes after another one, which it does by less than half their number.
fn is_newer(generation: u32, than: u32) -> bool {
    let ahead = generation.wrapping_sub(than) % GENERATIONS;
    ahead != 0 && ahead < GENERATIONS / 2
}

/// The cause of a change, where the states leave only one.
fn only_cause(from: State, to: State) -> Option<Cause> {
    match (from, to) {
        (State::Open, State::HalfOpen) => Some(Cause::OpenTimeoutElapsed),
        (State::HalfOpen, State::Closed) => Some(Cause::ProbesSucceeded),
        (State::HalfOpen, State::Open) => Some(Cause::ProbeFailed),
        (State::HalfOpen, State::HalfOpen) => Some(Cause::ProbeLeaseExpired),
        (_, State::ForcedOpen | State::Disabled | State::MetricsOnly)
        | (State::ForcedOpen | State::Disabled | State::MetricsOnly, _) => Some(Cause::Manual),
        _ => None,
    }
}

pub(super) fn index(state: State) -> usize {
    State::ALL
        .iter()
        .position(|other| *other == state)
        .unwrap_or_default()
}

pub(super) fn duration(time: Nanos) -> Duration {
    Duration::from_nanos(time.get())
}

fn ago(time: Nanos) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(duration(time)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(state: State, generation: u32, since: u64) -> Snapshot {
        Snapshot {
            state,
            generation,
            openings: 0,
            in_flight: 0,
            probe_successes: 0,
            probe_failures: 0,
            since: Nanos::from_secs(since),
            retry_after: None,
            window: Counts::default(),
            overdue: 0,
            totals: fuseboard_core::Totals::default(),
        }
    }

    fn changes() -> Changes {
        let first = snapshot(State::Closed, GENERATIONS - 1, 0);
        Changes::new("a", None, &first, Nanos::from_secs(10))
    }

    fn opened() -> Transition {
        Transition {
            from: State::Closed,
            to: State::Open,
            generation: 0,
            at: Nanos::from_secs(15),
            cause: Cause::FailureRate,
            counts: Counts {
                calls: 20,
                failures: 10,
                slow: 0,
            },
        }
    }

    #[test]
    fn o1_a_change_counts_once_whoever_sees_it_first() {
        let now = Nanos::from_secs(16);
        let seen = snapshot(State::Open, 0, 15);
        let changes = changes();
        assert!(changes.told(&opened(), now, None).is_some());
        assert_eq!(changes.looked(&seen, now), None);
        assert_eq!(changes.history(now).counts[0][1], 1);

        let changes = self::changes();
        assert_eq!(changes.looked(&seen, now), None, "it may be told yet");
        let looked = changes.looked(&seen, now).expect("it is new");
        assert_eq!(looked.cause, None, "failures or slow calls");
        assert_eq!(changes.told(&opened(), now, None), None);
        let history = changes.history(now);
        assert_eq!(history.counts[0][1], 1);
        assert_eq!(history.recent[0].cause, Some(Cause::FailureRate));
    }

    #[test]
    fn o1_times_in_states_add_up_to_the_time_observed() {
        let changes = changes();
        changes.told(&opened(), Nanos::from_secs(15), None);
        let times = changes.history(Nanos::from_secs(22)).times;
        assert_eq!(times[index(State::Closed)], Duration::from_secs(5));
        assert_eq!(times[index(State::Open)], Duration::from_secs(7));
        assert_eq!(times.iter().sum::<Duration>(), Duration::from_secs(12));
    }

    #[test]
    fn o1_a_change_told_late_counts_and_stands_in_its_place() {
        let changes = changes();
        let now = Nanos::from_secs(20);
        let later = Transition {
            from: State::Open,
            to: State::HalfOpen,
            generation: 1,
            at: Nanos::from_secs(19),
            cause: Cause::OpenTimeoutElapsed,
            counts: Counts::default(),
        };
        assert!(changes.told(&later, now, Some(7)).is_some());
        assert!(changes.told(&opened(), now, Some(8)).is_some());
        let history = changes.history(now);
        let order: Vec<_> = history.recent.iter().map(|change| change.process).collect();
        assert_eq!(order, [Some(8), Some(7)]);
        assert_eq!(history.counts.iter().flatten().sum::<u64>(), 2);
    }

    #[test]
    fn o1_only_the_last_changes_are_kept() {
        let changes = changes();
        for generation in 0..200 {
            let state = State::ALL[generation as usize % 2];
            for _ in 0..2 {
                changes.looked(&snapshot(state, generation, 20), Nanos::from_secs(20));
            }
        }
        let history = changes.history(Nanos::from_secs(20));
        assert_eq!(history.recent.len(), KEPT);
        assert_eq!(history.counts.iter().flatten().sum::<u64>(), 200);
    }
}
