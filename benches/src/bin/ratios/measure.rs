//! Interleaved rounds: whatever the machine does to one row it does to all, and a burst that it disturbed is dropped.

use crate::arguments::Arguments;
use fuseboard_benches::burst::{Burst, burst};
use fuseboard_benches::rows::{Row, Worker};
use std::thread;

/// A row with so many threads, measured.
pub struct Measured {
    /// Which row.
    pub row: usize,
    /// How many threads ran it.
    pub threads: usize,
    /// Nanoseconds a call, one for each round; `None`: the machine disturbed it.
    pub rounds: Vec<Option<f64>>,
}

struct Case {
    measured: Measured,
    workers: Vec<Worker>,
    warm_up: u64,
    times: u64,
}

impl Measured {
    /// The rounds that count, in order of size.
    pub fn kept(&self) -> Vec<f64> {
        let mut kept: Vec<f64> = self.rounds.iter().copied().flatten().collect();
        kept.sort_by(f64::total_cmp);
        kept
    }

    /// The median in nanoseconds; `None`: every round was disturbed.
    pub fn ns(&self) -> Option<f64> {
        median(&self.kept())
    }

    /// Half the distance of the quartiles, as a share of the median.
    pub fn spread(&self) -> Option<f64> {
        let kept = self.kept();
        let quartile = |quarter: usize| kept.get(kept.len() * quarter / 4);
        Some((quartile(3)? - quartile(1)?) / 2.0 / median(&kept)?)
    }

    /// Rounds that do not count.
    pub fn dropped(&self) -> usize {
        self.rounds.iter().filter(|round| round.is_none()).count()
    }
}

/// The middle of sorted values.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// One thread, two, and as many as there are processors.
pub fn thread_counts() -> Vec<usize> {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut counts = vec![1, 2.min(cores), cores];
    counts.dedup();
    counts
}

/// Measures every wanted row with every number of threads.
pub fn measure(rows: &[Row], arguments: &Arguments) -> Vec<Measured> {
    let mut cases: Vec<Case> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| arguments.wants(row.group, row.name))
        .flat_map(|(index, row)| {
            thread_counts()
                .into_iter()
                .filter(|threads| *threads == 1 || row.shared)
                .map(move |threads| case(index, row, threads, arguments.burst_ns()))
        })
        .collect();
    for round in 0..arguments.rounds() {
        // There and back: what the machine drifts by is not always against the same rows.
        let mut order: Vec<&mut Case> = cases.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for case in order {
            let Burst { ns, is_quiet } = burst(&mut case.workers, case.warm_up, case.times);
            case.measured.rounds.push(is_quiet.then_some(ns));
        }
    }
    cases.into_iter().map(|case| case.measured).collect()
}

/// A row's workers, and how many calls take them about as long as a burst should.
fn case(row: usize, described: &Row, threads: usize, burst_ns: f64) -> Case {
    const LEAST: u64 = 64;

    let mut workers = described.workers(threads);
    let mut times = LEAST;
    loop {
        let Burst { ns, .. } = burst(&mut workers, described.warm_up, times);
        // Disturbed or not: a burst that comes out shorter is still long enough.
        if ns * times as f64 * 4.0 > burst_ns {
            times = ((burst_ns / ns) as u64).max(LEAST);
            break;
        }
        times *= 4;
    }
    Case {
        measured: Measured {
            row,
            threads,
            rounds: Vec::new(),
        },
        workers,
        warm_up: described.warm_up,
        times,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quiet_rounds_count() {
        let measured = Measured {
            row: 0,
            threads: 1,
            rounds: vec![Some(4.0), None, Some(2.0), Some(100.0), None],
        };
        assert_eq!(measured.ns(), Some(4.0));
        assert_eq!(measured.dropped(), 2);
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
