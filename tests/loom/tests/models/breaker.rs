//! The breaker's words under loom. Each model says threads, operations a thread, and bound.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, Settled, State, Transition,
    Window,
};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const T0: Nanos = Nanos::ZERO;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .failure_threshold(0.5)
        .minimum_requests(2)
        .open_timeout(Nanos::from_secs(1))
        .half_open_requests(1)
        .window(Window::Time {
            length: Nanos::from_secs(2),
            slots: 2,
        })
}

type Small = CircuitBreaker<2, 1>;

/// Counts events outside loom, so they add no steps.
#[derive(Default)]
struct Events(AtomicU32);

impl Observer for Events {
    fn transition(&self, _: &Transition) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn open(config: CircuitBreakerConfig) -> Arc<Small> {
    let breaker = Arc::new(Small::new(config));
    for _ in 0..2 {
        breaker.try_acquire(T0).expect("closed").failure(T0);
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}

/// B8, W3: two threads, one failure each, all interleavings: the crossing is never lost, no failure either.
#[test]
fn b8_w3_two_failures_trip() {
    explore("b8_two_failures_trip", ALL, 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config()));
        let events = std::sync::Arc::new(Events::default());
        let handles: Vec<_> = (0..2)
            .map(|_| {
                let (breaker, events) = (Arc::clone(&breaker), std::sync::Arc::clone(&events));
                let permit = breaker.acquire(T0, &*events).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, Outcome::Failure, T0, &*events))
            })
            .collect();
        for thread in handles {
            assert_eq!(thread.join().unwrap(), Settled::Recorded);
        }
        assert_eq!(
            breaker.state(),
            State::Open,
            "the second failure reached the minimum"
        );
        assert_eq!(breaker.snapshot(T0).totals.failures, 2);
        // B15: one change, one event.
        assert_eq!(events.0.load(Ordering::Relaxed), 1);
    });
}

/// B8: two threads, one failure each, in two slots of the window: the crossing is never lost. Bound 3.
#[test]
fn b8_two_failures_in_two_slots_trip() {
    explore("b8_two_slots", bound(3, Some(5)), 100, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config()));
        let handles: Vec<_> = [T0, Nanos::from_secs(1)]
            .into_iter()
            .map(|now| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(T0, &()).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, Outcome::Failure, now, &()))
            })
            .collect();
        for thread in handles {
            assert_eq!(thread.join().unwrap(), Settled::Recorded);
        }
        assert_eq!(
            breaker.state(),
            State::Open,
            "both are in the window and reach the minimum"
        );
    });
}

/// B8: two threads, one success each, in two slots of the window, after two failures: together they pass the minimum, and
/// at least one of them judges. Bound 3.
#[test]
fn b8_two_successes_in_two_slots_judge() {
    explore("b8_two_successes", bound(3, Some(5)), 100, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config().minimum_requests(3)));
        for _ in 0..2 {
            let permit = breaker.acquire(T0, &()).expect("closed");
            breaker.settle(permit, Outcome::Failure, T0, &());
        }
        let handles: Vec<_> = [T0, Nanos::from_secs(1)]
            .into_iter()
            .map(|now| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(T0, &()).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, Outcome::Success, now, &()))
            })
            .collect();
        for thread in handles {
            thread.join().unwrap();
        }
        assert_eq!(breaker.state(), State::Open, "half of the calls failed");
    });
}

/// B8: two threads, a failure and a success that completes the minimum: the trip is found, whoever is last.
#[test]
fn b8_a_success_that_completes_the_minimum_trips() {
    explore("b8_success_completes_minimum", ALL, 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config()));
        let handles: Vec<_> = [Outcome::Failure, Outcome::Success]
            .into_iter()
            .map(|outcome| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(T0, &()).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, outcome, T0, &()))
            })
            .collect();
        for thread in handles {
            thread.join().unwrap();
        }
        assert_eq!(breaker.state(), State::Open);
    });
}

/// B3, B4: two threads ask at the deadline: exactly one probe. All interleavings.
#[test]
fn b3_b4_one_probe_at_the_deadline() {
    explore("b3_one_probe", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let breaker = open(config());
        let now = Nanos::from_secs(1);
        let handles: Vec<_> = (0..2)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                threads.spawn(move |_| breaker.acquire(now, &()).is_ok())
            })
            .collect();
        let admitted = handles.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(admitted.filter(|&admitted| admitted).count(), 1);
        let snapshot = breaker.snapshot(now);
        assert_eq!(
            (snapshot.state, snapshot.in_flight, snapshot.generation),
            (State::HalfOpen, 1, 2)
        );
    });
}

