//! The sliding log against a list of admissions, and against what it promises of any window.

use fuseboard_core::{Nanos, Reason, SlidingWindowRateLimiter};
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const SECOND: u64 = 1_000_000_000;

/// Every unit that was admitted, by the latest time seen.
struct List {
    limit: usize,
    window: u64,
    times: Vec<u64>,
}

impl List {
    fn admits(&self, cost: usize, now: u64) -> bool {
        let inside = self.times.iter().filter(|&&time| time + self.window > now);
        inside.count() + cost <= self.limit
    }

    fn acquire(&mut self, cost: usize, now: u64) -> Result<(), Option<u64>> {
        if cost > self.limit {
            return Err(None);
        }
        if self.admits(cost, now) {
            let latest = self.times.last().map_or(now, |&last| last.max(now));
            self.times.extend(std::iter::repeat_n(latest, cost));
            return Ok(());
        }
        // By trying: only the moments at which a unit leaves can make a difference.
        let leaves = self.times.iter().map(|&time| time + self.window);
        let free = leaves
            .into_iter()
            .find(|&at| at > now && self.admits(cost, at));
        Err(free.map(|free| free - now))
    }
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/sliding_window.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l1_l2_l3_l8_l9_l10_l13_agrees_with_a_list(
        limit in 1_u32..9,
        window in prop_oneof![Just(1_u64), 2_u64..50, Just(SECOND), Just(3_600 * SECOND)],
        steps in prop::collection::vec((1_u32..10, any::<u64>(), 0_u8..12), 1..60),
    ) {
        let limiter = SlidingWindowRateLimiter::<8>::try_new(limit, Nanos::new(window)).unwrap();
        let mut model = List { limit: limit as usize, window, times: Vec::new() };
        let mut now = 0_u64;
        for (cost, span, kind) in steps {
            now = match kind {
                0 => now.saturating_sub(span % (2 * window)),
                1 => (now + (1 << (span % 60))).min(1 << 61),
                2..6 => now,
                _ => now + span % (window / 2 + 1),
            };
            let real = limiter.try_acquire_many(cost, Nanos::new(now));
            let real = real.map_err(|rejected| rejected.retry_after.map(Nanos::get));
            prop_assert_eq!(real, model.acquire(cost as usize, now), "{} at {}", cost, now);
            let free = (0..=limit).rev().find(|&cost| cost == 0 || model.admits(cost as usize, now));
            prop_assert_eq!(Some(limiter.available(Nanos::new(now))), free);
        }
        // L1, for the list as for the log: any window holds at most the limit.
        let times = &model.times;
        let full = times.iter().zip(times.iter().skip(limit as usize));
        prop_assert!(full.into_iter().all(|(first, next)| next - first >= window));
    }

    #[test]
    fn l5_t4_any_numbers_are_safe(
        limit in any::<u32>(),
        window in any::<u64>(),
        steps in prop::collection::vec((any::<u32>(), any::<u64>()), 1..10),
    ) {
        let window = Nanos::new(window);
        let Ok(limiter) = SlidingWindowRateLimiter::<5>::try_new(limit % 8, window) else {
            return Ok(());
        };
        for (cost, now) in steps {
            let _ = limiter.try_acquire_many(cost % 8, Nanos::new(now));
            prop_assert!(limiter.available(Nanos::new(now)) <= limit % 8);
        }
    }
}

#[test]
fn r6_sizes_and_settings() {
    assert_eq!(size_of::<SlidingWindowRateLimiter<1>>(), 5 * 8);
    assert_eq!(size_of::<SlidingWindowRateLimiter<100>>(), 4 * 8 + 100 * 8);
    let refused = |limit, window| {
        SlidingWindowRateLimiter::<3>::try_new(limit, Nanos::new(window))
            .unwrap_err()
            .field()
    };
    assert_eq!(refused(0, 1), "limit");
    assert_eq!(refused(4, 1), "limit");
    assert_eq!(refused(3, 0), "window");
    let limiter = SlidingWindowRateLimiter::<3>::new(2, Nanos::new(1));
    assert_eq!(
        limiter.try_acquire_many(3, Nanos::ZERO).unwrap_err().reason,
        Reason::Never
    );
    assert!(limiter.try_acquire_many(0, Nanos::ZERO).is_ok());
}

/// R6, W4: index and number of places at their largest.
#[test]
fn r6_w4_the_largest_log_keeps_its_fields_apart() {
    const MOST: u32 = 1_048_575;
    static LOG: SlidingWindowRateLimiter<{ MOST as usize }> =
        SlidingWindowRateLimiter::new(MOST, Nanos::from_secs(1));
    for (turn, cost) in [MOST, MOST - 1, 1, MOST].into_iter().enumerate() {
        let now = Nanos::from_secs(turn as u64 * 2);
        assert!(LOG.try_acquire_many(cost, now).is_ok());
        let left = MOST - cost;
        assert!(LOG.try_acquire_many(left + 1, now).is_err());
        assert!(LOG.try_acquire_many(left, now).is_ok());
        assert!(LOG.try_acquire(now).is_err());
    }
}

#[test]
fn w5_l1_after_any_idle_time_the_log_is_empty() {
    for gap in [
        SECOND - 1,
        SECOND,
        SECOND + 1,
        1 << 31,
        1 << 32,
        1 << 40,
        1 << 62,
    ] {
        let limiter = SlidingWindowRateLimiter::<3>::new(3, Nanos::new(SECOND));
        assert!(limiter.try_acquire_many(3, Nanos::new(7)).is_ok());
        let free = if gap < SECOND { 0 } else { 3 };
        assert_eq!(limiter.available(Nanos::new(7 + gap)), free);
        assert_eq!(
            limiter.try_acquire_many(3, Nanos::new(7 + gap)).is_ok(),
            free == 3
        );
    }
}

#[test]
fn l1_l2_threads_together_get_the_limit_exactly() {
    for _ in 0..30 {
        let limiter = SlidingWindowRateLimiter::<300>::new(300, Nanos::new(SECOND));
        let (admitted, start) = (AtomicU64::new(0), Barrier::new(3));
        for second in 1..10 {
            admitted.store(0, Ordering::Relaxed);
            thread::scope(|scope| {
                for cost in [1, 2, 1] {
                    let (limiter, admitted, start) = (&limiter, &admitted, &start);
                    scope.spawn(move || {
                        start.wait();
                        while limiter
                            .try_acquire_many(cost, Nanos::from_secs(second))
                            .is_ok()
                        {
                            admitted.fetch_add(u64::from(cost), Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(admitted.load(Ordering::Relaxed), 300);
        }
    }
}

/// The clock moves while threads look: a count in no window passes the limit, though their times are old.
#[test]
fn l1_threads_with_a_clock_that_moves() {
    let limiter = SlidingWindowRateLimiter::<4>::new(4, Nanos::new(1_000));
    let (clock, admitted) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..30_000 {
                    let now = clock.fetch_add(3, Ordering::Relaxed);
                    if limiter.try_acquire(Nanos::new(now)).is_ok() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let windows = clock.load(Ordering::Relaxed) / 1_000 + 1;
    assert!(admitted.load(Ordering::Relaxed) <= 4 * windows);
}
