use crate::now;
use fuseboard::{
    CircuitBreaker, CircuitBreakerConfig, FallbackService, LastGood, ManualClock, Nanos,
};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn the_answer_that_was_stored_longest_ago_makes_room() {
    let seen = LastGood::new(2, Duration::from_secs(60)).unwrap();
    seen.store("a", 1);
    seen.store("b", 2);
    seen.store("a", 3);
    seen.store("c", 4);
    assert_eq!(
        [seen.last(&"a"), seen.last(&"b"), seen.last(&"c")],
        [Some(3), None, Some(4)]
    );
}

#[test]
fn an_answer_is_good_for_so_long() {
    struct Shared(Arc<ManualClock>);
    impl fuseboard::Clock for Shared {
        fn now(&self) -> Nanos {
            self.0.now()
        }
    }
    let clock = Arc::new(ManualClock::default());
    let seen =
        LastGood::with_clock(2, Duration::from_secs(60), Shared(Arc::clone(&clock))).unwrap();
    seen.store("a", 1);
    clock.advance(Nanos::from_secs(60));
    assert_eq!(seen.last(&"a"), Some(1));
    clock.advance(Nanos::new(1));
    assert_eq!(seen.last(&"a"), None);
}

#[test]
fn it_stands_in_for_a_service_that_fails_with_what_that_said_last() {
    let is_up = Mutex::new(Cell::new(true));
    let service = |id: u32| {
        let is_up = is_up.lock().unwrap().get();
        async move { if is_up { Ok(id * 2) } else { Err("down") } }
    };
    let breaker = CircuitBreaker::new("doubles", CircuitBreakerConfig::default());
    let seen = LastGood::new(9, Duration::from_secs(60)).unwrap();
    let service = FallbackService::new(service, seen, breaker);
    assert_eq!(now(service.call(4)), Ok(8));
    is_up.lock().unwrap().set(false);
    assert_eq!(now(service.call(4)), Ok(8));
    // What was never answered has no last answer: the error is the service's own.
    assert_eq!(now(service.call(5)).unwrap_err().into_inner(), Some("down"));
}