/// B14, O3: one thread probes and closes while another looks: state, generation and probes in flight are of one moment.
/// Two threads, bound 3.
#[test]
fn b14_o3_a_snapshot_is_of_one_moment() {
    explore(
        "b14_one_moment",
        bound(3, Some(5)),
        50,
        &["half-open"],
        |run| {
            let threads = Threads::new();
            let breaker = open(config());
            let now = Nanos::from_secs(1);
            let reader = {
                let breaker = Arc::clone(&breaker);
                threads.spawn(move |_| breaker.snapshot(now))
            };
            let probe = breaker.acquire(now, &()).expect("the deadline");
            threads.step();
            breaker.settle(probe, Outcome::Success, now, &());
            let seen = reader.join().unwrap();
            let moment = (seen.state, seen.generation, seen.in_flight);
            if moment == (State::HalfOpen, 2, 1) {
                run.reached("half-open");
            } else {
                assert!(
                    moment == (State::Open, 1, 0) || moment == (State::Closed, 3, 0),
                    "{moment:?}"
                );
            }
        },
    );
}

/// B7, B19: one thread trips at second 5, another asks at second 5.5: never admitted by an old moment.
/// Two threads, one operation each, all interleavings.
#[test]
fn b7_b19_no_new_state_with_an_old_moment() {
    explore("b19_state_and_moment", ALL, 4, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config()));
        let five = Nanos::from_secs(5);
        breaker.try_acquire(five).expect("closed").failure(five);
        let permit = breaker.acquire(five, &()).expect("closed");
        let tripper = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.settle(permit, Outcome::Failure, five, &()))
        };
        let asker = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.acquire(Nanos::from_millis(5_500), &()))
        };
        tripper.join().unwrap();
        match asker.join().unwrap() {
            Ok(permit) => assert!(!permit.is_probe(), "a probe half a second after the trip"),
            Err(rejected) => assert_eq!(rejected.retry_after, Some(Nanos::from_millis(500))),
        }
        assert_eq!(breaker.state(), State::Open);
    });
}

/// B5, B11, P3: a probe fails while another thread settles late as a success: re-opening wins. Two threads,
/// all interleavings.
#[test]
fn b5_b11_late_success_never_closes() {
    explore("b11_failure_wins", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let breaker = open(config().half_open_requests(2).half_open_successes(Some(1)));
        let now = Nanos::from_secs(1);
        let (first, second) = (
            breaker.acquire(now, &()).unwrap(),
            breaker.acquire(now, &()).unwrap(),
        );
        let other = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.settle(first, Outcome::Failure, now, &()))
        };
        threads.step();
        let success = breaker.settle(second, Outcome::Success, now, &());
        let failure = other.join().unwrap();
        // Exactly one of them ended the round; the other came late and changed nothing.
        match (failure, success) {
            (Settled::Recorded, Settled::Stale) => assert_eq!(breaker.state(), State::Open),
            (Settled::Stale, Settled::Recorded) => assert_eq!(breaker.state(), State::Closed),
            other => panic!("{other:?}"),
        }
        assert_eq!(breaker.snapshot(now).in_flight, 0);
    });
}

/// B5: a call admitted before the trip settles while the breaker probes: it is stale. Two threads.
#[test]
fn b5_late_call_is_stale() {
    explore("b5_late_call", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config()));
        let late = breaker.acquire(T0, &()).expect("closed");
        let tripper = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| {
                for _ in 0..2 {
                    if let Ok(permit) = breaker.acquire(T0, &()) {
                        breaker.settle(permit, Outcome::Failure, T0, &());
                    }
                }
                breaker.acquire(Nanos::from_secs(1), &()).is_ok()
            })
        };
        threads.step();
        breaker.settle(late, Outcome::Success, T0, &());
        let probing = tripper.join().unwrap();
        if probing && breaker.state() == State::HalfOpen {
            // The late success neither took the probe's place nor closed the breaker.
            assert_eq!(breaker.snapshot(T0).in_flight, 1);
        }
        assert_ne!(breaker.snapshot(T0).probe_successes, 1);
    });
}

/// B10: the lease is over; two threads ask: one new round with one probe, and the lost probe is stale.
#[test]
fn b10_lost_probe_is_taken_over_once() {
    explore("b10_lost_probe", ALL, 20, &[], |_| {
        let threads = Threads::new();
        let breaker = open(config());
        let lost = breaker.acquire(Nanos::from_secs(1), &()).unwrap();
        let now = Nanos::from_secs(3);
        let asker = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.acquire(now, &()).map(|permit| permit.is_probe()))
        };
        threads.step();
        let settled = breaker.settle(lost, Outcome::Success, now, &());
        let asked = asker.join().unwrap();
        match settled {
            Settled::Recorded => assert_eq!(asked, Ok(false), "closed by the probe before"),
            Settled::Stale => {
                assert_eq!(asked, Ok(true));
                let snapshot = breaker.snapshot(now);
                assert_eq!((snapshot.state, snapshot.in_flight), (State::HalfOpen, 1));
            }
        }
    });
}

