//! The limiters' handles. Time stands in a manual clock.

use fuseboard::{
    ConcurrencyLimit, ManualClock, Nanos, Rate, Reason, SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
};
use std::time::Duration;

#[test]
fn l2_a_full_bucket_admits_exactly_its_burst() {
    let clock = ManualClock::default();
    let limiter = TokenBucketRateLimiter::with_clock(Rate::per_second(10), 3, clock).unwrap();
    for _ in 0..3 {
        assert!(limiter.try_acquire().is_ok());
    }
    let rejected = limiter.clone().try_acquire().unwrap_err();
    assert_eq!(rejected.reason, Reason::Limited);
    assert_eq!(rejected.retry_after, Some(Nanos::from_millis(100)));
    limiter.clock().advance(Nanos::from_millis(100));
    assert!(limiter.try_acquire().is_ok());
}

#[test]
fn l10_several_tokens_are_all_or_none_and_can_be_given_back() {
    let clock = ManualClock::default();
    let limiter = TokenBucketRateLimiter::with_clock(Rate::per_second(10), 3, clock).unwrap();
    assert!(limiter.try_acquire_many(2).is_ok());
    assert!(limiter.try_acquire_many(2).is_err());
    assert_eq!(limiter.available(), 1);
    limiter.refund(2);
    assert_eq!(limiter.available(), 3);
    assert_eq!(
        limiter.try_acquire_many(4).unwrap_err().reason,
        Reason::Never
    );
}

#[test]
fn a_sliding_window_forgets_exactly_what_is_out_of_it() {
    let clock = ManualClock::new(Nanos::from_secs(1));
    let limiter =
        SlidingWindowRateLimiter::<4, _>::with_clock(2, Duration::from_secs(1), clock).unwrap();
    assert!(limiter.try_acquire().is_ok());
    limiter.clock().advance(Nanos::from_millis(600));
    assert!(limiter.try_acquire().is_ok());
    assert!(limiter.try_acquire().is_err());
    assert_eq!(limiter.available(), 0);
    limiter.clock().advance(Nanos::from_millis(400));
    assert!(limiter.try_acquire().is_ok());
    assert!(limiter.try_acquire().is_err());
}

#[test]
fn k2_a_concurrency_permit_gives_its_place_back_wherever_it_is_dropped() {
    let limit = ConcurrencyLimit::new(2);
    let first = limit.try_acquire().unwrap();
    let second = limit.try_acquire().unwrap();
    assert_eq!(limit.try_acquire().unwrap_err().reason, Reason::Full);
    std::thread::spawn(move || drop(first)).join().unwrap();
    assert_eq!(limit.in_flight(), 1);
    drop(second);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn k4_the_limit_may_change_under_its_permits() {
    let limit = ConcurrencyLimit::new(2);
    let held = (limit.try_acquire().unwrap(), limit.try_acquire().unwrap());
    limit.set_limit(1).unwrap();
    drop(held.0);
    assert!(limit.try_acquire().is_err());
    limit.set_limit(3).unwrap();
    assert!(limit.try_acquire().is_ok());
    assert_eq!(limit.limit(), 3);
}

#[test]
fn bad_settings_are_named() {
    assert_eq!(ConcurrencyLimit::try_new(0).unwrap_err().field(), "limit");
    let none = TokenBucketRateLimiter::try_new(Rate::per_second(1), 0).unwrap_err();
    assert_eq!(none.field(), "burst");
    let many = SlidingWindowRateLimiter::try_new(1_025, Duration::from_secs(1)).unwrap_err();
    assert_eq!(many.field(), "limit");
}
