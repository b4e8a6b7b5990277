//! The sliding counter against the formula over a map from window to count.

use fuseboard_core::{Nanos, Reason, SlidingCounterRateLimiter};
use fuseboard_model::sliding_counter::SlidingCounter;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SECOND: u64 = 1_000_000_000;
const NOW_MAX: u64 = (1 << 61) - 1;

fn limiter(limit: u32, window: u64) -> SlidingCounterRateLimiter {
    SlidingCounterRateLimiter::try_new(limit, Nanos::new(window)).expect("good settings")
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/sliding_counter.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l1_l2_l3_l8_l10_l13_agrees_with_the_formula(
        limit in 1_u32..8,
        window in prop_oneof![Just(60_u64), Just(97), Just(100_000), Just(60 * SECOND)],
        steps in prop::collection::vec((0_u8..12, 1_u64..9, any::<u64>()), 1..40),
    ) {
        let limit = limit.min(if window < 100 { 3 } else { 8 });
        let limiter = limiter(limit, window);
        let mut model = SlidingCounter::new(limit.into(), window);
        let mut now = 0_u64;
        for (kind, cost, span) in steps {
            match kind {
                0..6 => {
                    let real = limiter.try_acquire_many(cost as u32, Nanos::new(now));
                    prop_assert_eq!(real.is_ok(), model.acquire(cost, now), "{} at {}", cost, now);
                    if let Err(rejected) = real {
                        prop_assert_eq!(rejected.reason == Reason::Never, cost > model.limit());
                        prop_assert_eq!(rejected.retry_after.is_none(), cost > model.limit());
                        if let Some(wait) = rejected.retry_after.map(Nanos::get) {
                            prop_assert!(!model.admits(cost, now + wait - 1), "early {}", wait);
                            prop_assert!(model.admits(cost, now + wait), "due {}", wait);
                        }
                    }
                }
                6 => {
                    limiter.refund(cost as u32, Nanos::new(now));
                    model.refund(cost, now);
                }
                7 => {
                    let limit = cost.min(limit.into());
                    limiter.set_limit(limit as u32).unwrap();
                    model.set_limit(limit);
                }
                8 => now = now.saturating_sub(span % (2 * window)),
                9 => now = (now + (1 << (span % 60))).min(1 << 60),
                _ => now += span % (window + window / 2),
            }
            let available = u64::from(limiter.available(Nanos::new(now)));
            prop_assert_eq!(available, model.available(now));
        }
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        limit in any::<u32>(),
        window in any::<u64>(),
        shift in 0_u32..64,
        steps in prop::collection::vec((any::<u32>(), any::<u64>()), 1..10),
    ) {
        let window = Nanos::new(window >> shift);
        let Ok(limiter) = SlidingCounterRateLimiter::try_new(limit >> (shift / 2), window) else {
            return Ok(());
        };
        for (cost, now) in steps {
            let _ = limiter.try_acquire_many(cost >> (shift / 2), Nanos::new(now >> 1));
            limiter.refund(cost, Nanos::new(now));
            prop_assert!(limiter.available(Nanos::new(now)) <= limiter.limit());
        }
    }
}

#[test]
fn l8_exact_from_known_numbers() {
    let limiter = limiter(10, SECOND);
    assert!(
        limiter
            .try_acquire_many(10, Nanos::from_millis(900))
            .is_ok()
    );
    // In the same window: at the start of the next all 10 still count; one is gone 100 ms later.
    let rejected = limiter.try_acquire(Nanos::from_millis(950)).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_millis(150)));
    // 10 * 0.05 + 9 + 1 > 10: half a unit counts.
    assert!(
        limiter
            .try_acquire_many(9, Nanos::from_millis(1_950))
            .is_ok()
    );
    let rejected = limiter.try_acquire(Nanos::from_millis(1_950)).unwrap_err();
    assert_eq!(rejected.retry_after, Some(Nanos::from_millis(50)));
}

/// Gaps after which a number of fewer bits would look new.
#[test]
fn w5_l1_no_idle_time_makes_an_old_count_look_new() {
    for windows in [2_u64, 1 << 8, 1 << 16, 1 << 24, 1 << 30, (1 << 31) - 1] {
        let limiter = limiter(3, SECOND);
        assert!(limiter.try_acquire_many(3, Nanos::new(5)).is_ok());
        let later = Nanos::new(windows * SECOND + 5);
        assert_eq!(limiter.available(later), 3, "{windows}");
        // And back again: the latest window has been seen.
        assert!(limiter.try_acquire(later).is_ok());
        assert!(limiter.try_acquire(Nanos::from_secs(1)).is_err());
    }
}

#[test]
fn w4_r6_counts_do_not_touch_at_their_ends() {
    for (window, most) in [
        (SECOND, 65_535),
        (600 * SECOND, 2_097_151),
        (NOW_MAX, i32::MAX as u32),
    ] {
        let limiter = limiter(most, window);
        for limit in [most - 1, most] {
            limiter.set_limit(limit).unwrap();
            limiter.reset();
            assert!(limiter.try_acquire_many(limit, Nanos::ZERO).is_ok());
            assert!(limiter.try_acquire(Nanos::ZERO).is_err());
            assert_eq!(limiter.available(Nanos::new(window - 1)), 0);
            assert_eq!(limiter.available(Nanos::new(window)), 0);
            if window < NOW_MAX {
                assert_eq!(limiter.available(Nanos::new(2 * window)), limit);
            }
        }
        assert_eq!(limiter.set_limit(most + 1).unwrap_err().field(), "limit");
        assert_eq!(limiter.limit(), most);
        let refused = SlidingCounterRateLimiter::try_new(most + 1, Nanos::new(window)).unwrap_err();
        assert_eq!(refused.field(), "limit");
    }
    let refused = |limit, window| {
        SlidingCounterRateLimiter::try_new(limit, Nanos::new(window))
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, SECOND), "limit");
    assert_eq!(refused(1, 0), "window");
    assert_eq!(size_of::<SlidingCounterRateLimiter>(), 24);
}

#[test]
fn l5_l8_t4_at_the_end_of_the_clock_everything_is_denied() {
    let limiter = limiter(2, SECOND);
    assert!(limiter.try_acquire_many(2, Nanos::new(NOW_MAX)).is_ok());
    assert_eq!(
        limiter
            .try_acquire(Nanos::new(NOW_MAX))
            .unwrap_err()
            .retry_after,
        None
    );
    for now in [NOW_MAX + 1, u64::MAX] {
        assert_eq!(
            limiter
                .try_acquire(Nanos::new(now))
                .unwrap_err()
                .retry_after,
            None
        );
        assert_eq!(limiter.available(Nanos::new(now)), 0);
    }
}

#[test]
fn l1_threads_together_get_the_limit_exactly() {
    for _ in 0..50 {
        let limiter = limiter(1_000, SECOND);
        let (admitted, start) = (AtomicU64::new(0), Barrier::new(3));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    start.wait();
                    while limiter.try_acquire(Nanos::from_secs(7)).is_ok() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 1_000);
    }
}
