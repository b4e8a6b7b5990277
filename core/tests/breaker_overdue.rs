//! Calls in flight past the slow limit: `count_overdue`.

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, ConfigError, Nanos, Outcome, RawPermit, Settled, State,
    Window,
};

const SECOND: Nanos = Nanos::from_secs(1);

const fn at(seconds: u64) -> Nanos {
    Nanos::from_secs(seconds)
}

const fn config() -> CircuitBreakerConfig {
    CircuitBreakerConfig::new()
        .slow_call_duration(Some(SECOND))
        .count_overdue(true)
        .minimum_requests(2)
}

fn refused(config: CircuitBreakerConfig) -> ConfigError {
    CircuitBreaker::<10>::try_new(config).expect_err("a bad configuration")
}

#[test]
fn r6_count_overdue_needs_a_limit_and_a_longer_window_of_time() {
    let error = refused(CircuitBreakerConfig::new().count_overdue(true));
    assert_eq!(error.field(), "count_overdue");
    for window in [Window::Count(10), Window::Consecutive(3)] {
        let error = refused(config().window(window));
        assert_eq!(error.field(), "count_overdue", "{error}");
    }
    // Ten slots of a second: one that is overdue after just under nine is still in the window.
    let most = Nanos::new(at(9).get() - 1);
    let limit = |limit| config().slow_call_duration(Some(limit));
    assert!(CircuitBreaker::<10>::try_new(limit(most)).is_ok());
    let error = refused(limit(at(9)));
    assert_eq!(error.field(), "slow_call_duration");
    assert_eq!(
        error.to_string(),
        "slow_call_duration is 9s; allowed: less than the window without one slot, when `count_overdue` is on; \
         make the window longer"
    );
    let one_slot = Window::Time {
        length: at(10),
        slots: 1,
    };
    assert!(CircuitBreaker::<10>::try_new(config().window(one_slot)).is_err());
}

/// Looking tells what asking would, also where the state that would begin has a later moment than `now`.
#[test]
fn o2_t1_check_and_acquire_agree_after_the_clock_went_back() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config());
    // Generation 1 begins late, so generation 3, which shares its word of moments, does not begin before.
    breaker.force_open(at(100), &());
    breaker.reset(SECOND, &());
    for _ in 0..3 {
        let _held = breaker.acquire(SECOND, &()).expect("closed");
    }
    let looked = breaker.check(at(5)).expect_err("overdue");
    let asked = breaker.acquire(at(5), &()).expect_err("overdue");
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(looked, asked);
    assert!(looked.retry_after > Some(at(100)), "{looked:?}");
}

#[test]
fn r6_count_overdue_is_part_of_the_running_breaker() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config());
    let error = breaker
        .configure(config().count_overdue(false))
        .unwrap_err();
    assert_eq!(error.field(), "count_overdue");
    // Its limit is not.
    let longer = config().slow_call_duration(Some(at(3)));
    breaker.configure(longer).unwrap();
    let hung = [(); 2].map(|()| breaker.acquire(at(0), &()).unwrap());
    assert!(breaker.try_acquire(Nanos::new(at(4).get() - 1)).is_ok());
    assert!(breaker.try_acquire(at(4)).is_err());
    assert_eq!(
        hung.map(|permit| breaker.settle(permit, Outcome::Success, at(4), &())),
        [Settled::Stale; 2]
    );
}

/// W4: as many calls in flight as the field holds, one less and one more: the surplus is not watched, nothing wraps.
#[test]
fn w4_calls_in_flight_stop_at_the_end_of_their_field() {
    const MOST: u64 = (1 << 21) - 1;
    let breaker: CircuitBreaker = CircuitBreaker::new(config().minimum_requests(1_000_000));
    let permits: Vec<RawPermit> = (0..MOST + 2)
        .map(|_| breaker.acquire(at(0), &()).expect("closed"))
        .collect();
    let now = at(2);
    assert_eq!(breaker.snapshot(now).overdue, MOST);
    // The last two were not counted, so they take nothing away.
    for permit in permits.iter().skip(MOST as usize) {
        assert_eq!(breaker.cancel(*permit, &()), Settled::Recorded);
    }
    assert_eq!(breaker.snapshot(now).overdue, MOST);
    for permit in permits.iter().take(MOST as usize) {
        assert_eq!(breaker.cancel(*permit, &()), Settled::Recorded);
    }
    let snapshot = breaker.snapshot(now);
    assert_eq!((snapshot.overdue, snapshot.window.slow), (0, 0));
}

