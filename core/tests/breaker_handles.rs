//! Handles: a thread's own stripe of a breaker.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Counts, Handle, Nanos, Outcome, RawPermit, Settled,
    State, Window,
};
use std::sync::Barrier;
use std::thread;

type Breaker<const HANDLES: usize> = CircuitBreaker<10, 1, HANDLES>;

const fn at(seconds: u64) -> Nanos {
    Nanos::from_secs(seconds)
}

const fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new().minimum_requests(4)
}

const fn assert_send<T: Send>() {}

/// P5: a handle may move to another thread; that two cannot share it, its documentation shows.
const _: () = {
    assert_send::<Handle<'static, 10, 1, 4>>();
    assert!(size_of::<Breaker<0>>() == 256 + 128);
    assert!(size_of::<Breaker<1>>() == 256 + 128 + 256);
    assert!(size_of::<Handle<'static>>() == 16);
};

#[test]
fn h1_as_many_handles_as_there_is_room_for() {
    let none: Breaker<0> = CircuitBreaker::new(config());
    assert!(none.handle().is_none());
    let breaker: Breaker<2> = CircuitBreaker::new(config());
    let [first, second] = [breaker.handle().unwrap(), breaker.handle().unwrap()];
    assert!(breaker.handle().is_none());
    second.try_acquire(at(0)).unwrap().success(at(0));
    drop(second);
    // The next one goes on where it stopped.
    let third = breaker.handle().unwrap();
    assert!(breaker.handle().is_none());
    third.try_acquire(at(1)).unwrap().success(at(1));
    first.try_acquire(at(1)).unwrap().success(at(1));
    assert_eq!(breaker.snapshot(at(1)).window.calls, 3);
}

/// H1: handles, and callers without one, on threads of their own: once they are quiet the sums are exact.
#[test]
fn h1_w3_sums_are_exact_once_all_are_quiet() {
    const CALLS: u64 = 20_000;
    let breaker: Breaker<3> = CircuitBreaker::new(config().failure_threshold(1.0));
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for number in 0..4 {
            let (breaker, start) = (&breaker, &start);
            scope.spawn(move || {
                let handle = breaker.handle();
                start.wait();
                for call in 0..CALLS {
                    // Two seconds in all: the slots change under them.
                    let now = Nanos::from_micros(call * 100);
                    let permit = breaker.acquire(now, &()).unwrap();
                    let outcome = match call % 10 {
                        0 => Outcome::Failure,
                        1 => Outcome::Ignored,
                        _ => Outcome::Success,
                    };
                    let settled = match &handle {
                        Some(handle) => handle.settle(permit, outcome, now, &()),
                        None => breaker.settle(permit, outcome, now, &()),
                    };
                    assert_eq!(settled, Settled::Recorded, "{number}");
                }
            });
        }
    });
    let snapshot = breaker.snapshot(at(2));
    let exact = Counts {
        calls: 4 * CALLS * 9 / 10,
        failures: 4 * CALLS / 10,
        slow: 0,
    };
    assert_eq!(snapshot.window, exact);
    assert_eq!(snapshot.totals.calls, exact.calls);
    assert_eq!(snapshot.totals.failures, exact.failures);
    assert_eq!(snapshot.totals.ignored, 4 * CALLS / 10);
}

/// B8: failures of several handles cross the threshold together, and each counts the rejections of its own.
#[test]
fn b8_o1_failures_of_several_handles_trip_together() {
    let breaker: Breaker<2> = CircuitBreaker::new(config());
    let handles = [breaker.handle().unwrap(), breaker.handle().unwrap()];
    for now in [0, 1] {
        for handle in &handles {
            assert_eq!(breaker.state(), State::Closed);
            handle.try_acquire(at(now)).unwrap().failure(at(now));
        }
    }
    assert_eq!(breaker.state(), State::Open);
    for handle in &handles {
        assert!(handle.try_acquire(at(2)).is_err());
    }
    assert!(breaker.try_acquire(at(2)).is_err());
    assert_eq!(breaker.snapshot(at(2)).totals.rejected, 3);
}

/// B3, B12: probes pass through a handle as through the breaker, and closing forgets what the handles counted.
#[test]
fn b3_b12_a_handle_probes_and_begins_anew() {
    let breaker: Breaker<1> = CircuitBreaker::new(config().half_open_requests(1));
    let handle = breaker.handle().unwrap();
    for _ in 0..4 {
        handle.try_acquire(at(0)).unwrap().failure(at(0));
    }
    let probe = handle.try_acquire(at(30)).unwrap();
    assert!(probe.is_probe());
    drop(probe);
    let probe = handle.try_acquire(at(30)).unwrap();
    assert!(handle.try_acquire(at(30)).is_err());
    assert_eq!(probe.success(at(30)), Settled::Recorded);
    assert_eq!(breaker.snapshot(at(30)).window, Counts::default());
    for _ in 0..3 {
        handle.try_acquire(at(30)).unwrap().failure(at(30));
    }
    assert_eq!(
        (breaker.state(), breaker.snapshot(at(30)).window.failures),
        (State::Closed, 3)
    );
    assert_eq!(breaker.snapshot(at(30)).totals.failures, 7);
}

