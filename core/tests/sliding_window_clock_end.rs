//! The sliding log at the end of its clock: it fails closed. L1 L5 T4.

use fuseboard_core::{Nanos, Reason, SlidingWindowRateLimiter};

#[test]
fn l1_l5_nothing_more_is_admitted_at_the_end_of_the_clock() {
    let limiter = SlidingWindowRateLimiter::<2>::new(2, Nanos::from_secs(1));
    let last = Nanos::new(u64::MAX - 1);
    assert!(limiter.try_acquire_many(2, last).is_ok());
    for now in [last, Nanos::MAX] {
        for _ in 0..5 {
            let rejected = limiter.try_acquire(now).expect_err("used up");
            assert_eq!(
                (rejected.reason, rejected.retry_after),
                (Reason::Limited, None)
            );
        }
        assert_eq!(limiter.available(now), 0);
    }
}

#[test]
fn t4_both_ends_of_the_clock_are_legal() {
    let limiter = SlidingWindowRateLimiter::<1>::new(1, Nanos::new(1));
    assert!(limiter.try_acquire(Nanos::ZERO).is_ok());
    assert!(limiter.try_acquire(Nanos::ZERO).is_err());
    assert!(limiter.try_acquire(Nanos::new(1)).is_ok());
    assert!(limiter.try_acquire(Nanos::MAX).is_err());
    assert!(limiter.try_acquire(Nanos::new(u64::MAX - 1)).is_ok());
}