/// W6, W7: two threads record across the edge of a slot, with the clock moving between: each outcome counts once.
#[test]
fn w6_rotation_counts_each_outcome_once() {
    explore("w6_rotation", bound(3, Some(5)), 100, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config().minimum_requests(100)));
        breaker.try_acquire(T0).expect("closed").success(T0);
        // The slot of second 0 is used again at second 2.
        let handles: Vec<_> = [Nanos::from_secs(1), Nanos::from_secs(2)]
            .into_iter()
            .map(|now| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(now, &()).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, Outcome::Failure, now, &()))
            })
            .collect();
        for thread in handles {
            assert_eq!(thread.join().unwrap(), Settled::Recorded);
        }
        let snapshot = breaker.snapshot(Nanos::from_secs(2));
        assert_eq!((snapshot.window.calls, snapshot.window.failures), (2, 2));
        assert_eq!((snapshot.totals.calls, snapshot.totals.failures), (3, 2));
    });
}

/// B9, B12, B13: a failure of the old generation races with a reset and the new generation's first outcome: only
/// the latter is in the new window. Two threads.
#[test]
fn b9_b12_b13_reset_against_a_failure() {
    explore("b13_reset", bound(3, Some(5)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config().minimum_requests(3)));
        breaker.try_acquire(T0).expect("closed").failure(T0);
        let permit = breaker.acquire(T0, &()).expect("closed");
        let resetter = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| {
                breaker.reset(T0, &());
                let permit = breaker.acquire(T0, &()).expect("closed");
                breaker.settle(permit, Outcome::Success, T0, &())
            })
        };
        let failer = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.settle(permit, Outcome::Failure, T0, &()))
        };
        assert_eq!(resetter.join().unwrap(), Settled::Recorded);
        let failures = 1 + u64::from(failer.join().unwrap() == Settled::Recorded);
        let snapshot = breaker.snapshot(T0);
        assert_eq!((snapshot.window.calls, snapshot.window.failures), (1, 0));
        assert_eq!(snapshot.totals.failures, failures);
    });
}

/// W10: two threads record into a count window of two: exactly the last two, all interleavings.
#[test]
fn w10_count_window_is_exact() {
    explore("w10_count_window", ALL, 50, &[], |_| {
        let threads = Threads::new();
        let config = config()
            .minimum_requests(2)
            .failure_threshold(1.0)
            .window(Window::Count(2));
        let breaker = Arc::new(Small::new(config));
        breaker.try_acquire(T0).expect("closed").success(T0);
        let handles: Vec<_> = [Outcome::Failure, Outcome::Success]
            .into_iter()
            .map(|outcome| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(T0, &()).expect("closed");
                threads.spawn(move |_| breaker.settle(permit, outcome, T0, &()))
            })
            .collect();
        for thread in handles {
            thread.join().unwrap();
        }
        let snapshot = breaker.snapshot(T0);
        assert_eq!((snapshot.window.calls, snapshot.window.failures), (2, 1));
        assert_eq!((snapshot.totals.calls, snapshot.totals.failures), (3, 1));
        // One more success pushes out the older of the two, whichever it was.
        breaker.try_acquire(T0).expect("closed").success(T0);
        assert!(breaker.snapshot(T0).window.failures <= 1);
        breaker.try_acquire(T0).expect("closed").success(T0);
        assert_eq!(breaker.snapshot(T0).window.failures, 0);
    });
}

/// B13, B14: settings change while a failure trips the breaker: it opens by the old rules or by the new ones, and a look at it shows
/// one state with its own retry time. Two threads, bound 3.
#[test]
fn b13_b14_configure_beside_a_trip() {
    let cases = ["opened", "closed"];
    explore(
        "b13_configure",
        bound(3, Some(4)),
        50,
        &cases,
        |sometimes| {
            let threads = Threads::new();
            let breaker = Arc::new(Small::new(config()));
            breaker.try_acquire(T0).expect("closed").failure(T0);
            let permit = breaker.acquire(T0, &()).expect("closed");
            let other = Arc::clone(&breaker);
            let tripper = threads.spawn(move |threads| {
                other.settle(permit, Outcome::Failure, T0, &());
                threads.step();
                other
                    .check(Nanos::from_millis(500))
                    .map_err(|rejected| rejected.retry_after)
            });
            // A higher minimum, and twice the time.
            let later = config()
                .minimum_requests(3)
                .open_timeout(Nanos::from_secs(2));
            threads
                .here(|_| breaker.configure(later))
                .expect("the same window");
            let seen = tripper.join().unwrap();
            let snapshot = breaker.snapshot(T0);
            assert_eq!(snapshot.totals.failures, 2);
            match snapshot.state {
                State::Open => {
                    sometimes.reached("opened");
                    assert_eq!(snapshot.generation, 1);
                    let waits = [500, 1_500].map(|wait| Err(Some(Nanos::from_millis(wait))));
                    assert!(waits.contains(&seen), "{seen:?}");
                }
                State::Closed => {
                    sometimes.reached("closed");
                    assert_eq!((snapshot.generation, seen), (0, Ok(())));
                    // By the new rules the third failure trips.
                    breaker.try_acquire(T0).expect("closed").failure(T0);
                    assert_eq!(breaker.state(), State::Open);
                }
                other => panic!("{other:?}"),
            }
        },
    );
}