/// B5: the outcome of a generation that is over changes nothing, whoever settles it.
#[test]
fn b5_a_late_permit_is_stale_in_a_handle() {
    let breaker: Breaker<1> = CircuitBreaker::new(config());
    let handle = breaker.handle().unwrap();
    let late = handle.acquire(at(0), &()).unwrap();
    breaker.reset(at(0), &());
    handle.try_acquire(at(0)).unwrap().success(at(0));
    let before = breaker.snapshot(at(0));
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        assert_eq!(handle.settle(late, outcome, at(0), &()), Settled::Stale);
    }
    assert_eq!(breaker.snapshot(at(0)), before);
}

/// W5: after a pause of any length nothing stale is counted, and nothing is lost from the totals.
#[test]
fn w5_nothing_stale_after_any_pause() {
    for gap in [9, 10, 11, 1 << 10, 10 << 10, 1 << 20, 1 << 31, 1 << 33] {
        let breaker: Breaker<2> = CircuitBreaker::new(config());
        let [first, second] = [breaker.handle().unwrap(), breaker.handle().unwrap()];
        first.try_acquire(at(0)).unwrap().failure(at(0));
        second.try_acquire(at(gap)).unwrap().success(at(gap));
        let snapshot = breaker.snapshot(at(gap));
        let calls = if gap < 10 { 2 } else { 1 };
        assert_eq!(snapshot.window.calls, calls, "{gap}");
        first.try_acquire(at(gap)).unwrap().success(at(gap));
        let snapshot = breaker.snapshot(at(gap));
        assert_eq!(snapshot.window.calls, calls + 1, "{gap}");
        assert_eq!((snapshot.totals.calls, snapshot.totals.failures), (3, 1));
    }
}

/// W4: a slot that is nearly full is halved whole: the shares stay, and the totals lose nothing.
#[test]
fn w4_a_full_slot_is_halved_whole() {
    let breaker: Breaker<1> = CircuitBreaker::new(
        config()
            .slow_call_duration(Some(at(1)))
            .slow_call_threshold(1.0),
    );
    breaker.metrics_only(at(0), &());
    let handle = breaker.handle().unwrap();
    let started: RawPermit = handle.acquire(at(0), &()).unwrap();
    // Slow failures and successes by turns, a thousand calls each time.
    for turn in 0..10_000_u64 {
        let (outcome, weight, now) = if turn % 2 == 0 {
            (Outcome::Failure, 1_000, at(2))
        } else {
            (Outcome::Success, 1, at(1))
        };
        // All in the slot of second 2: the window never goes back.
        handle.settle_weighted(started, outcome, weight, now, &());
        let window = breaker.snapshot(at(2)).window;
        assert!(window.failures == window.slow && window.failures <= window.calls);
        assert!(window.calls < 1 << 21);
    }
    let snapshot = breaker.snapshot(at(2));
    assert_eq!(snapshot.totals.calls, 5_000 * 1_001);
    assert_eq!(
        (snapshot.totals.failures, snapshot.totals.slow),
        (5_000_000, 5_000_000)
    );
    let share = snapshot.window.failures as f64 / snapshot.window.calls as f64;
    assert!((share - 1_000.0 / 1_001.0).abs() < 0.000_1, "{share}");
}

/// W10: windows of calls are one word for all; a handle counts in them as any caller.
#[test]
fn w10_windows_of_calls_count_through_a_handle() {
    for window in [Window::Count(4), Window::Consecutive(4)] {
        let breaker: Breaker<1> = CircuitBreaker::new(config().window(window));
        let handle = breaker.handle().unwrap();
        for _ in 0..3 {
            handle.try_acquire(at(0)).unwrap().failure(at(0));
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.try_acquire(at(0)).unwrap().failure(at(0));
        assert_eq!(breaker.state(), State::Open, "{window:?}");
        let totals = breaker.snapshot(at(0)).totals;
        assert_eq!((totals.calls, totals.failures), (4, 4), "{window:?}");
    }
}

/// Saved and restored, what the handles counted is there.
#[test]
fn w1_saving_takes_what_handles_counted() {
    let breaker: Breaker<1> = CircuitBreaker::new(config());
    let handle = breaker.handle().unwrap();
    for now in [0, 5] {
        handle.try_acquire(at(now)).unwrap().failure(at(now));
    }
    let saved = breaker.save(at(5));
    let mut after: CircuitBreaker = CircuitBreaker::new(config());
    after.restore(&saved, at(5), Nanos::ZERO).unwrap();
    assert_eq!(after.snapshot(at(5)).window, breaker.snapshot(at(5)).window);
    assert_eq!(after.snapshot(at(10)).window.failures, 1);
}
