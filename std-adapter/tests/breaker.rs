//! The breaker's handle: verdicts, manual verbs, permits, listeners. Time stands in a manual clock.

use fuseboard::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState, ManualClock, Nanos,
    Outcome, Reason, Settled, Window,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Breaker = CircuitBreaker<ManualClock>;

/// Opens at the second failure, for 30 s; one probe decides.
fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        window: Some(Window::Consecutive(2)),
        half_open_requests: 1,
        ..Default::default()
    }
}

fn breaker(config: CircuitBreakerConfig) -> Breaker {
    CircuitBreaker::with_clock("test", config, ManualClock::default()).unwrap()
}

fn fail(breaker: &Breaker) -> Result<(), CircuitBreakerError<&'static str>> {
    breaker.call_blocking(|| Err("no"))
}

fn opened() -> Breaker {
    let breaker = breaker(config());
    for _ in 0..2 {
        assert_eq!(
            fail(&breaker),
            Err(CircuitBreakerError::OperationFailed("no"))
        );
    }
    breaker
}

#[test]
fn b7_it_opens_says_when_to_come_back_and_lets_a_probe_through_then() {
    let breaker = opened();
    assert_eq!(breaker.state(), CircuitState::Open);
    breaker.clock().advance(Nanos::from_secs(10));
    let error = fail(&breaker).unwrap_err();
    assert!(matches!(
        error,
        CircuitBreakerError::CircuitOpen {
            reason: Reason::Open,
            ..
        }
    ));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));

    breaker.clock().advance(Nanos::from_secs(20));
    let probe = breaker.try_acquire().unwrap();
    assert!(matches!(
        fail(&breaker),
        Err(CircuitBreakerError::TooManyHalfOpenRequests { .. })
    ));
    assert_eq!(probe.success(), Settled::Recorded);
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn a_rejected_operation_is_not_run() {
    let breaker = opened();
    let result = breaker.call_blocking(|| -> Result<(), ()> { unreachable!("it is open") });
    assert!(result.unwrap_err().is_rejected());
}

#[test]
fn clones_are_handles_of_one_breaker() {
    let breaker = breaker(config());
    let clone = breaker.clone();
    assert!(fail(&breaker).is_err());
    assert!(fail(&clone).is_err());
    assert_eq!(
        (breaker.state(), clone.state()),
        (CircuitState::Open, CircuitState::Open)
    );
    assert_eq!(clone.name(), "test");
}

#[test]
fn p4_a_permit_outlives_its_handle_and_settles_on_another_thread() {
    let breaker = breaker(config());
    let seen = breaker.clone();
    let permit = breaker.try_acquire().unwrap();
    drop(breaker);
    let settled = std::thread::spawn(move || permit.failure()).join().unwrap();
    assert_eq!(settled, Settled::Recorded);
    assert_eq!(seen.snapshot().totals.failures, 1);
}

#[test]
fn b5_a_late_permit_changes_nothing() {
    let breaker = opened();
    breaker.reset();
    let late = breaker.try_acquire().unwrap();
    breaker.reset();
    assert_eq!(late.failure(), Settled::Stale);
    assert_eq!(breaker.stats().failures, 0);
}

#[test]
fn p3_a_dropped_permit_gives_its_place_back() {
    let breaker = opened();
    breaker.clock().advance(Nanos::from_secs(30));
    for _ in 0..5 {
        drop(breaker.try_acquire().unwrap());
        assert_eq!(breaker.snapshot().in_flight, 0);
    }
    assert_eq!(breaker.try_acquire().unwrap().ignore(), Settled::Recorded);
    assert_eq!(breaker.state(), CircuitState::HalfOpen);
}

