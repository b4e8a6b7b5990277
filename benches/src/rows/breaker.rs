//! What a breaker adds to the call that it guards: closed, failing, rejected, or only asked for its state.

use crate::rows::{Row, START, Target, Who, Worker, groups, repeat, repeat_in_time, share};
use fuseboard::{Clock, CoarseClock, Nanos};
use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, LatencyHistogram, Outcome, Settled, Window,
};
use std::hint::black_box;

/// The row that the C ABI is compared with.
pub(super) const SHARED: &str = "time window";

pub(super) fn add(rows: &mut Vec<Row>) {
    let time = CircuitBreakerConfig::new();
    let slow = time.slow_call_duration(Some(Nanos::from_secs(1)));
    let count = time.window(Window::Count(100));
    let consecutive = time.window(Window::Consecutive(5));
    let closed = |name, make: fn(usize, CircuitBreakerConfig) -> Vec<Worker>, config| {
        Row::new(groups::CLOSED, Who::Fuseboard, name, move |threads| {
            make(threads, config)
        })
    };
    rows.extend([
        closed(SHARED, succeed::<10, 1>, time).target(1, Target::Limit(1.15)),
        closed("time window, 8 stripes", succeed::<10, 8>, time).target(2, Target::Scales(1.7)),
        closed("time window, slow calls", succeed::<10, 1>, slow),
        Row::new(
            groups::CLOSED,
            Who::Fuseboard,
            "time window, histogram",
            succeed_and_record,
        )
        .target(1, Target::Adds(1.2, SHARED)),
        closed("count window of 100", succeed::<10, 1>, count),
        closed("consecutive failures", succeed::<10, 1>, consecutive),
        closed("time window, coarse clock", succeed_on_coarse_clock, time)
            .with_clock()
            .target(1, Target::Limit(1.5)),
        Row::new(
            groups::FAILED,
            Who::Fuseboard,
            "time window, summed and judged",
            |threads| fail::<10, 1>(threads, CircuitBreakerConfig::new()),
        ),
        Row::new(
            groups::REJECTION,
            Who::Fuseboard,
            "decision alone",
            |threads| {
                share(threads, open::<0>(), |breaker| {
                    let mut now = START;
                    move |times| {
                        let breaker = black_box(breaker);
                        repeat_in_time(times, &mut now, |now| breaker.check(now).is_err());
                    }
                })
            },
        )
        .target(1, Target::Limit(0.2)),
        Row::new(groups::REJECTION, Who::Fuseboard, "counted", |threads| {
            share(threads, open::<0>(), |breaker| {
                let mut now = START;
                move |times| {
                    let breaker = black_box(breaker);
                    repeat_in_time(times, &mut now, |now| breaker.try_acquire(now).is_err());
                }
            })
        })
        .target(1, Target::Limit(1.2)),
        Row::new(
            groups::REJECTION,
            Who::Fuseboard,
            "counted, coarse clock",
            |threads| {
                share(threads, open::<0>(), |breaker| {
                    move |times| {
                        let breaker = black_box(breaker);
                        repeat(times, || breaker.try_acquire(CoarseClock.now()).is_err());
                    }
                })
            },
        )
        .with_clock(),
        Row::new(groups::STATE, Who::Fuseboard, "state", |threads| {
            let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
            share(threads, breaker, |breaker| {
                move |times| {
                    let breaker = black_box(breaker);
                    repeat(times, || breaker.state());
                }
            })
        })
        .target(1, Target::Limit(0.1)),
    ]);
}

/// Admission, a call that succeeds at once, and its outcome in the window.
pub(crate) fn succeed<const SLOTS: usize, const STRIPES: usize>(
    threads: usize,
    config: CircuitBreakerConfig,
) -> Vec<Worker> {
    let breaker: CircuitBreaker<SLOTS, STRIPES> = CircuitBreaker::new(config);
    share(threads, breaker, |breaker| {
        let mut now = START;
        move |times| {
            let breaker = black_box(breaker);
            repeat_in_time(times, &mut now, |now| {
                breaker
                    .try_acquire(now)
                    .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
            });
        }
    })
}

/// The same, and how long the call took into the histogram.
fn succeed_and_record(threads: usize) -> Vec<Worker> {
    let breaker: CircuitBreaker = CircuitBreaker::new(CircuitBreakerConfig::new());
    share(threads, (breaker, LatencyHistogram::new()), |shared| {
        let mut now = START;
        move |times| {
            let (breaker, latency) = black_box(shared);
            repeat_in_time(times, &mut now, |now| {
                let Ok(permit) = breaker.acquire(now, &()) else {
                    return false;
                };
                let end = now.saturating_add(Nanos::from_millis(2));
                latency.record_call(permit, Outcome::Success, end);
                breaker.settle(permit, Outcome::Success, now, &()) == Settled::Recorded
            });
        }
    })
}

/// The same with so many breakers, in turn.
#[cfg(feature = "peers")]
pub(crate) fn succeed_in_turn(breakers: usize) -> Vec<Worker> {
    let many: Vec<CircuitBreaker> = (0..breakers)
        .map(|_| CircuitBreaker::new(CircuitBreakerConfig::new()))
        .collect();
    share(1, many, |many| {
        let (mut now, mut next) = (START, many.iter().cycle());
        move |times| {
            repeat_in_time(times, &mut now, |now| {
                next.next().is_some_and(|breaker| {
                    breaker
                        .try_acquire(now)
                        .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
                })
            });
        }
    })
}

/// One reading serves admission and outcome: right where no call can be slow.
fn succeed_on_coarse_clock(threads: usize, config: CircuitBreakerConfig) -> Vec<Worker> {
    let breaker: CircuitBreaker = CircuitBreaker::new(config);
    share(threads, breaker, |breaker| {
        move |times| {
            let breaker = black_box(breaker);
            repeat(times, || {
                let now = CoarseClock.now();
                breaker
                    .try_acquire(now)
                    .is_ok_and(|permit| permit.success(now) == Settled::Recorded)
            });
        }
    })
}

/// As the closed call, but it fails: the window is summed and judged, and does not trip.
pub(crate) fn fail<const SLOTS: usize, const STRIPES: usize>(
    threads: usize,
    config: CircuitBreakerConfig,
) -> Vec<Worker> {
    // At a threshold of 1 the one success keeps it closed; so time stands still.
    let breaker: CircuitBreaker<SLOTS, STRIPES> =
        CircuitBreaker::new(config.failure_threshold(1.0));
    let first = breaker
        .try_acquire(START)
        .map(|permit| permit.success(START));
    assert!(first.is_ok(), "a new breaker is closed");
    share(threads, breaker, |breaker| {
        move |times| {
            let (breaker, now) = (black_box(breaker), black_box(START));
            repeat(times, || {
                breaker
                    .try_acquire(now)
                    .is_ok_and(|permit| permit.failure(now) == Settled::Recorded)
            });
        }
    })
}

/// A breaker that is open and stays so.
pub(super) fn open<const HANDLES: usize>() -> CircuitBreaker<10, 1, HANDLES> {
    let config = CircuitBreakerConfig::new()
        .window(Window::Consecutive(1))
        .open_timeout(Nanos::MAX);
    let breaker = CircuitBreaker::new(config);
    let first = breaker
        .try_acquire(START)
        .map(|permit| permit.failure(START));
    assert!(first.is_ok() && breaker.check(START).is_err(), "open");
    breaker
}
