//! Handles under loom. Two threads, at most four operations each, bound 3: unbounded, none of these ends within ten minutes.

use fuseboard_core::{CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, State, Window};
use fuseboard_loom::{Threads, bound, explore};
use loom::sync::Arc;

const T0: Nanos = Nanos::ZERO;

fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .failure_threshold(0.5)
        .minimum_requests(2)
        .open_timeout(Nanos::from_secs(1))
        .window(Window::Time {
            length: Nanos::from_secs(2),
            slots: 2,
        })
}

/// H1: two threads claim the one handle: one gets it; it goes to the next with all that the first one counted.
#[test]
fn h1_one_handle_has_one_owner() {
    explore("h1_one_owner", bound(3, Some(4)), 9, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(CircuitBreaker::<2, 1, 1>::new(config()));
        let count = |breaker: &CircuitBreaker<2, 1, 1>| {
            let permit = breaker.acquire(T0, &()).expect("closed");
            let Some(handle) = breaker.handle() else {
                return false;
            };
            handle.settle(permit, Outcome::Success, T0, &());
            true
        };
        let other = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| count(&breaker))
        };
        threads.step();
        let counted = u64::from(count(&breaker)) + u64::from(other.join().unwrap());
        assert!(counted >= 1);
        assert_eq!(breaker.snapshot(T0).window.calls, counted);
        assert!(breaker.handle().is_some());
    });
}

/// B8, W3: a failure in a handle and one of a caller without, at once: the second crosses, whichever that is.
#[test]
fn b8_failures_in_a_handle_and_beside_it_trip() {
    explore("b8_handle_and_shared", bound(3, Some(4)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(CircuitBreaker::<2, 1, 1>::new(config()));
        let mine = breaker.acquire(T0, &()).expect("closed");
        let other = {
            let breaker = Arc::clone(&breaker);
            let permit = breaker.acquire(T0, &()).expect("closed");
            threads.spawn(move |_| {
                let handle = breaker.handle().expect("free");
                handle.settle(permit, Outcome::Failure, T0, &());
            })
        };
        threads.step();
        breaker.settle(mine, Outcome::Failure, T0, &());
        other.join().unwrap();
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.snapshot(T0).totals.failures, 2);
    });
}

/// B8: the same in two handles.
#[test]
fn b8_failures_in_two_handles_trip() {
    explore("b8_two_handles", bound(3, Some(4)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(CircuitBreaker::<1, 1, 2>::new(config().window(
            Window::Time {
                length: Nanos::from_secs(2),
                slots: 1,
            },
        )));
        let handles: Vec<_> = (0..2)
            .map(|_| {
                let breaker = Arc::clone(&breaker);
                let permit = breaker.acquire(T0, &()).expect("closed");
                threads.spawn(move |_| {
                    let handle = breaker.handle().expect("two are free");
                    handle.settle(permit, Outcome::Failure, T0, &());
                })
            })
            .collect();
        for thread in handles {
            thread.join().unwrap();
        }
        assert_eq!(breaker.state(), State::Open);
    });
}

/// W2, W6, W7: the owner goes on to a slot that the window reuses while another sums: never an old count under the new tag,
/// never a new count under the old one.
#[test]
fn w6_a_slot_that_changes_hands_is_never_misread() {
    explore("w6_slot_changes_hands", bound(3, Some(4)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(CircuitBreaker::<2, 1, 1>::new(
            config().failure_threshold(1.0),
        ));
        let permits = [(); 3].map(|()| breaker.acquire(T0, &()).expect("closed"));
        let handle = breaker.handle().expect("free");
        let [a, b, c] = permits;
        for permit in [a, b] {
            handle.settle(permit, Outcome::Success, T0, &());
        }
        let reader = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.snapshot(Nanos::from_secs(2)).window)
        };
        threads.step();
        // The same slot, two seconds later.
        handle.settle(c, Outcome::Failure, Nanos::from_secs(2), &());
        // By the clock of second 2 the two calls are over: at most the failure is there.
        let window = reader.join().unwrap();
        assert!(
            window.calls <= 1 && window.failures == window.calls,
            "{window:?}"
        );
        let window = breaker.snapshot(Nanos::from_secs(2)).window;
        assert_eq!((window.calls, window.failures), (1, 1));
        assert_eq!(breaker.snapshot(Nanos::from_secs(2)).totals.calls, 3);
    });
}

/// B12, B13: the owner begins a generation while another sums: nothing of the old one is in the new window.
#[test]
fn b12_a_handle_begins_a_generation() {
    explore(
        "b12_handle_begins_a_generation",
        bound(3, Some(4)),
        50,
        &[],
        |_| {
            let threads = Threads::new();
            let breaker = Arc::new(CircuitBreaker::<2, 1, 1>::new(
                config().failure_threshold(1.0),
            ));
            let handle = breaker.handle().expect("free");
            let old = handle.acquire(T0, &()).expect("closed");
            handle.settle(old, Outcome::Failure, T0, &());
            breaker.reset(T0, &());
            let reader = {
                let breaker = Arc::clone(&breaker);
                threads.spawn(move |_| breaker.snapshot(T0).window)
            };
            threads.step();
            let next = handle.acquire(T0, &()).expect("closed");
            handle.settle(next, Outcome::Success, T0, &());
            let window = reader.join().unwrap();
            assert!(window.failures == 0 && window.calls <= 1, "{window:?}");
            assert_eq!(breaker.snapshot(T0).window.failures, 0);
        },
    );
}
