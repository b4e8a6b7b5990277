//! Breakers around a closure. A peer's `call` includes its closure; ours is admission and settling.

use crate::rows::peers::rwlock::ThreeLocks;
use crate::rows::{NEVER, Row, Who, Worker, groups, repeat, share};
use failsafe::backoff::constant;
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::{CircuitBreaker as _, Config, FailurePolicy, StateMachine};
use recloser::Recloser;
use std::hint::black_box;
use std::time::Duration;

type Name = &'static str;
type Outcome = fn() -> Result<(), ()>;
type Make = fn(usize, Outcome) -> Vec<Worker>;

pub(super) fn add(rows: &mut Vec<Row>) {
    let succeed = || Ok::<(), ()>(());
    let fail = || Err::<(), ()>(());
    let row = |group, name: Name, make: Make, call| {
        Row::new(group, Who::Peer, name, move |threads| make(threads, call))
    };
    rows.extend([
        row(
            groups::CLOSED,
            "failsafe, consecutive",
            |threads, _| failsafe_calls(threads, consecutive_failures(5, constant(NEVER)), true),
            succeed,
        ),
        row(
            groups::CLOSED,
            "failsafe, success rate over time",
            |threads, _| failsafe_calls(threads, rate(0.5), true),
            succeed,
        ),
        row(
            groups::CLOSED,
            "recloser, count of 100",
            |threads, call| recloser_calls(threads, 0.5, call),
            succeed,
        ),
        row(
            groups::FAILED,
            "failsafe, consecutive",
            |threads, _| {
                failsafe_calls(
                    threads,
                    consecutive_failures(u32::MAX, constant(NEVER)),
                    false,
                )
            },
            fail,
        ),
        // No success is required, so it judges and never trips.
        row(
            groups::FAILED,
            "failsafe, success rate over time",
            |threads, _| failsafe_calls(threads, rate(0.0), false),
            fail,
        ),
        // More than all would have to fail, so it judges and never trips.
        row(
            groups::FAILED,
            "recloser, count of 100",
            |threads, call| recloser_calls(threads, 1.1, call),
            fail,
        ),
        row(
            groups::REJECTION,
            "failsafe",
            |threads, _| {
                let peer = failsafe(consecutive_failures(1, constant(NEVER)));
                assert!(peer.call(|| Err::<(), ()>(())).is_err() && !peer.is_call_permitted());
                share(threads, peer, |peer| {
                    move |times| repeat(times, || peer.call(|| Ok::<(), ()>(())).is_err())
                })
            },
            succeed,
        ),
        row(groups::REJECTION, "recloser", recloser_rejects, succeed),
        row(
            groups::STATE,
            "failsafe, is_call_permitted",
            |threads, _| {
                let peer = failsafe(consecutive_failures(5, constant(NEVER)));
                share(threads, peer, |peer| {
                    move |times| repeat(times, || peer.is_call_permitted())
                })
            },
            succeed,
        ),
    ]);
    let locks = |group, name: Name, open| {
        Row::new(group, Who::Peer, name, move |threads| {
            let breaker = ThreeLocks::new(if open { 1 } else { 5 });
            if open {
                breaker.call_once(false);
            }
            share(threads, breaker, |breaker| {
                move |times| breaker.calls(times)
            })
        })
    };
    rows.extend([
        locks(groups::CLOSED, "three tokio RwLocks", false),
        locks(groups::REJECTION, "three tokio RwLocks", true),
    ]);
}

fn rate(required: f64) -> impl FailurePolicy + Send + Sync + 'static {
    success_rate_over_time_window(required, 20, Duration::from_secs(10), constant(NEVER))
}

fn failsafe<P: FailurePolicy>(policy: P) -> StateMachine<P, ()> {
    Config::new().failure_policy(policy).build()
}

fn failsafe_calls<P: FailurePolicy + Send + Sync + 'static>(
    threads: usize,
    policy: P,
    succeed: bool,
) -> Vec<Worker> {
    share(threads, failsafe(policy), move |peer| {
        move |times| {
            if succeed {
                repeat(times, || peer.call(|| Ok::<(), ()>(())).is_ok());
            } else {
                repeat(times, || peer.call(|| Err::<(), ()>(())).is_ok());
            }
        }
    })
}

fn recloser_calls(threads: usize, rate: f32, call: Outcome) -> Vec<Worker> {
    let peer = Recloser::custom()
        .error_rate(rate)
        .closed_len(100)
        .open_wait(NEVER)
        .build();
    share(threads, peer, move |peer| {
        move |times| {
            let peer = black_box(peer);
            repeat(times, || peer.call(call).is_ok());
        }
    })
}

fn recloser_rejects(threads: usize, call: Outcome) -> Vec<Worker> {
    let peer = Recloser::custom()
        .error_rate(0.5)
        .closed_len(1)
        .open_wait(NEVER)
        .build();
    for _ in 0..4 {
        let _ = peer.call(|| Err::<(), ()>(()));
    }
    assert!(
        matches!(peer.call(call), Err(recloser::Error::Rejected)),
        "open"
    );
    share(threads, peer, move |peer| {
        move |times| {
            let peer = black_box(peer);
            repeat(times, || peer.call(call).is_err());
        }
    })
}
