//! The whole way that a program goes: shared handle, two clock readings, listeners, the call's result. With the founding
//! documents' figures as targets.

use crate::rows::{Row, Target, Who, Worker, groups, poll_once, repeat, share};
use fuseboard::telemetry::Registry;
use fuseboard::{CircuitBreaker, CircuitBreakerConfig};
use std::future::ready;
use std::hint::black_box;

pub(super) fn add(rows: &mut Vec<Row>) {
    rows.extend([
        Row::new(
            groups::CLOSED,
            Who::Fuseboard,
            "call_blocking, coarse clock twice",
            |threads| {
                share(threads, breaker(), |breaker| {
                    move |times| {
                        let breaker = black_box(breaker);
                        repeat(times, || breaker.call_blocking(|| Ok::<(), ()>(())).is_ok());
                    }
                })
            },
        )
        .with_clock()
        .target(1, Target::Nanos(200.0)),
        Row::new(groups::ASYNC, Who::Fuseboard, CALL, |threads| {
            calls(threads, breaker())
        })
        .with_clock()
        .target(1, Target::Limit(3.0))
        // A million calls a second are four per cent of a processor.
        .target(1, Target::Nanos(40.0))
        .target(2, Target::Millions(5.0)),
        Row::new(
            groups::ASYNC,
            Who::Fuseboard,
            "the same, telemetry on",
            |threads| {
                let breaker = breaker();
                let registry = Box::leak(Box::new(Registry::new()));
                registry.add_breaker(&breaker);
                calls(threads, breaker)
            },
        )
        .with_clock()
        .target(1, Target::Adds(0.15, CALL)),
        Row::new(
            groups::ASYNC,
            Who::Fuseboard,
            "call, histogram, precise clock twice",
            |threads| {
                let config = CircuitBreakerConfig {
                    record_latency: true,
                    ..CircuitBreakerConfig::default()
                };
                calls(threads, CircuitBreaker::new("bench", config))
            },
        )
        .with_clock(),
        Row::new(
            groups::ASYNC,
            Who::Fuseboard,
            "call in a box, coarse clock twice",
            |threads| {
                share(threads, breaker(), |breaker| {
                    move |times| {
                        let breaker = black_box(breaker);
                        repeat(times, || {
                            poll_once(Box::pin(breaker.call(ready(Ok::<(), ()>(())))))
                        });
                    }
                })
            },
        )
        .with_clock(),
        Row::new(
            groups::REJECTION,
            Who::Fuseboard,
            "call_blocking, coarse clock",
            |threads| {
                let breaker = breaker();
                breaker.force_open();
                share(threads, breaker, |breaker| {
                    move |times| {
                        let breaker = black_box(breaker);
                        repeat(times, || {
                            breaker.call_blocking(|| Ok::<(), ()>(())).is_err()
                        });
                    }
                })
            },
        )
        .with_clock()
        .target(1, Target::Nanos(80.0)),
        Row::new(groups::STATE, Who::Fuseboard, "state, adapter", |threads| {
            share(threads, breaker(), |breaker| {
                move |times| {
                    let breaker = black_box(breaker);
                    repeat(times, || breaker.state());
                }
            })
        })
        .target(1, Target::Nanos(50.0)),
    ]);
}

/// What telemetry is compared with.
const CALL: &str = "call, coarse clock twice";

fn calls(threads: usize, breaker: CircuitBreaker) -> Vec<Worker> {
    share(threads, breaker, |breaker| {
        move |times| {
            let breaker = black_box(breaker);
            repeat(times, || poll_once(breaker.call(ready(Ok::<(), ()>(())))));
        }
    })
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::new("bench", CircuitBreakerConfig::default())
}
