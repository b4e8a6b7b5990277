//! Being told of changes: once each, and whatever the observer does.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use fuseboard_core::{
    Cause, CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, Settled, State,
    Transition,
};

const SECOND: Nanos = Nanos::from_secs(1);
const MINUTE: Nanos = Nanos::from_secs(60);

fn breaker() -> CircuitBreaker {
    CircuitBreaker::new(
        CircuitBreakerConfig::new()
            .minimum_requests(1)
            .half_open_requests(1)
            .open_timeout(SECOND),
    )
}

#[derive(Default)]
struct Log(RefCell<Vec<Transition>>);

impl Observer for Log {
    fn transition(&self, transition: &Transition) {
        self.0.borrow_mut().push(*transition);
    }
}

/// Takes the breaker through every kind of change, with the state after each.
fn tour(breaker: &CircuitBreaker, observer: &impl Observer) -> Vec<(State, Cause)> {
    let mut changes = Vec::new();
    let mut note = |cause| changes.push((breaker.state(), cause));
    let mut now = Nanos::ZERO;
    let mut later = || {
        now = now.saturating_add(MINUTE);
        now
    };
    let end = |outcome, now| {
        let permit = breaker.acquire(now, observer).expect("admitted");
        breaker.settle(permit, outcome, now, observer)
    };
    end(Outcome::Success, later());
    end(Outcome::Failure, later());
    note(Cause::FailureRate);
    let lost = breaker.acquire(later(), observer).expect("a probe");
    note(Cause::OpenTimeoutElapsed);
    let probe = breaker
        .acquire(later(), observer)
        .expect("the lease is over");
    note(Cause::ProbeLeaseExpired);
    let at = later();
    assert_eq!(
        breaker.settle(lost, Outcome::Failure, at, observer),
        Settled::Stale
    );
    breaker.settle(probe, Outcome::Failure, at, observer);
    note(Cause::ProbeFailed);
    let probe = breaker.acquire(later(), observer).expect("a probe");
    note(Cause::OpenTimeoutElapsed);
    breaker.settle(probe, Outcome::Success, later(), observer);
    note(Cause::ProbesSucceeded);
    breaker.force_open(later(), observer);
    note(Cause::Manual);
    assert!(breaker.acquire(later(), observer).is_err());
    breaker.disable(later(), observer);
    note(Cause::Manual);
    end(Outcome::Failure, later());
    breaker.metrics_only(later(), observer);
    note(Cause::Manual);
    end(Outcome::Failure, later());
    breaker.reset(later(), observer);
    note(Cause::Manual);
    changes
}

#[test]
fn b15_each_change_is_told_once_in_order_and_after_it_is_true() {
    let (breaker, log) = (breaker(), Log::default());
    let changes = tour(&breaker, &log);
    let log = log.0.into_inner();
    assert_eq!(log.len(), changes.len());
    let mut from = State::Closed;
    for (told, (index, (to, cause))) in log.iter().zip(changes.into_iter().enumerate()) {
        assert_eq!((told.from, told.to, told.cause), (from, to, cause));
        assert_eq!(told.generation as usize, index + 1);
        assert!(told.at > Nanos::ZERO);
        from = to;
    }
    assert_eq!(breaker.snapshot(Nanos::ZERO).generation as usize, log.len());
}

#[test]
fn b15_a_reference_and_unit_are_observers_too() {
    let (breaker, log) = (breaker(), Log::default());
    let by_name: &dyn Observer = &log;
    breaker.force_open(SECOND, &by_name);
    breaker.reset(SECOND, &());
    assert_eq!(log.0.borrow().len(), 1);
}

/// Uses the breaker that is telling it, and resets it once.
struct Meddler<'a> {
    breaker: &'a CircuitBreaker,
    told: Cell<u32>,
    resets: Cell<u32>,
    deepest: Cell<u32>,
    depth: Cell<u32>,
}

impl Observer for Meddler<'_> {
    fn transition(&self, transition: &Transition) {
        let breaker = self.breaker;
        self.told.set(self.told.get() + 1);
        self.depth.set(self.depth.get() + 1);
        self.deepest.set(self.deepest.get().max(self.depth.get()));
        // The change is true by now.
        let snapshot = breaker.snapshot(transition.at);
        assert_eq!(breaker.state(), transition.to);
        assert_eq!(snapshot.generation, transition.generation);
        let _ = breaker.check(transition.at);
        if let Ok(permit) = breaker.acquire(transition.at, self) {
            breaker.settle(permit, Outcome::Success, transition.at, self);
        }
        if self.resets.get() > 0 {
            self.resets.set(self.resets.get() - 1);
            breaker.reset(transition.at, self);
        }
        self.depth.set(self.depth.get() - 1);
    }
}

#[test]
fn r7_an_observer_may_call_the_breaker_that_tells_it() {
    for resets in 0..4 {
        let breaker = breaker();
        let meddler = Meddler {
            breaker: &breaker,
            told: Cell::new(0),
            resets: Cell::new(resets),
            deepest: Cell::new(0),
            depth: Cell::new(0),
        };
        // The trip; then a probe, whose telling finds the breaker half-open and full.
        let permit = breaker.acquire(SECOND, &meddler).unwrap();
        assert_eq!(
            breaker.settle(permit, Outcome::Failure, SECOND, &meddler),
            Settled::Recorded
        );
        let permit = breaker.acquire(MINUTE, &meddler).unwrap();
        breaker.settle(permit, Outcome::Success, MINUTE, &meddler);
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(meddler.resets.get(), 0);
        assert_eq!(meddler.deepest.get(), resets.max(1) + u32::from(resets > 0));
        let snapshot = breaker.snapshot(MINUTE);
        // B2, B15: as many tellings as generations, nested ones included.
        assert_eq!(snapshot.generation, meddler.told.get());
        assert_eq!(snapshot.in_flight, 0);
    }
}

struct Panics;

impl Observer for Panics {
    fn transition(&self, _: &Transition) {
        panic!("an observer that panics");
    }
}

#[test]
fn p2_a_panicking_observer_leaves_the_change_made_and_the_breaker_usable() {
    let panics = |operation: &dyn Fn()| {
        assert!(catch_unwind(AssertUnwindSafe(operation)).is_err());
    };
    let breaker = breaker();
    let permit = breaker.acquire(SECOND, &Panics).unwrap();
    panics(&|| {
        breaker.settle(permit, Outcome::Failure, SECOND, &Panics);
    });
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot(SECOND).totals.failures, 1);
    // The probe of the admission that panicked is lost with its permit: the lease brings it back.
    panics(&|| {
        let _ = breaker.acquire(MINUTE, &Panics);
    });
    let snapshot = breaker.snapshot(MINUTE);
    assert_eq!((snapshot.state, snapshot.in_flight), (State::HalfOpen, 1));
    let later = MINUTE.saturating_add(SECOND);
    let probe = breaker.acquire(later, &()).unwrap();
    panics(&|| {
        breaker.settle(probe, Outcome::Success, later, &Panics);
    });
    assert_eq!(breaker.state(), State::Closed);
    panics(&|| breaker.force_open(later, &Panics));
    assert_eq!(breaker.state(), State::ForcedOpen);
    breaker.reset(later, &());
    assert_eq!(tour(&breaker, &()).len(), 10);
}
