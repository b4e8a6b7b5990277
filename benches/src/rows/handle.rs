//! The same through a thread's own handle, whose counters it writes with plain loads and stores.

use crate::rows::breaker::open;
use crate::rows::{Row, START, Target, Who, Worker, groups, repeat_in_time};
use fuseboard::Nanos;
use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Handle, Settled};
use std::hint::black_box;

/// More than any machine here has cores.
const HANDLES: usize = 64;

pub(super) fn add(rows: &mut Vec<Row>) {
    rows.extend([
        Row::new(
            groups::CLOSED,
            Who::Fuseboard,
            "time window, handle",
            succeed,
        )
        .target(1, Target::Limit(0.35))
        .target(2, Target::Scales(1.8)),
        Row::new(
            groups::REJECTION,
            Who::Fuseboard,
            "counted, handle",
            |threads| {
                workers(threads, open(), |handle, now| {
                    handle.try_acquire(now).is_err()
                })
            },
        )
        .target(1, Target::Limit(0.35)),
    ]);
}

/// Admission, a call that succeeds at once, and its outcome in the window.
pub(crate) fn succeed(threads: usize) -> Vec<Worker> {
    let breaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    workers(threads, breaker, |handle, now| {
        handle
            .try_acquire(now)
            .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
    })
}

fn workers(
    threads: usize,
    breaker: CircuitBreaker<10, 1, HANDLES>,
    operation: impl Fn(&Handle<'static, 10, 1, HANDLES>, Nanos) -> bool + Copy + Send + 'static,
) -> Vec<Worker> {
    let breaker: &CircuitBreaker<10, 1, HANDLES> = Box::leak(Box::new(breaker));
    (0..threads)
        .filter_map(|_| breaker.handle())
        .map(|handle| {
            let mut now = START;
            Box::new(move |times| {
                let handle = black_box(&handle);
                repeat_in_time(times, &mut now, |now| operation(handle, now));
            }) as Worker
        })
        .collect()
}
