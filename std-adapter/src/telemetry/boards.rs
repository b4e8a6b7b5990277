//! [`BoardSource`]: all that is on a board, whichever process put it there.

use super::changes::{Change, Changes};
use super::report::{BreakerReport, BucketReport, LimitReport, Report};
use super::source::{Source, Verb};
use crate::board::Board;
use crate::clock::{Clock, CoarseClock, MonotonicClock};
use fuseboard_core::{SlotId, SlotName};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// A board, and what was seen of its breakers.
#[derive(Debug)]
pub(super) struct BoardSource {
    name: String,
    board: Board,
    /// By slot: a name that is removed and claimed again is another breaker.
    seen: Mutex<HashMap<SlotId, Changes>>,
}

impl BoardSource {
    pub(super) fn new(name: &str, board: &Board) -> Self {
        Self {
            name: name.to_owned(),
            board: board.clone(),
            seen: Mutex::default(),
        }
    }

    fn read_breakers(&self, report: &mut Report, found: &mut Vec<Change>) {
        let section = self.board.words().breakers();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<_> = section.entries().collect();
        seen.retain(|id, _| entries.iter().any(|(live, _)| live == id));
        entries.sort_by(by_name);
        for (id, name) in entries {
            let Some(words) = section.get(id) else {
                continue;
            };
            // After the snapshot, so that no change in it is of a later time.
            let (snapshot, now) = (words.snapshot(CoarseClock.now()), CoarseClock.now());
            let new = || Changes::new(name.as_str(), Some(&self.name), &snapshot, now);
            let changes = seen.entry(id).or_insert_with(new);
            found.extend(changes.looked(&snapshot, now));
            let breaker = BreakerReport::new(
                name.as_str(),
                Some(&self.name),
                snapshot,
                words.config(),
                changes,
                now,
            );
            report.breakers.push(breaker);
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
        let Some(words) = section.slot_of(&name).and_then(|id| section.get(id)) else {
            return false;
        };
        let now = CoarseClock.now();
        match verb {
            Verb::ForceOpen => words.force_open(now, &()),
            Verb::Disable => words.disable(now, &()),
            Verb::MetricsOnly => words.metrics_only(now, &()),
            Verb::Reset => words.reset(now, &()),
        }
        true
    }
}

fn by_name(one: &(SlotId, SlotName), other: &(SlotId, SlotName)) -> std::cmp::Ordering {
    one.1.as_str().cmp(other.1.as_str())
}
