//! Calls in flight under loom: `count_overdue`. Two threads, at most two operations each, bound 3.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Outcome, Settled, State, Window,
};
use fuseboard_loom::{Threads, bound, explore};
use loom::sync::Arc;

/// One slot; a call is overdue when the slot after the one in which it began has begun.
const SLOT: u64 = 10_000;

const fn slots(number: u64) -> Nanos {
    Nanos::new(number * SLOT)
}

type Small = CircuitBreaker<3, 1>;

/// Trips when two calls are slow.
fn watched() -> Small {
    Small::new(
        CircuitBreakerConfig::new()
            .minimum_requests(2)
            .open_timeout(Nanos::from_secs(1))
            .slow_call_duration(Some(Nanos::new(SLOT - 1)))
            .count_overdue(true)
            .window(Window::Time {
                length: slots(3),
                slots: 3,
            }),
    )
}

/// B9: one overdue call ends as a slow one while another request looks: it is one call, not two, so nothing trips.
#[test]
fn b9_a_call_that_ends_is_never_counted_twice() {
    explore("b9_counted_once", bound(3, Some(4)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(watched());
        let hung = breaker.acquire(slots(0), &()).expect("closed");
        let ends = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.settle(hung, Outcome::Success, slots(2), &()))
        };
        threads.here(|_| assert!(breaker.acquire(slots(2), &()).is_ok()));
        assert_eq!(ends.join().unwrap(), Settled::Recorded);
        assert_eq!(breaker.state(), State::Closed);
        let snapshot = breaker.snapshot(slots(2));
        assert_eq!((snapshot.window.slow, snapshot.overdue), (1, 0));
    });
}

/// B8: of two overdue calls one ends as slow while another request looks: whoever is last sees both, and the breaker opens.
#[test]
fn b8_overdue_and_ended_calls_trip_together() {
    explore("b8_overdue_and_ended", bound(3, Some(4)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(watched());
        let [_hung, slow] = [(); 2].map(|()| breaker.acquire(slots(0), &()).expect("closed"));
        let ends = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.settle(slow, Outcome::Success, slots(2), &()))
        };
        let _ = threads.here(|_| breaker.acquire(slots(2), &()));
        ends.join().unwrap();
        assert_eq!(breaker.state(), State::Open);
    });
}

/// W3, W6: a call begins in the slot that another's leaves: whatever the order, one is in flight afterwards, and it is the new one.
#[test]
fn w6_a_call_begins_where_another_ends() {
    explore("w6_reused_slot", bound(3, Some(5)), 50, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(watched());
        let old = breaker.acquire(slots(0), &()).expect("closed");
        let ends = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.cancel(old, &()))
        };
        let new = threads.here(|_| breaker.acquire(slots(3), &()).expect("closed"));
        assert_eq!(ends.join().unwrap(), Settled::Recorded);
        assert_eq!(breaker.snapshot(slots(5)).overdue, 1);
        assert_eq!(breaker.cancel(new, &()), Settled::Recorded);
        assert_eq!(breaker.snapshot(slots(5)).overdue, 0);
    });
}

/// W3, B12: two calls begin at once, one of them while an operator resets: none is lost, none stays of the old generation.
#[test]
fn w3_two_calls_begin_beside_a_reset() {
    explore("w3_begin_beside_reset", bound(3, Some(4)), 100, &[], |_| {
        let threads = Threads::new();
        let breaker = Arc::new(watched());
        let begins = {
            let breaker = Arc::clone(&breaker);
            threads.spawn(move |_| breaker.acquire(slots(0), &()).expect("closed"))
        };
        threads.step();
        breaker.reset(slots(0), &());
        threads.step();
        let mine = breaker.acquire(slots(0), &()).expect("closed");
        let other = begins.join().unwrap();
        breaker.cancel(other, &());
        assert_eq!(breaker.snapshot(slots(2)).overdue, 1);
        assert_eq!(breaker.cancel(mine, &()), Settled::Recorded);
        assert_eq!(breaker.snapshot(slots(2)).overdue, 0);
    });
}
