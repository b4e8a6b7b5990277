//! Guarded futures: dropped or panicking at any point, the permit is given back once.

use fuseboard::{
    CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState, ManualClock, Nanos,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

type Breaker = CircuitBreaker<ManualClock>;

/// Pending so many times, then over.
struct Steps<T> {
    left: u32,
    end: Option<T>,
}

impl<T: Unpin> Future for Steps<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        if self.left == 0 {
            return Poll::Ready(self.end.take().expect("polled after its end"));
        }
        self.left -= 1;
        Poll::Pending
    }
}

fn steps<T: Unpin>(left: u32, end: T) -> Steps<T> {
    Steps {
        left,
        end: Some(end),
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A breaker whose open time is over: the next call is its only probe.
fn about_to_probe() -> Breaker {
    let config = CircuitBreakerConfig {
        minimum_requests: 1,
        half_open_requests: 1,
        ..Default::default()
    };
    let breaker = CircuitBreaker::with_clock("test", config, ManualClock::default()).unwrap();
    assert!(breaker.call_blocking(|| Err::<(), _>(())).is_err());
    breaker.clock().advance(Nanos::from_secs(30));
    breaker
}

#[test]
fn p6_dropped_after_any_number_of_polls_the_probe_place_is_free_again() {
    const POLLS: u32 = 8;
    for polls in 0..=POLLS {
        let breaker = about_to_probe();
        {
            let mut call = pin!(breaker.call(steps(POLLS, Ok::<_, ()>(()))));
            for _ in 0..polls {
                assert!(poll(call.as_mut()).is_pending());
            }
            let held = u32::from(polls > 0);
            assert_eq!(breaker.snapshot().in_flight, held, "after {polls} polls");
        }
        let snapshot = breaker.snapshot();
        assert_eq!(snapshot.in_flight, 0, "dropped after {polls} polls");
        assert_eq!(snapshot.totals.ignored, u64::from(polls > 0));
        assert_eq!(
            (snapshot.totals.calls, snapshot.totals.failures),
            (1, 1),
            "neutral"
        );

        // The place is really there: the next call takes it and decides.
        assert_eq!(
            poll(pin!(breaker.call(steps(0, Ok::<_, ()>(7))))),
            Poll::Ready(Ok(7))
        );
        assert_eq!(breaker.state(), CircuitState::Closed);
    }
}

#[test]
fn p1_a_finished_call_is_settled_once_and_its_drop_changes_nothing() {
    let breaker = about_to_probe();
    {
        let mut call = pin!(breaker.call(steps(2, Err::<(), _>("no"))));
        assert!(poll(call.as_mut()).is_pending());
        assert!(poll(call.as_mut()).is_pending());
        let failed = CircuitBreakerError::OperationFailed("no");
        assert_eq!(poll(call.as_mut()), Poll::Ready(Err(failed)));
        assert_eq!(breaker.state(), CircuitState::Open);
    }
    let totals = breaker.snapshot().totals;
    assert_eq!(totals.ignored, 0);
    assert_eq!(breaker.state(), CircuitState::Open);
}

#[test]
fn p2_a_panic_at_any_poll_gives_the_place_back() {
    for at in 0..4 {
        let breaker = about_to_probe();
        let left = Cell::new(at);
        let operation = std::future::poll_fn(|_| -> Poll<Result<(), ()>> {
            assert_ne!(left.get(), 0, "on purpose");
            left.set(left.get() - 1);
            Poll::Pending
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut call = pin!(breaker.call(operation));
            loop {
                let _ = poll(call.as_mut());
            }
        }));
        assert!(panicked.is_err());
        assert_eq!(breaker.snapshot().in_flight, 0, "panic at poll {at}");
        assert_eq!(breaker.state(), CircuitState::HalfOpen);
    }
}

#[test]
fn p2_a_panic_in_the_classification_gives_the_place_back() {
    let breaker = about_to_probe();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let call = breaker.call_with(steps(0, Ok::<_, ()>(())), |_| panic!("on purpose"));
        let _ = poll(pin!(call));
    }));
    assert!(panicked.is_err());
    assert_eq!(breaker.snapshot().in_flight, 0);
}

#[test]
fn the_place_is_free_only_when_the_operation_is_gone() {
    struct Watches<'a>(&'a Breaker, &'a Cell<Option<u32>>);
    impl Drop for Watches<'_> {
        fn drop(&mut self) {
            self.1.set(Some(self.0.snapshot().in_flight));
        }
    }
    let breaker = about_to_probe();
    let seen = Cell::new(None);
    {
        let watches = Watches(&breaker, &seen);
        let operation = async {
            let _watches = watches;
            std::future::pending::<Result<(), ()>>().await
        };
        assert!(poll(pin!(breaker.call(operation))).is_pending());
    }
    assert_eq!(seen.get(), Some(1));
    assert_eq!(breaker.snapshot().in_flight, 0);
}

#[test]
fn a_rejected_call_does_not_poll_its_operation() {
    let breaker = about_to_probe();
    breaker.force_open();
    let operation = std::future::poll_fn(|_| -> Poll<Result<(), ()>> { unreachable!() });
    match poll(pin!(breaker.call(operation))) {
        Poll::Ready(Err(error)) => assert!(error.is_rejected()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guarded_future_is_send_where_its_operation_is() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let breaker = CircuitBreaker::new("test", CircuitBreakerConfig::default());
    drop(send(breaker.call(steps(0, Ok::<_, ()>(())))));
    drop(send(async {
        breaker.call(steps(0, Ok::<_, ()>(()))).await
    }));
}