/// W7: a recorder that is late by a whole window does not give the slot that was reused meanwhile its old tag: what was recorded there
/// stays. Two threads; the second records into each of the next three seconds. Bound 3.
#[test]
fn w7_a_late_recorder_takes_no_newer_slot() {
    explore("w7_late_recorder", bound(3, Some(4)), 500, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(Small::new(config().minimum_requests(100)));
        let other = Arc::clone(&breaker);
        let late = breaker.acquire(T0, &()).expect("closed");
        let late =
            threads.spawn(move |_| other.settle(late, Outcome::Failure, Nanos::from_secs(1), &()));
        threads.here(|threads| {
            for second in [2, 3] {
                let now = Nanos::from_secs(second);
                let permit = breaker.acquire(now, &()).expect("closed");
                breaker.settle(permit, Outcome::Success, now, &());
                threads.step();
            }
        });
        assert_eq!(late.join().unwrap(), Settled::Recorded);
        let snapshot = breaker.snapshot(Nanos::from_secs(3));
        // Both successes are in the window; the failure is, where it came late.
        assert_eq!(snapshot.window.calls - snapshot.window.failures, 2);
        assert_eq!((snapshot.totals.calls, snapshot.totals.failures), (3, 1));
    });
}

/// W3, W10: a failure that weighs two in a count window of two, beside a reset: where it was recorded, the totals have both of it,
/// though the reset came between the two. Two threads, all interleavings.
#[test]
fn w3_w10_a_weighted_call_is_whole_beside_a_reset() {
    let cases = ["recorded", "stale"];
    explore("w3_weighted_reset", ALL, 50, &cases, |sometimes| {
        let config = config().minimum_requests(3).window(Window::Count(2));
        let breaker = Arc::new(Small::new(config));
        let permit = breaker.acquire(T0, &()).expect("closed");
        let resetter = Arc::clone(&breaker);
        let ((), settled) = beside(
            move |_| resetter.reset(T0, &()),
            |_| breaker.settle_weighted(permit, Outcome::Failure, 2, T0, &()),
        );
        let is_recorded = settled == Settled::Recorded;
        sometimes.reached(if is_recorded { "recorded" } else { "stale" });
        let totals = breaker.snapshot(T0).totals;
        let weight = 2 * u64::from(is_recorded);
        assert_eq!((totals.calls, totals.failures), (weight, weight));
    });
}

/// W10: a thread that is stopped while it keeps the newest outcome in the ring, beside one that records three more: each place
/// holds its own outcome. Two threads, bound 3.
#[test]
fn w10_a_stalled_helper_spoils_no_place() {
    explore("w10_stalled_helper", bound(3, Some(4)), 500, &[], |_| {
        let threads = Threads::new();
        let config = config()
            .minimum_requests(2)
            .failure_threshold(1.0)
            .window(Window::Count(2));
        let breaker = Arc::new(Small::new(config));
        breaker.try_acquire(T0).expect("closed").failure(T0);
        let record = |outcomes: &'static [Outcome]| {
            let breaker = Arc::clone(&breaker);
            move |threads: &Threads| {
                for &outcome in outcomes {
                    let permit = breaker.acquire(T0, &()).expect("closed");
                    breaker.settle(permit, outcome, T0, &());
                    threads.step();
                }
            }
        };
        let other = threads.spawn(record(&[Outcome::Success]));
        threads.here(record(&[
            Outcome::Success,
            Outcome::Success,
            Outcome::Failure,
        ]));
        other.join().unwrap();
        // The later failure is one of the last two, wherever the other thread's success came.
        let window = breaker.snapshot(T0).window;
        assert_eq!((window.calls, window.failures), (2, 1));
        for _ in 0..2 {
            breaker.try_acquire(T0).expect("closed").success(T0);
        }
        let window = breaker.snapshot(T0).window;
        assert_eq!((window.calls, window.failures), (2, 0));
    });
}
