//! [`Judge`]: what was promised and did not hold, with where to find it again.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Violations kept in full; the rest are counted.
const KEPT: usize = 20;

/// Where a thread is: the same seed brings it there again.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub seed: u64,
    pub round: u64,
    /// The harness itself checks as thread 99.
    pub thread: u64,
    pub operation: u64,
}

/// All threads report here.
#[derive(Default)]
pub struct Judge {
    violations: AtomicU64,
    kept: Mutex<Vec<String>>,
}

impl Judge {
    /// Reports unless `holds`.
    pub fn require(&self, holds: bool, id: &str, place: Place, what: impl FnOnce() -> String) {
        if holds {
            return;
        }
        // Relaxed: read when the threads have ended.
        self.violations.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.kept.lock().expect("no thread panics here");
        if kept.len() < KEPT {
            let Place {
                seed,
                round,
                thread,
                operation,
            } = place;
            kept.push(format!(
                "{id}: {}\n    seed {seed}, round {round}, thread {thread}, operation {operation}",
                what()
            ));
        }
    }

    pub fn violations(&self) -> u64 {
        // Relaxed: as above.
        self.violations.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept.lock().expect("no thread panics here");
        for violation in kept.iter() {
            writeln!(f, "  {violation}")?;
        }
        let more = self.violations() - kept.len() as u64;
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        Ok(())
    }
}
