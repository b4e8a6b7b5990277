//! [`Sampler`]: reads a board again and again, and tells what has become of it between two readings.

use super::super::now;
use super::super::rows::{self, Detail, Kind, Row};
use super::processes::{self, Process};
use fuseboard::{Board, CircuitState, Nanos, Totals};
use fuseboard_core::{BoardTransition, LatencySnapshot, TransitionCursor};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Readings that a row's history keeps: as many as a wide screen shows.
const HISTORY: usize = 240;
/// Changes of state that are kept: more than a screen shows.
const CHANGES: usize = 64;

/// A slot, whatever its name: a name that was removed and claimed again is another one.
pub(crate) type Key = (Kind, u64);

/// What happened each second since the reading before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) calls: f64,
    pub(crate) failures: f64,
    pub(crate) rejected: f64,
    /// So long took half of the calls since the reading before; `None`: there were none, or that is not recorded.
    pub(crate) p50: Option<Nanos>,
    /// And all but a hundredth.
    pub(crate) p99: Option<Nanos>,
}

/// A name, what it is doing, and how fast.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) row: Row,
    /// `None`: of a kind that counts no calls, or read for the first time.
    pub(crate) rates: Option<Rates>,
}

impl Live {
    pub(crate) fn key(&self) -> Key {
        (self.row.place.kind, self.row.place.id.to_bits())
    }

    pub(crate) fn name(&self) -> &str {
        self.row.place.name.as_str()
    }

    /// Whether it counts how long calls take.
    pub(crate) fn records_latency(&self) -> bool {
        matches!(
            &self.row.detail,
            Detail::Breaker {
                latency: Some(_),
                ..
            }
        )
    }

    /// The state, of a breaker.
    pub(crate) fn state(&self) -> Option<CircuitState> {
        match &self.row.detail {
            Detail::Breaker { snapshot, .. } => Some(snapshot.state),
            _ => None,
        }
    }
}

/// One reading of the whole board.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Nanos,
    pub(crate) rows: Vec<Live>,
    pub(crate) processes: Vec<Process>,
    /// How long the file has been there, where the filesystem knows.
    pub(crate) age: Option<Duration>,
    /// The path has another file now, or none: programs that start now use another board.
    pub(crate) is_removed: bool,
}

struct Before {
    totals: Totals,
    latency: Option<LatencySnapshot>,
}

/// Reads a board.
pub(crate) struct Sampler {
    path: PathBuf,
    board: Board,
    file: Option<u64>,
    read_at: Option<Nanos>,
    before: HashMap<Key, Before>,
    rejected: HashMap<Key, VecDeque<u64>>,
    cursor: TransitionCursor,
    changes: VecDeque<BoardTransition>,
}

impl Sampler {
    pub(crate) fn new(path: PathBuf, board: Board) -> Self {
        Self {
            file: inode(&path),
            path,
            board,
            read_at: None,
            before: HashMap::new(),
            rejected: HashMap::new(),
            cursor: TransitionCursor::OLDEST,
            changes: VecDeque::new(),
        }
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Rejections each second, oldest first, of the last readings.
    pub(crate) fn rejected(&self, key: Key) -> impl DoubleEndedIterator<Item = u64> {
        self.rejected.get(&key).into_iter().flatten().copied()
    }

    /// The last changes of state, newest first.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &BoardTransition> {
        self.changes.iter()
    }

    /// The changes since they were taken last, oldest first.
    pub(crate) fn take_changes(&mut self) -> Vec<BoardTransition> {
        self.changes.drain(..).rev().collect()
    }

    /// Reads the board.
    pub(crate) fn sample(&mut self) -> Sample {
        let at = now();
        let elapsed = self.read_at.map(|before| at.saturating_sub(before));
        self.read_at = Some(at);
        let before = std::mem::take(&mut self.before);
        let rows = rows::rows(&self.board, at);
        let rows: Vec<Live> = rows
            .into_iter()
            .map(|row| self.live(row, &before, elapsed))
            .collect();
        let is_there = |key: &Key| rows.iter().any(|live| live.key() == *key);
        self.rejected.retain(|key, _| is_there(key));
        let changes = &mut self.changes;
        // Whoever caused them: the board keeps the last 128.
        self.board
            .words()
            .transitions_since(&mut self.cursor, |change| changes.push_front(change));
        changes.truncate(CHANGES);
        Sample {
            at,
            rows,
            processes: processes::attached(&self.board),
            age: age(&self.path),
            is_removed: inode(&self.path) != self.file,
        }
    }

