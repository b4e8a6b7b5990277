//! The circuit breaker among threads that start at one moment.

use std::sync::atomic::{AtomicU64, Ordering};

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, Reason, Settled, State, Window,
};
use fuseboard_threads::{ROUNDS, together};

type Breaker = CircuitBreaker<4, 2>;

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

const CONFIG: CircuitBreakerConfig = CircuitBreakerConfig::new()
    .minimum_requests(2)
    .window(Window::Time {
        length: at(4_000),
        slots: 4,
    })
    .open_timeout(at(1_000))
    .half_open_requests(2);

fn fail(breaker: &Breaker, now: Nanos) -> Settled {
    match breaker.acquire(now, &()) {
        Ok(permit) => breaker.settle(permit, Outcome::Failure, now, &()),
        Err(_) => Settled::Stale,
    }
}

/// Opened at 1 s.
fn opened() -> Breaker {
    let breaker = Breaker::new(CONFIG);
    let permits = [0; 2].map(|_| breaker.acquire(at(900), &()).expect("closed"));
    for permit in permits {
        let _ = breaker.settle(permit, Outcome::Failure, at(1_000), &());
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}

/// Who sees a new state sees what its maker did before, and the state's own moment.
#[test]
fn r5_b19_a_state_is_seen_with_what_came_before_it() {
    for round in 0..ROUNDS {
        let breaker = Breaker::new(CONFIG.minimum_requests(1));
        let (beside, now) = (AtomicU64::new(0), at(1_000 + round));
        together(2, |thread| {
            if thread == 0 {
                // Relaxed, here and below: the state word has to order it.
                beside.store(7, Ordering::Relaxed);
                fail(&breaker, now);
                return;
            }
            for _ in 0..4 {
                if let Err(rejected) = breaker.acquire(now, &()) {
                    assert_eq!(beside.load(Ordering::Relaxed), 7, "R5");
                    assert_eq!(
                        rejected.retry_after,
                        Some(at(1_000)),
                        "B19: the state without its moment"
                    );
                }
            }
        });
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn r4_b3_b4_b6_probes_are_counted_in_one_step() {
    for _ in 0..ROUNDS {
        let breaker = opened();
        let admitted = AtomicU64::new(0);
        let permits = together(3, |_| {
            let permit = breaker.acquire(at(2_000), &()).ok();
            // Relaxed: the threads' end orders it.
            admitted.fetch_add(permit.is_some().into(), Ordering::Relaxed);
            permit
        });
        assert_eq!(admitted.into_inner(), 2, "B3, B17");
        let seen = breaker.snapshot(at(2_000));
        assert_eq!(
            (seen.state, seen.generation, seen.in_flight),
            (State::HalfOpen, 2, 2),
            "B4, B6"
        );
        let permits: Vec<_> = permits.into_iter().flatten().collect();
        let settled = together(2, |thread| {
            breaker.settle(permits[thread], Outcome::Success, at(2_001), &())
        });
        assert_eq!(settled, [Settled::Recorded; 2]);
        assert_eq!(
            (breaker.state(), breaker.snapshot(at(2_001)).in_flight),
            (State::Closed, 0)
        );
    }
}

/// One fails, one succeeds, one comes late from before: only this round's count.
#[test]
fn r4_b5_b11_rounds_do_not_mix() {
    for _ in 0..ROUNDS {
        let breaker = opened();
        let lost = [0; 2].map(|_| breaker.acquire(at(2_000), &()).expect("a probe"));
        // The lease is over: a new round.
        let probe = breaker
            .acquire(at(3_000), &())
            .expect("a probe of the next round");
        let settled = together(3, |thread| match thread {
            0 => breaker.settle(lost[0], Outcome::Success, at(3_000), &()),
            1 => breaker.settle(lost[1], Outcome::Failure, at(3_000), &()),
            _ => breaker.settle(probe, Outcome::Failure, at(3_000), &()),
        });
        assert_eq!(
            settled,
            [Settled::Stale, Settled::Stale, Settled::Recorded],
            "B5"
        );
        assert_eq!(breaker.snapshot(at(3_000)).generation, 4);
        assert_eq!(
            breaker.check(at(3_999)).map_err(|rejected| rejected.reason),
            Err(Reason::Open),
            "B7"
        );
    }
}

/// Each records at its own time, so that slots change hands meanwhile.
#[test]
fn r4_w3_w6_no_outcome_is_lost() {
    for window in [
        Window::Time {
            length: at(40),
            slots: 4,
        },
        Window::Count(8),
        Window::Consecutive(1_000),
        Window::Decay { half_life: at(10) },
    ] {
        for round in 0..ROUNDS.div_ceil(2) {
            let breaker = Breaker::new(
                CONFIG
                    .window(window)
                    .failure_threshold(1.0)
                    .minimum_requests(1_000),
            );
            let first = breaker.acquire(at(0), &()).expect("closed");
            let _ = breaker.settle(first, Outcome::Success, at(0), &());
            together(3, |thread| {
                for step in 0..3 {
                    let now = at(round + 15 * step + 5 * thread as u64);
                    let permit = breaker.acquire(now, &()).expect("closed");
                    let outcome = if thread == 2 {
                        Outcome::Success
                    } else {
                        Outcome::Failure
                    };
                    assert_eq!(breaker.settle(permit, outcome, now, &()), Settled::Recorded);
                }
            });
            let totals = breaker.snapshot(at(60)).totals;
            assert_eq!((totals.calls, totals.failures), (10, 6), "W3: {window:?}");
        }
    }
}

#[test]
fn r4_b2_b13_operators_and_trips_are_one_change_each() {
    for _ in 0..ROUNDS {
        let breaker = Breaker::new(CONFIG);
        assert_eq!(fail(&breaker, at(10)), Settled::Recorded);
        together(3, |thread| match thread {
            0 => {
                fail(&breaker, at(20));
            }
            1 => breaker.force_open(at(20), &()),
            _ => breaker.reset(at(20), &()),
        });
        let seen = breaker.snapshot(at(20));
        // Two operators, and at most one trip, which only an operator can follow.
        assert!((2..=3).contains(&seen.generation), "B2: {seen:?}");
        assert!(seen.window.failures <= seen.window.calls, "W2");
    }
}

#[cfg(fuseboard_faults)]
#[test]
fn seeded_faults_are_found() {
    fuseboard_threads::must_be_found(&[
        (
            "open_admits_early",
            "r5_b19_a_state_is_seen_with_what_came_before_it",
        ),
        ("word_store", "r4_b3_b4_b6_probes_are_counted_in_one_step"),
        (
            "half_open_admits_all",
            "r4_b3_b4_b6_probes_are_counted_in_one_step",
        ),
        ("probe_without_generation", "r4_b5_b11_rounds_do_not_mix"),
        ("record_in_two_steps", "r4_w3_w6_no_outcome_is_lost"),
        (
            "word_store",
            "r4_b2_b13_operators_and_trips_are_one_change_each",
        ),
        (
            "generation_stands_still",
            "r4_b2_b13_operators_and_trips_are_one_change_each",
        ),
    ]);
}