/// W4: slow calls are halved when their field is half full; the calls in flight beside them stay.
#[test]
fn w4_halving_slow_calls_leaves_the_calls_in_flight() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config().slow_call_threshold(1.0));
    breaker.metrics_only(at(0), &());
    let hung = [(); 3].map(|()| breaker.acquire(at(0), &()).unwrap());
    let started = hung[0].to_words();
    // A slow failure of the greatest weight, over and over, from a permit of the same slot that is not watched.
    let [head, _] = started;
    let slow = RawPermit::from_words([head & !7 | 1, 0]).unwrap();
    let now = Nanos::new(2 * SECOND.get());
    let late = breaker.acquire(now, &()).unwrap();
    for _ in 0..2_200 {
        breaker.settle_weighted(slow, Outcome::Failure, 1_000, now, &());
    }
    let snapshot = breaker.snapshot(now);
    assert!(snapshot.window.slow > 1 << 20 && snapshot.window.slow < 1 << 21);
    assert_eq!(snapshot.overdue, 3);
    // The slot in which the slow calls ended is the one of `late`.
    assert_eq!(breaker.snapshot(at(4)).overdue, 4);
    assert_eq!(breaker.cancel(late, &()), Settled::Recorded);
    assert_eq!(breaker.snapshot(at(4)).overdue, 3);
}

/// W5: after any gap nothing in flight is counted that began before the window, and no permit takes another's place.
#[test]
fn w5_calls_in_flight_leave_with_their_slot() {
    for gap in [10, 11, 19, 20, 1 << 10, 10 << 10, 1 << 31, 1 << 33] {
        let breaker: CircuitBreaker = CircuitBreaker::new(config().minimum_requests(100));
        let lost = breaker.acquire(at(0), &()).unwrap();
        assert_eq!(breaker.snapshot(at(9)).overdue, 1);
        assert_eq!(breaker.snapshot(at(gap)).overdue, 0, "{gap}");
        let hung = breaker.acquire(at(gap), &()).unwrap();
        assert_eq!(breaker.cancel(lost, &()), Settled::Recorded);
        assert_eq!(breaker.snapshot(at(gap + 2)).overdue, 1, "{gap}");
        assert_eq!(breaker.cancel(hung, &()), Settled::Recorded);
        assert_eq!(breaker.snapshot(at(gap + 2)).overdue, 0, "{gap}");
    }
}

/// B9: looking is not judging.
#[test]
fn b9_check_says_what_acquire_does_and_changes_nothing() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config());
    let _hung = [(); 2].map(|()| breaker.acquire(at(0), &()).unwrap());
    assert!(breaker.check(at(1)).is_ok());
    let rejected = breaker.check(at(2)).unwrap_err();
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.acquire(at(2), &()).unwrap_err(), rejected);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot(at(2)).overdue, 0);
}

/// W1: a decaying window weighs a call in flight as it weighs one that ended.
#[test]
fn w1_decay_weighs_calls_in_flight() {
    let config = config().window(Window::Decay { half_life: at(10) });
    let breaker: CircuitBreaker = CircuitBreaker::new(config.minimum_requests(1_000));
    for _ in 0..64 {
        let _hung = breaker.acquire(at(0), &()).unwrap();
    }
    // Slots of five seconds: overdue a second after the first one ended, then half of it after each two.
    for (second, overdue) in [(5, 0), (6, 45), (10, 32), (20, 16), (40, 4), (50, 0)] {
        assert_eq!(breaker.snapshot(at(second)).overdue, overdue, "{second}");
    }
}

/// B12, saved: calls in flight are nobody's after a restart.
#[test]
fn b12_a_restored_breaker_watches_from_new() {
    let breaker: CircuitBreaker = CircuitBreaker::new(config());
    let hung = breaker.acquire(at(0), &()).unwrap();
    let saved = breaker.save(at(3));
    let mut after: CircuitBreaker = CircuitBreaker::new(config());
    after.restore(&saved, at(3), Nanos::ZERO).unwrap();
    assert_eq!(after.snapshot(at(3)).overdue, 0);
    assert_eq!(after.cancel(hung, &()), Settled::Stale);
    let _hung = [(); 2].map(|()| after.acquire(at(3), &()).unwrap());
    assert!(after.try_acquire(at(5)).is_err());
    // A breaker that does not watch has another shape.
    let mut other: CircuitBreaker = CircuitBreaker::new(config().count_overdue(false));
    assert!(other.restore(&saved, at(3), Nanos::ZERO).is_err());
}

/// T4, O2: at the end of the clock an opening has no time left. Looking says so too, also while a ramp would reject.
#[test]
fn o2_t4_check_at_the_end_of_the_clock() {
    let before_end = |seconds| Nanos::new(u64::MAX - at(seconds).get());
    let config = config().half_open_requests(1).open_timeout(SECOND);
    let breaker: CircuitBreaker = CircuitBreaker::new(config.ramp_up(at(100)));
    for _ in 0..2 {
        breaker
            .try_acquire(before_end(60))
            .unwrap()
            .failure(before_end(60));
    }
    breaker
        .try_acquire(before_end(50))
        .unwrap()
        .success(before_end(50));
    let hung: Vec<_> = (0..40)
        .filter_map(|_| breaker.acquire(before_end(8), &()).ok())
        .collect();
    assert!(hung.len() >= 2, "the ramp admits some");
    let end = Nanos::MAX;
    // Whatever credit the ramp has left, both agree.
    for _ in 0..20 {
        let looked = breaker.check(end);
        assert_eq!(breaker.acquire(end, &()).err(), looked.err());
    }
    assert_ne!(breaker.state(), State::Closed);
}
