//! The concurrency limit against its invariants K1 to K4.

use fuseboard_core::{ConcurrencyLimit, ConcurrencyPermit, PriorityShedding, Reason};
use proptest::prelude::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn r6_one_word_and_a_limit_of_at_least_one() {
    assert_eq!(size_of::<ConcurrencyLimit>(), 8);
    assert_eq!(ConcurrencyLimit::try_new(0).unwrap_err().field(), "limit");
    let limit = ConcurrencyLimit::new(1);
    assert_eq!(limit.set_limit(0).unwrap_err().field(), "limit");
    assert_eq!(limit.limit(), 1);
}

#[test]
fn k1_fields_do_not_touch_at_their_ends() {
    for most in [u32::MAX - 1, u32::MAX] {
        let limit = ConcurrencyLimit::new(most);
        limit.acquire_raw().unwrap();
        assert_eq!((limit.limit(), limit.in_flight()), (most, 1));
        limit.set_limit(1).unwrap();
        assert_eq!(limit.try_acquire().unwrap_err().reason, Reason::Full);
        assert_eq!((limit.limit(), limit.in_flight()), (1, 1));
        assert!(limit.release_raw());
    }
}

#[test]
fn k2_a_release_without_a_place_changes_nothing() {
    let limit = ConcurrencyLimit::new(2);
    assert!(!limit.release_raw());
    assert_eq!((limit.limit(), limit.in_flight()), (2, 0));
    drop(limit.try_acquire().unwrap());
    assert_eq!(limit.in_flight(), 0);
    limit.try_acquire().unwrap().into_raw();
    assert!(limit.release_raw());
    assert!(!limit.release_raw());
}

#[test]
fn p5_permit_crosses_threads() {
    fn is_send<T: Send>() {}
    is_send::<ConcurrencyPermit<'static>>();
}

#[test]
fn k4_lowered_below_the_calls_in_flight_then_raised() {
    let limit = ConcurrencyLimit::new(3);
    let held = [(); 3].map(|()| limit.try_acquire().unwrap());
    limit.set_limit(1).unwrap();
    for permit in held {
        assert!(limit.try_acquire().is_err());
        drop(permit);
    }
    let one = limit.try_acquire().unwrap();
    assert!(limit.try_acquire().is_err());
    limit.set_limit(2).unwrap();
    let two = limit.try_acquire().unwrap();
    drop((one, two));
    assert_eq!(limit.in_flight(), 0);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn k1_k2_k4_as_the_sequential_model(
        first in 1_u32..5,
        operations in prop::collection::vec((0_u8..5, 1_u32..6, any::<u8>()), 0..40),
    ) {
        let shedding = PriorityShedding::new(0.5);
        let limit = ConcurrencyLimit::new(first);
        let (mut most, mut held) = (first, 0_u32);
        for (operation, value, priority) in operations {
            match operation {
                0 | 1 => {
                    prop_assert_eq!(limit.acquire_raw().is_ok(), held < most);
                    held += u32::from(held < most);
                }
                2 => {
                    let admits = held < shedding.places(most, priority);
                    prop_assert_eq!(limit.acquire_raw_prioritized(shedding, priority).is_ok(), admits);
                    held += u32::from(admits);
                }
                3 => {
                    prop_assert_eq!(limit.release_raw(), held > 0);
                    held = held.saturating_sub(1);
                }
                _ => {
                    limit.set_limit(value).unwrap();
                    most = value;
                }
            }
            prop_assert_eq!((limit.limit(), limit.in_flight()), (most, held));
        }
    }
}

#[test]
fn k1_k3_threads_never_exceed_the_limit_and_never_fail_below_it() {
    const THREADS: u32 = 4;
    const LIMIT: u32 = 2;
    static LIMITED: ConcurrencyLimit = ConcurrencyLimit::new(LIMIT);
    static ROOMY: ConcurrencyLimit = ConcurrencyLimit::new(THREADS);
    let inside = AtomicU32::new(0);
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for round in 0..20_000 {
                    if let Ok(permit) = LIMITED.try_acquire() {
                        let seen = inside.fetch_add(1, Ordering::SeqCst);
                        assert!(seen < LIMIT, "{seen} others inside");
                        if round % 64 == 0 {
                            std::thread::yield_now();
                        }
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                    // As many places as threads: a lost swap is no reason to reject.
                    drop(ROOMY.try_acquire().expect("a place is free all the time"));
                }
            });
        }
    });
    assert_eq!((LIMITED.in_flight(), ROOMY.in_flight()), (0, 0));
}

/// One place, three threads that do nothing but take it and give it back.
#[test]
fn k1_threads_never_share_the_last_place() {
    static ONE: ConcurrencyLimit = ConcurrencyLimit::new(1);
    let start = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..1_000_000 {
                    if ONE.acquire_raw().is_ok() {
                        assert_eq!(ONE.in_flight(), 1);
                        ONE.release_raw();
                    }
                }
            });
        }
    });
    assert_eq!(ONE.in_flight(), 0);
}

fn cases() -> ProptestConfig {
    use proptest::test_runner::FileFailurePersistence;
    ProptestConfig {
        failure_persistence: (!cfg!(fuseboard_faults)).then(|| {
            Box::new(FileFailurePersistence::Direct(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/regressions/concurrency.txt"
            ))) as _
        }),
        ..ProptestConfig::with_cases(10_000)
    }
}