    fn live(&mut self, row: Row, before: &HashMap<Key, Before>, elapsed: Option<Nanos>) -> Live {
        let mut live = Live { row, rates: None };
        let key = live.key();
        let Detail::Breaker {
            snapshot, latency, ..
        } = &live.row.detail
        else {
            return live;
        };
        let totals = snapshot.totals;
        let seen = Before {
            totals,
            latency: latency.clone(),
        };
        self.before.insert(key, seen);
        let (Some(before), Some(elapsed)) = (before.get(&key), elapsed) else {
            return live;
        };
        let latency = latency.as_ref().map(|latency| match &before.latency {
            Some(before) => latency.since(before),
            None => latency.clone(),
        });
        let each_second =
            |new: u64, old: u64| new.saturating_sub(old) as f64 / rows::seconds(elapsed).max(1e-6);
        let (new, old) = (totals, before.totals);
        let rates = Rates {
            calls: each_second(new.calls, old.calls),
            failures: each_second(new.failures, old.failures),
            rejected: each_second(new.rejected, old.rejected),
            p50: latency.as_ref().and_then(LatencySnapshot::p50),
            p99: latency.as_ref().and_then(LatencySnapshot::p99),
        };
        let history = self.rejected.entry(key).or_default();
        history.push_back(rates.rejected.ceil() as u64);
        if history.len() > HISTORY {
            history.pop_front();
        }
        live.rates = Some(rates);
        live
    }
}

impl Sample {
    /// All rows together.
    pub(crate) fn rates(&self) -> Rates {
        let all = self.rows.iter().filter_map(|live| live.rates);
        all.fold(Rates::default(), |sum, rates| Rates {
            calls: sum.calls + rates.calls,
            failures: sum.failures + rates.failures,
            rejected: sum.rejected + rates.rejected,
            ..sum
        })
    }

    /// As one JSON object.
    pub(crate) fn json(&self, path: &Path, changes: &[BoardTransition]) -> Value {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let rows = self.rows.iter().map(|live| {
            let mut row = live.row.json(self.at);
            if let (Some(rates), Some(row)) = (live.rates, row.as_object_mut()) {
                row.insert("calls_per_second".into(), json!(rates.calls));
                row.insert("failures_per_second".into(), json!(rates.failures));
                row.insert("rejected_per_second".into(), json!(rates.rejected));
                let span = |span: Option<Nanos>| json!(span.map(rows::seconds));
                row.insert("recent_p50_seconds".into(), span(rates.p50));
                row.insert("recent_p99_seconds".into(), span(rates.p99));
            }
            row
        });
        json!({
            "at": unix.map_or(0.0, |unix| unix.as_secs_f64()),
            "board": path.display().to_string(),
            "age_seconds": self.age.map(|age| age.as_secs_f64()),
            "is_removed": self.is_removed,
            "processes": self.processes.iter().map(Process::json).collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "changes": changes.iter().map(|change| change_json(change, self.at)).collect::<Vec<_>>(),
        })
    }
}

fn change_json(change: &BoardTransition, now: Nanos) -> Value {
    let transition = &change.transition;
    json!({
        "name": change.name.as_str(),
        "ago_seconds": rows::seconds(now.saturating_sub(transition.at)),
        "from": transition.from.as_str(),
        "to": transition.to.as_str(),
        "cause": transition.cause.as_str(),
        "process": change.process,
    })
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|file| file.ino())
}

fn age(path: &Path) -> Option<Duration> {
    let created = fs::symlink_metadata(path).ok()?.created().ok()?;
    SystemTime::now().duration_since(created).ok()
}
