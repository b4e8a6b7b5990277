//! [`BoardSource`]: all that is on a board, whichever process put it there.

use super::changes::{Change, Changes};
use super::report::{BreakerReport, BucketReport, LimitReport, Report};
use super::source::{Source, Verb};
use crate::board::Board;
use crate::clock::{Clock, CoarseClock, MonotonicClock};
use fuseboard_core::{Nanos, SlotId, SlotName, TransitionCursor};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A board, and what was seen of its breakers.
#[derive(Debug)]
pub(super) struct BoardSource {
    name: String,
    board: Board,
    added: Nanos,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// By slot: a name that is removed and claimed again is another breaker.
    breakers: HashMap<SlotId, Changes>,
    cursor: TransitionCursor,
}

impl BoardSource {
    pub(super) fn new(name: &str, board: &Board) -> Self {
        Self {
            name: name.to_owned(),
            board: board.clone(),
            added: CoarseClock.now(),
            seen: Mutex::new(Seen {
                breakers: HashMap::new(),
                cursor: TransitionCursor::OLDEST,
            }),
        }
    }

    fn read_breakers(&self, report: &mut Report, found: &mut Vec<Change>) {
        let section = self.board.words().breakers();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<_> = section.entries().collect();
        seen.breakers
            .retain(|id, _| entries.iter().any(|(live, _)| live == id));
        let told = self.board.transitions_since(&mut seen.cursor).transitions;
        entries.sort_by(by_name);
        for (id, name) in entries {
            let Some(words) = section.get(id) else {
                continue;
            };
            // After the snapshot, so that no change in it is of a later time.
            let (snapshot, now) = (words.snapshot(CoarseClock.now()), CoarseClock.now());
            let new = || Changes::new(name.as_str(), Some(&self.name), &snapshot, now);
            let changes = seen.breakers.entry(id).or_insert_with(new);
            for change in told.iter().filter(|change| change.slot == id) {
                let process = u32::try_from(change.process).ok();
                let process = process.filter(|process| *process != 0);
                let new = changes.told(&change.transition, now, process);
                // What the board still knows of former times is shown, and no news.
                found.extend(new.filter(|_| change.transition.at >= self.added));
            }
            found.extend(changes.looked(&snapshot, now));
            let breaker = BreakerReport::new(
                name.as_str(),
                Some(&self.name),
                snapshot,
                words.config(),
                changes,
                now,
            );
            let latency = words.records_latency().then(|| words.latency().snapshot());
            report.breakers.push(BreakerReport { latency, ..breaker });
        }
    }
}

impl Source for BoardSource {
    fn kind(&self) -> &'static str {
        "board"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, report: &mut Report, found: &mut Vec<Change>) {
        self.read_breakers(report, found);
        let words = self.board.words();
        let board = || Some(self.name.clone());
        let mut entries: Vec<_> = words.token_buckets().entries().collect();
        entries.sort_by(by_name);
        for (id, name) in entries {
            if let Some(bucket) = words.token_buckets().get(id) {
                report.buckets.push(BucketReport {
                    name: name.as_str().to_owned(),
                    board: board(),
                    available: bucket.available(MonotonicClock.now()),
                    burst: bucket.burst(),
                });
            }
        }
        let mut entries: Vec<_> = words.concurrency_limits().entries().collect();
        entries.sort_by(by_name);
        for (id, name) in entries {
            if let Some(places) = words.concurrency_limits().get(id) {
                report.limits.push(LimitReport {
                    name: name.as_str().to_owned(),
                    board: board(),
                    in_flight: places.in_flight().into(),
                    limit: places.limit().into(),
                });
            }
        }
        report
            .processes
            .push((self.name.clone(), self.board.attached()));
    }

    fn steer(&self, board: Option<&str>, name: &str, verb: Verb) -> bool {
        if board != Some(&self.name) {
            return false;
        }
        let section = self.board.words().breakers();
        let Ok(name) = SlotName::new(name) else {
            return false;
        };
        let Some(id) = section.slot_of(&name) else {
            return false;
        };
        let Some(words) = section.get(id) else {
            return false;
        };
        let (now, observer) = (CoarseClock.now(), self.board.observer(id));
        match verb {
            Verb::ForceOpen => words.force_open(now, &observer),
            Verb::Disable => words.disable(now, &observer),
            Verb::MetricsOnly => words.metrics_only(now, &observer),
            Verb::Reset => words.reset(now, &observer),
        }
        true
    }
}

fn by_name(one: &(SlotId, SlotName), other: &(SlotId, SlotName)) -> std::cmp::Ordering {
    one.1.as_str().cmp(other.1.as_str())
}