#[test]
fn p2_a_panicking_operation_gives_its_place_back() {
    let breaker = opened();
    breaker.clock().advance(Nanos::from_secs(30));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        breaker.call_blocking(|| -> Result<(), ()> { panic!("on purpose") })
    }));
    assert!(panicked.is_err());
    assert_eq!(breaker.snapshot().in_flight, 0);
    assert!(breaker.call_blocking(|| Ok::<_, ()>(())).is_ok());
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn the_classification_decides_not_the_variant() {
    let breaker = breaker(config());
    for _ in 0..5 {
        let result = breaker.call_blocking_with(|| Err::<(), _>(404), |_| Outcome::Success);
        assert_eq!(result, Err(CircuitBreakerError::OperationFailed(404)));
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
    for _ in 0..2 {
        let result = breaker.call_blocking_with(|| Ok::<_, ()>("degraded"), |_| Outcome::Failure);
        assert_eq!(result, Ok("degraded"));
    }
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn stats_are_the_windows_counts() {
    let breaker = breaker(CircuitBreakerConfig::default());
    for _ in 0..3 {
        breaker.call_blocking(|| Ok::<_, ()>(())).unwrap();
    }
    assert!(fail(&breaker).is_err());
    let stats = breaker.stats();
    assert_eq!((stats.calls, stats.failures), (4, 1));
    assert!((stats.failure_rate() - 0.25).abs() < f64::EPSILON);
    breaker.clock().advance(Nanos::from_secs(11));
    assert_eq!(breaker.stats().calls, 0);
}

#[test]
fn slow_calls_open_it() {
    let breaker = breaker(CircuitBreakerConfig {
        minimum_requests: 2,
        slow_call_duration: Some(Duration::from_secs(1)),
        ..Default::default()
    });
    for _ in 0..2 {
        let slow = breaker.call_blocking(|| {
            breaker.clock().advance(Nanos::new(1_000_000_001));
            Ok::<_, ()>(())
        });
        assert!(slow.is_ok());
    }
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn b13_the_manual_verbs() {
    let breaker = breaker(config());
    breaker.force_open();
    let error = fail(&breaker).unwrap_err();
    assert!(matches!(
        error,
        CircuitBreakerError::CircuitOpen {
            reason: Reason::ForcedOpen,
            ..
        }
    ));
    assert_eq!(error.retry_after(), None);
    breaker.metrics_only();
    for _ in 0..5 {
        assert!(!fail(&breaker).unwrap_err().is_rejected());
    }
    assert_eq!(breaker.state(), CircuitState::MetricsOnly);
    breaker.disable();
    assert!(!fail(&breaker).unwrap_err().is_rejected());
    breaker.reset();
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[test]
fn configure_keeps_the_state_and_refuses_another_window() {
    let breaker = opened();
    let longer = CircuitBreakerConfig {
        open_timeout: Duration::from_secs(60),
        ..config()
    };
    breaker.configure(longer).unwrap();
    assert_eq!(breaker.state(), CircuitState::Open);
    assert_eq!(breaker.snapshot().retry_after, Some(Nanos::from_secs(60)));
    let error = breaker
        .configure(CircuitBreakerConfig::default())
        .unwrap_err();
    assert_eq!(error.field(), "window");
}

#[test]
fn a_bad_setting_panics_with_name_field_and_range() {
    let config = CircuitBreakerConfig {
        failure_threshold: 0.0,
        ..Default::default()
    };
    assert_eq!(
        CircuitBreaker::try_new("x", config).unwrap_err().field(),
        "failure_threshold"
    );
    let panic = catch_unwind(|| CircuitBreaker::new("payments", config)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains("payments") && text.contains("failure_threshold"),
        "{text}"
    );
}

#[test]
fn b15_listeners_hear_each_change_once_in_order() {
    let breaker = breaker(config());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&heard);
    breaker.on_transition(move |change| record.lock().unwrap().push((change.from, change.to)));
    for _ in 0..2 {
        assert!(fail(&breaker).is_err());
    }
    breaker.clock().advance(Nanos::from_secs(30));
    breaker.call_blocking(|| Ok::<_, ()>(())).unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        [
            (CircuitState::Closed, CircuitState::Open),
            (CircuitState::Open, CircuitState::HalfOpen),
            (CircuitState::HalfOpen, CircuitState::Closed),
        ]
    );
}

#[test]
fn a_panicking_listener_reaches_neither_the_caller_nor_the_next_listener() {
    let breaker = breaker(config());
    let heard = Arc::new(Mutex::new(0));
    let count = Arc::clone(&heard);
    breaker.on_transition(|_| panic!("on purpose"));
    breaker.on_transition(move |_| *count.lock().unwrap() += 1);
    for _ in 0..2 {
        assert_eq!(
            fail(&breaker),
            Err(CircuitBreakerError::OperationFailed("no"))
        );
    }
    assert_eq!(*heard.lock().unwrap(), 1);
}

#[test]
fn a_listener_may_panic_while_its_thread_already_does() {
    struct FailsWhenDropped(Breaker);
    impl Drop for FailsWhenDropped {
        fn drop(&mut self) {
            let _ = fail(&self.0);
        }
    }

    let breaker = breaker(config());
    breaker.on_transition(|_| panic!("a listener, on purpose"));
    assert!(fail(&breaker).is_err());
    let guard = FailsWhenDropped(breaker.clone());
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _guard = guard;
        panic!("a caller, on purpose");
    }));
    assert!(unwound.is_err());
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn a_listener_may_use_the_breaker_and_add_listeners() {
    let breaker = breaker(config());
    let handle = breaker.clone();
    breaker.on_transition(move |change| {
        if change.to == CircuitState::Open {
            handle.on_transition(|_| {});
            handle.reset();
        }
    });
    for _ in 0..2 {
        assert!(fail(&breaker).is_err());
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
}
