//! A burst: every worker of a row runs its operation so many times, all at once, a few milliseconds long.

use crate::pin;
use crate::rows::Worker;
use std::hint;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a burst took.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// From the first worker's beginning to the last one's end, for each call of a worker, in nanoseconds.
    pub ns: f64,
    /// Whether each worker had a processor for itself all the time, and all ran together.
    pub is_quiet: bool,
}

/// What one worker saw.
struct Seen {
    start: Instant,
    end: Instant,
    processor: Duration,
}

/// Share of the time that a worker may be without a processor in a burst that counts.
const ABSENT: f64 = 0.02;
/// Share of a burst that one worker may run without the others.
const ALONE: f64 = 0.1;

/// Runs one burst of `times` calls by each worker, after a tenth as many to warm up, or after `warm_up`, if that is more.
///
/// # Panics
/// Where the operation does.
pub fn burst(workers: &mut [Worker], warm_up: u64, times: u64) -> Burst {
    let count = workers.len();
    let waiting = AtomicUsize::new(count);
    let seen: Vec<Seen> = thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(place, worker)| {
                let waiting = &waiting;
                scope.spawn(move || {
                    // From the last processor down: the first one serves most interrupts.
                    let _ = pin::pin(count - 1 - place + spare(count));
                    let _ = pin::lead(true);
                    worker(warm_up.max(times / 10 + 1));
                    // Relaxed: only the start waits on it.
                    waiting.fetch_sub(1, Ordering::Relaxed);
                    let patience = Instant::now();
                    // Relaxed: as above. Whoever waits too long for a place lets the burst be dropped.
                    while waiting.load(Ordering::Relaxed) > 0
                        && patience.elapsed() < Duration::from_millis(50)
                    {
                        hint::spin_loop();
                    }
                    let (before, start) = (processor_time(), Instant::now());
                    worker(times);
                    let (end, after) = (Instant::now(), processor_time());
                    let _ = pin::lead(false);
                    Seen {
                        start,
                        end,
                        processor: after.saturating_sub(before),
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the operation does not panic"))
            .collect()
    });
    judge(&seen, times)
}

fn judge(seen: &[Seen], times: u64) -> Burst {
    let first = seen.iter().map(|seen| seen.start).min();
    let last = seen.iter().map(|seen| seen.end).max();
    let whole = first
        .zip(last)
        .map_or(Duration::ZERO, |(first, last)| last - first)
        .as_secs_f64();
    let is_quiet = seen.iter().all(|seen| {
        let own = (seen.end - seen.start).as_secs_f64();
        seen.processor.as_secs_f64() >= own * (1.0 - ABSENT) && own >= whole * (1.0 - ALONE)
    });
    Burst {
        ns: whole * 1e9 / times as f64,
        is_quiet,
    }
}

/// How many processors a burst of so many workers leaves free.
fn spare(workers: usize) -> usize {
    thread::available_parallelism().map_or(0, |cores| cores.get().saturating_sub(workers))
}

/// Processor time of the calling thread; where there is no such clock it is wall time.
#[cfg(unix)]
pub(crate) fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    // A reading that does not fit is no reading: the burst shows as disturbed.
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Processor time of the calling thread; where there is no such clock it is wall time.
#[cfg(not(unix))]
pub(crate) fn processor_time() -> Duration {
    use std::sync::LazyLock;

    static ANCHOR: LazyLock<Instant> = LazyLock::new(Instant::now);
    ANCHOR.elapsed()
}
