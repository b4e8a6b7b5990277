//! The retry budget against a plain list of deposits and withdrawals.

use fuseboard_core::{Nanos, Reason, RetryBudget};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const SLOT: u64 = 1_000_000_000;

fn inside(times: &[u64], now: u64, slots: u64) -> u64 {
    times
        .iter()
        .filter(|&&at| now / SLOT - at / SLOT < slots)
        .count() as u64
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn l1_l2_l8_w5_as_the_sequential_model(
        tenths in 0_u32..15,
        minimum in 0_u32..3,
        events in prop::collection::vec((any::<bool>(), 0_u64..1_500, 0_u32..100), 1..80),
    ) {
        prop_assume!(tenths + minimum > 0);
        let slots = 3;
        let budget = RetryBudget::<3>::new(
            f64::from(tenths) / 10.0,
            minimum,
            Nanos::new(slots * SLOT),
        );
        let (mut deposits, mut spent) = (vec![], vec![]);
        let mut now = 0_u64;
        let left = |deposits: &[u64], spent: &[u64], now| {
            let free = u64::from(minimum) * slots;
            let allowed = free + inside(deposits, now, slots) * u64::from(tenths) / 10;
            allowed.saturating_sub(inside(spent, now, slots))
        };
        for (deposits_one, gap, jump) in events {
            now += gap * 1_000_000 / 4 + match jump {
                0 => (1 << 27) * SLOT,
                1 => slots * SLOT,
                2 => (slots - 1) * SLOT,
                _ => 0,
            };
            let at = Nanos::new(now);
            prop_assert_eq!(budget.available(at), left(&deposits, &spent, now));
            if deposits_one {
                budget.deposit(at);
                deposits.push(now);
                continue;
            }
            match budget.withdraw(at) {
                Ok(()) => {
                    prop_assert!(left(&deposits, &spent, now) > 0);
                    spent.push(now);
                }
                Err(rejected) => {
                    prop_assert_eq!(left(&deposits, &spent, now), 0);
                    prop_assert_eq!(rejected.reason, Reason::Limited);
                    // Honest: denied before, admitted then, if nothing else happens.
                    let next = (now / SLOT + 1..=now / SLOT + slots)
                        .map(|tick| tick * SLOT)
                        .find(|&at| left(&deposits, &spent, at) > 0);
                    let expected = next.map(|at| Nanos::new(at - now));
                    prop_assert_eq!(rejected.retry_after, expected);
                    if let Some(next) = next {
                        prop_assert_eq!(budget.available(Nanos::new(next - 1)), 0);
                        prop_assert!(budget.available(Nanos::new(next)) > 0);
                    }
                }
            }
        }
    }
}

fn config() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/retry_budget.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}

/// Four threads, with time that moves between them: never more retries than the budget of the time that passed.
#[test]
fn l1_threads_never_overdraw() {
    static BUDGET: RetryBudget<4> = RetryBudget::new(0.0, 50, Nanos::from_secs(4));
    const SECONDS: u64 = 40;
    let now = AtomicU64::new(0);
    let taken: Vec<AtomicU64> = (0..SECONDS).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = now.fetch_add(1_000_000, Ordering::Relaxed);
                    let Some(slot) = taken.get((at / SLOT) as usize) else {
                        return;
                    };
                    if BUDGET.withdraw(Nanos::new(at)).is_ok() {
                        slot.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let taken: Vec<u64> = taken.into_iter().map(AtomicU64::into_inner).collect();
    // A thread may hold an older time than the slot it is counted in here; over two ttls that is in.
    for span in taken.windows(8) {
        assert!(span.iter().sum::<u64>() <= 3 * 200, "{taken:?}");
    }
    let all: u64 = taken.iter().sum();
    assert!(all <= (SECONDS / 4 + 1) * 200, "{all}");
    assert!(all >= (SECONDS / 4 - 1) * 200, "{all}");
}

#[test]
fn l1_threads_at_one_moment_take_exactly_the_budget() {
    for round in 0..200 {
        let budget: RetryBudget = RetryBudget::new(0.5, 0, RetryBudget::<10>::TTL);
        let now = Nanos::from_secs(round);
        for _ in 0..101 {
            budget.deposit(now);
        }
        let taken = AtomicU64::new(0);
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..30 {
                        taken.fetch_add(u64::from(budget.withdraw(now).is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 50);
    }
}

/// A clock that went back gives nothing that the latest time would not.
#[test]
fn l13_t1_clock_back_fails_closed() {
    let budget: RetryBudget = RetryBudget::new(0.0, 1, Nanos::from_secs(10));
    let later = Nanos::from_secs(1_000);
    for _ in 0..10 {
        budget.withdraw(later).unwrap();
    }
    for back in [0, 1, 500, 999] {
        let now = Nanos::from_secs(back);
        let rejected = budget.withdraw(now).unwrap_err();
        assert_eq!(rejected.retry_after, Some(Nanos::from_secs(1_010 - back)));
    }
    budget.withdraw(Nanos::from_secs(1_010)).unwrap();
}

#[test]
fn t4_any_time_and_numbers_next_to_the_wrap() {
    let slot = 10_000_000;
    for tick in [
        0,
        1,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        u64::MAX / slot - 1,
    ] {
        let budget = RetryBudget::<1>::new(1.0, 0, Nanos::new(slot));
        let now = Nanos::new(tick * slot);
        assert!(budget.withdraw(now).is_err());
        budget.deposit(now);
        budget.withdraw(now).unwrap();
        assert!(budget.withdraw(now).is_err());
        let next = Nanos::new((tick + 1) * slot);
        budget.deposit(next);
        budget.withdraw(next).unwrap();
        assert!(budget.withdraw(next).is_err(), "tick {tick}");
    }
    let budget: RetryBudget = RetryBudget::new(1.0, 0, Nanos::from_secs(1));
    budget.deposit(Nanos::MAX);
    budget.withdraw(Nanos::MAX).unwrap();
    assert_eq!(budget.withdraw(Nanos::MAX).unwrap_err().retry_after, None);
}

#[test]
fn r6_fields_and_size() {
    assert_eq!(size_of::<RetryBudget>(), 8 * 23);
    let ttl = Nanos::from_secs(10);
    for (ratio, minimum, ttl, field) in [
        (-0.1, 1, ttl, "ratio"),
        (1_000.1, 1, ttl, "ratio"),
        (f64::NAN, 1, ttl, "ratio"),
        (0.2, 1, Nanos::from_millis(99), "ttl"),
        (0.0, 0, ttl, "minimum_per_second"),
        (0.2, u32::MAX, ttl, "minimum_per_second"),
    ] {
        let error = RetryBudget::<10>::try_new(ratio, minimum, ttl).unwrap_err();
        assert_eq!(error.field(), field);
    }
    let budget: RetryBudget = RetryBudget::new(
        RetryBudget::<10>::RATIO,
        RetryBudget::<10>::MINIMUM_PER_SECOND,
        ttl,
    );
    assert_eq!(budget.available(Nanos::ZERO), 100);
    budget.withdraw(Nanos::ZERO).unwrap();
    budget.configure(0.2, 1).unwrap();
    assert_eq!(budget.available(Nanos::ZERO), 9);
    assert_eq!(
        budget.configure(0.0, 0).unwrap_err().field(),
        "minimum_per_second"
    );
}
