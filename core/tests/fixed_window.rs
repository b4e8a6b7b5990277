//! The fixed window against a map from window to count.

use fuseboard_core::{FixedWindowRateLimiter, Nanos, Reason};
use fuseboard_model::fixed_window::FixedWindow;
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn limiter(limit: u64, window: u64) -> FixedWindowRateLimiter {
    FixedWindowRateLimiter::try_new(limit, Nanos::new(window)).expect("good settings")
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/fixed_window.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l1_l2_l3_l8_l10_l13_agrees_with_a_map_of_windows(
        limit in 1_u64..6,
        window in prop_oneof![Just(7_u64), 8_u64..1_000, Just(60_000_000_000)],
        steps in prop::collection::vec((0_u8..12, 1_u64..7, any::<u64>()), 1..40),
    ) {
        let limiter = limiter(limit, window);
        let mut model = FixedWindow::new(limit, window);
        let mut now = 0_u64;
        for (kind, cost, span) in steps {
            match kind {
                0..6 => {
                    let real = limiter.try_acquire_many(cost, Nanos::new(now));
                    let real = real.map_err(|rejected| rejected.retry_after.map(Nanos::get));
                    prop_assert_eq!(real, model.acquire(cost, now), "{} at {}", cost, now);
                }
                6 => {
                    limiter.refund(cost, Nanos::new(now));
                    model.refund(cost, now);
                }
                7 => {
                    let limit = cost.min(window - 1);
                    limiter.set_limit(limit).unwrap();
                    model.set_limit(limit);
                }
                8 => now = now.saturating_sub(span % (2 * window)),
                9 => now = (now + (1 << (span % 60))).min(1 << 62),
                _ => now += span % (2 * window),
            }
            let available = limiter.available(Nanos::new(now));
            prop_assert_eq!(available, model.available(now));
        }
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        limit in any::<u64>(),
        window in any::<u64>(),
        steps in prop::collection::vec((any::<u64>(), any::<u64>()), 1..10),
    ) {
        let Ok(limiter) = FixedWindowRateLimiter::try_new(limit, Nanos::new(window)) else {
            return Ok(());
        };
        for (cost, now) in steps {
            if limiter.try_acquire_many(cost, Nanos::new(now)).is_ok() {
                prop_assert!(cost <= limit);
            }
            limiter.refund(now, Nanos::new(cost));
            prop_assert!(limiter.available(Nanos::new(now)) <= limit);
        }
    }
}

/// Gaps after which a tag of fewer bits would look new.
#[test]
fn w5_l1_no_idle_time_makes_an_old_count_look_new() {
    let window = 1_000_000;
    for windows in [
        1,
        2,
        1 << 8,
        1 << 16,
        1 << 24,
        1 << 31,
        1 << 32,
        (1 << 44) - 1,
    ] {
        let limiter = limiter(3, window);
        assert!(limiter.try_acquire_many(3, Nanos::new(5)).is_ok());
        let later = Nanos::new(windows * window + 5);
        assert_eq!(limiter.available(later), 3, "{windows}");
        assert!(limiter.try_acquire_many(3, later).is_ok());
        assert!(limiter.try_acquire(later).is_err());
    }
}

#[test]
fn w4_r6_the_count_keeps_to_its_window() {
    for limit in [1, 8, 9] {
        let limiter = limiter(limit, 10);
        for start in [0, 10, 20] {
            assert!(limiter.try_acquire_many(limit, Nanos::new(start)).is_ok());
            for now in start..start + 10 {
                let rejected = limiter.try_acquire(Nanos::new(now)).unwrap_err();
                assert_eq!(rejected.retry_after, Some(Nanos::new(start + 10 - now)));
            }
        }
    }
    let refused = |limit, window| {
        FixedWindowRateLimiter::try_new(limit, Nanos::new(window))
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, 10), "limit");
    assert_eq!(refused(10, 10), "limit");
    assert_eq!(refused(1, 0), "window");
    let limiter = limiter(9, 10);
    assert_eq!(limiter.set_limit(10).unwrap_err().field(), "limit");
    assert_eq!(limiter.limit(), 9);
    assert_eq!(
        limiter
            .try_acquire_many(10, Nanos::ZERO)
            .unwrap_err()
            .reason,
        Reason::Never
    );
    assert_eq!(size_of::<FixedWindowRateLimiter>(), 24);
}

#[test]
fn l5_l8_t4_the_last_window_of_the_clock_is_cut_off() {
    let limiter = limiter(50, 100);
    // 2^64 - 1 lies 15 ns into its window: so many units have a number.
    assert_eq!(limiter.available(Nanos::MAX), 15);
    assert!(limiter.try_acquire_many(15, Nanos::MAX).is_ok());
    assert_eq!(
        limiter.try_acquire(Nanos::MAX).unwrap_err().retry_after,
        None
    );
    limiter.reset();
    assert_eq!(limiter.available(Nanos::ZERO), 50);
}

#[test]
fn l12_a_lowered_limit_counts_what_was_taken() {
    let limiter = limiter(10, 1_000);
    assert!(limiter.try_acquire_many(8, Nanos::new(1)).is_ok());
    limiter.set_limit(5).unwrap();
    assert_eq!(limiter.available(Nanos::new(2)), 0);
    assert!(limiter.try_acquire(Nanos::new(999)).is_err());
    limiter.set_limit(9).unwrap();
    assert_eq!(limiter.available(Nanos::new(3)), 1);
    assert_eq!(limiter.available(Nanos::new(1_000)), 9);
}

#[test]
fn l1_threads_together_get_the_limit_exactly() {
    for _ in 0..50 {
        let limiter = limiter(1_000, 1_000_000_000);
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
