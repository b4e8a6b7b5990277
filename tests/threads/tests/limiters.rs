//! The limiters among threads that start at one moment.

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, ConcurrencyLimit, FixedWindowRateLimiter,
    KeyedRateLimiter, Nanos, Outcome, Rate, RetryBudget, SlidingCounterRateLimiter,
    SlidingWindowRateLimiter, TokenBucketRateLimiter, WhenFull,
};
use fuseboard_threads::{ROUNDS, together};

const fn at(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

/// Three threads ask twice each, for four places.
fn admitted(ask: impl Fn() -> bool + Sync) -> usize {
    together(3, |_| usize::from(ask()) + usize::from(ask()))
        .into_iter()
        .sum()
}

#[test]
fn r4_l1_l2_exactly_the_burst_is_admitted() {
    for _ in 0..ROUNDS {
        let bucket = TokenBucketRateLimiter::new(Rate::per_second(1), 4);
        assert_eq!(
            admitted(|| bucket.try_acquire(at(500)).is_ok()),
            4,
            "token bucket"
        );
        let log = SlidingWindowRateLimiter::<4>::new(4, at(1_000));
        assert_eq!(
            admitted(|| log.try_acquire(at(500)).is_ok()),
            4,
            "sliding log"
        );
        let counter = SlidingCounterRateLimiter::new(4, at(1_000));
        assert_eq!(
            admitted(|| counter.try_acquire(at(500)).is_ok()),
            4,
            "sliding counter"
        );
        let window = FixedWindowRateLimiter::new(4, at(1_000));
        assert_eq!(
            admitted(|| window.try_acquire(at(500)).is_ok()),
            4,
            "fixed window"
        );
        let keyed = KeyedRateLimiter::<2>::new(Rate::per_second(1), 4, WhenFull::Reject);
        assert_eq!(
            admitted(|| keyed.try_acquire(3, at(500)).is_ok()),
            4,
            "keyed"
        );
    }
}

/// Each thread has its own key, of which the table has room for two.
#[test]
fn r4_l1_keys_that_enter_at_once() {
    for _ in 0..ROUNDS {
        let keyed = KeyedRateLimiter::<2>::new(Rate::per_second(1), 2, WhenFull::Reject);
        let admitted = together(3, |thread| {
            let key = [1, 1, 2][thread];
            (0..2)
                .filter(|_| keyed.try_acquire(key, at(500)).is_ok())
                .count()
        });
        assert_eq!(admitted[0] + admitted[1], 2, "the first key");
        assert_eq!(admitted[2], 2, "the second key");
    }
}

#[test]
fn r4_k1_k2_places() {
    for _ in 0..ROUNDS {
        let places = ConcurrencyLimit::new(2);
        together(3, |_| {
            for _ in 0..2 {
                if places.acquire_raw().is_ok() {
                    assert!(places.in_flight() <= 2, "K1");
                    assert!(places.release_raw(), "K2");
                }
            }
        });
        assert_eq!(places.in_flight(), 0, "K2");
        let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
            .initial_limit(2)
            .max_limit(4)
            .window(at(1))
            .min_samples(1);
        let adaptive = AdaptiveLimit::new(config);
        together(3, |thread| {
            if adaptive.acquire_raw().is_ok() {
                let now = at(10 + thread as u64);
                assert!(adaptive.in_flight() <= 4, "K1");
                assert!(adaptive.release_raw(at(5), Outcome::Success, now), "K2");
            }
        });
        assert_eq!(adaptive.in_flight(), 0, "K2");
        assert!((1..=4).contains(&adaptive.limit()));
    }
}

#[test]
fn r4_w3_retries_are_withdrawn_once() {
    for _ in 0..ROUNDS {
        let budget = RetryBudget::<2>::new(0.5, 0, at(1_000));
        together(2, |_| {
            budget.deposit(at(100));
            budget.deposit(at(100));
        });
        assert_eq!(
            admitted(|| budget.withdraw(at(100)).is_ok()),
            2,
            "four deposits are worth two retries"
        );
    }
}

#[cfg(fuseboard_faults)]
#[test]
fn seeded_faults_are_found() {
    fuseboard_threads::must_be_found(&[
        ("tat_store", "r4_l1_l2_exactly_the_burst_is_admitted"),
        ("log_store", "r4_l1_l2_exactly_the_burst_is_admitted"),
        ("counter_store", "r4_l1_l2_exactly_the_burst_is_admitted"),
        ("window_store", "r4_l1_l2_exactly_the_burst_is_admitted"),
        ("keyed_tat_store", "r4_l1_l2_exactly_the_burst_is_admitted"),
        ("keyed_tat_store", "r4_l1_keys_that_enter_at_once"),
        ("place_not_given_back", "r4_k1_k2_places"),
        ("retry_budget_store", "r4_w3_retries_are_withdrawn_once"),
    ]);
}
