//! The keyed limiter's places: a key that enters, one that is put out, two that want one place.

use fuseboard_core::{KeyedRateLimiter, Nanos, Rate, WhenFull};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;

const PERIOD: u64 = 100;

type Limiter<const N: usize> = Arc<KeyedRateLimiter<N>>;
type Requests = &'static [(u64, u64)];

fn limiter<const N: usize>(burst: u64) -> Limiter<N> {
    let rate = Rate::new(1, Nanos::new(PERIOD));
    Arc::new(KeyedRateLimiter::new(rate, burst, WhenFull::Reject))
}

/// The keys of those requests (key, now) that are admitted.
fn admitted<const N: usize>(
    threads: &Threads,
    limiter: &KeyedRateLimiter<N>,
    requests: Requests,
) -> Vec<u64> {
    let admitted = requests.iter().filter(|&&(key, now)| {
        threads.step();
        limiter.try_acquire(key, Nanos::new(now)).is_ok()
    });
    admitted.map(|&(key, _)| key).collect()
}

/// The keys admitted of two threads' requests.
fn both<const N: usize>(limiter: &Limiter<N>, other: Requests, mine: Requests) -> Vec<u64> {
    let shared = Arc::clone(limiter);
    let (mut other, mine) = beside(
        move |threads| admitted(threads, &shared, other),
        |threads| admitted(threads, limiter, mine),
    );
    other.extend(mine);
    other
}

fn count(admitted: &[u64], key: u64) -> usize {
    admitted.iter().filter(|&&other| other == key).count()
}

/// L1, L2: two threads ask for one new key in an empty table of two places: it enters once. Bound 3.
#[test]
fn l1_l2_a_key_enters_once() {
    explore("l1_keyed_enters", bound(3, Some(5)), 300, &[], |_| {
        let limiter = limiter::<2>(1);
        let admitted = both(&limiter, &[(9, 100)], &[(9, 100)]);
        assert_eq!(count(&admitted, 9), 1);
        assert_eq!(limiter.live(Nanos::new(100)), 1);
    });
}

/// L1, L2, T3: the same by clocks that see different places free: they claim two places, and one stays. Bound 3.
#[test]
fn l1_l2_t3_a_key_enters_one_of_two_places() {
    explore("l1_keyed_two_places", bound(3, Some(4)), 500, &[], |_| {
        let limiter = limiter::<2>(1);
        // Full again at 110 and at 100: at 105 only the second place is free, at 115 both are.
        assert!(limiter.try_acquire(1, Nanos::new(10)).is_ok());
        assert!(limiter.try_acquire(2, Nanos::new(0)).is_ok());
        let admitted = both(&limiter, &[(9, 105)], &[(9, 115)]);
        assert_eq!(count(&admitted, 9), 1);
    });
}

/// L1, L2: two keys race for a place whose owner's bucket is full again: one gets it, the other finds the table full, and nobody gets
/// more than a unit. Bound 3.
#[test]
fn l1_l2_two_keys_for_an_expired_place() {
    let cases = ["5", "6"];
    explore(
        "l1_keyed_takeover",
        bound(3, Some(5)),
        300,
        &cases,
        |sometimes| {
            let limiter = limiter::<1>(1);
            assert!(limiter.try_acquire(1, Nanos::new(0)).is_ok());
            let admitted = both(&limiter, &[(5, 100), (5, 100)], &[(6, 100), (6, 100)]);
            match admitted[..] {
                [5] => sometimes.reached("5"),
                [6] => sometimes.reached("6"),
                _ => panic!("admitted {admitted:?}"),
            }
            assert_eq!(limiter.live(Nanos::new(100)), 1);
        },
    );
}

/// L1, L2: a thread asks three times for a key whose place another key takes meanwhile: it gets its burst of two, or nothing. Bound
/// 3.
#[test]
fn l1_l2_a_key_is_put_out_while_it_is_asked_for() {
    let cases = ["stays", "put out"];
    explore(
        "l1_keyed_put_out",
        bound(3, Some(4)),
        500,
        &cases,
        |sometimes| {
            let limiter = limiter::<1>(2);
            assert!(limiter.try_acquire(9, Nanos::new(0)).is_ok());
            let admitted = both(&limiter, &[(9, 200), (9, 200), (9, 200)], &[(1, 200)]);
            match admitted[..] {
                [9, 9] => sometimes.reached("stays"),
                [1] => sometimes.reached("put out"),
                _ => panic!("admitted {admitted:?}"),
            }
        },
    );
}

/// L1, L2: the same in a whole line, which is looked at without a branch: the key that asks is not there any more, or it is the one that
/// takes. Bound 3.
#[test]
fn l1_l2_a_key_is_put_out_of_a_whole_line() {
    let cases = ["stays", "put out"];
    explore(
        "l1_keyed_whole_line",
        bound(3, Some(3)),
        500,
        &cases,
        |sometimes| {
            let limiter = limiter::<4>(2);
            assert!(limiter.try_acquire(9, Nanos::new(0)).is_ok());
            for key in [2, 3, 4] {
                assert!(limiter.try_acquire(key, Nanos::new(150)).is_ok());
            }
            let admitted = both(&limiter, &[(9, 200), (9, 200), (9, 200)], &[(1, 200)]);
            match admitted[..] {
                [9, 9] => sometimes.reached("stays"),
                [1] => sometimes.reached("put out"),
                _ => panic!("admitted {admitted:?}"),
            }
        },
    );
}

/// L1, L3: one place, two keys, one of them by a clock that is behind: what was taken before is not forgotten. Bound 3.
#[test]
fn l1_l3_put_out_and_back_by_a_stale_clock() {
    explore("l1_keyed_stale", bound(3, Some(4)), 500, &[], |_| {
        let limiter = limiter::<1>(1);
        assert!(limiter.try_acquire(9, Nanos::new(100)).is_ok());
        let admitted = both(&limiter, &[(1, 200), (9, 275)], &[(9, 150), (9, 100)]);
        // From 100 to 275: the one before, and one more.
        assert!(count(&admitted, 9) <= 1);
        assert!(count(&admitted, 1) <= 1);
    });
}

/// L1, L4: a refund of a key whose place another key takes: nobody gets the other's unit. Bound 3.
#[test]
fn l1_l4_a_refund_beside_a_takeover() {
    explore("l4_keyed_refund", bound(3, ALL), 50, &[], |_| {
        let limiter = limiter::<1>(1);
        assert!(limiter.try_acquire(9, Nanos::new(0)).is_ok());
        let giver = Arc::clone(&limiter);
        let ((), admitted) = beside(
            move |_| giver.refund(9, 1, Nanos::new(50)),
            |threads| admitted(threads, &limiter, &[(1, 100), (1, 100)]),
        );
        assert_eq!(admitted, [1]);
    });
}

/// R1: a reset while a key enters leaves a table that admits, and nobody in two places. Bound 3.
#[test]
fn r1_reset_beside_a_key_that_enters() {
    explore("r1_keyed_reset", bound(3, Some(5)), 100, &[], |_| {
        let limiter = limiter::<2>(1);
        let resetter = Arc::clone(&limiter);
        let ((), admitted) = beside(
            move |_| resetter.reset(),
            |threads| admitted(threads, &limiter, &[(9, 100)]),
        );
        assert_eq!(admitted, [9]);
        assert!(limiter.live(Nanos::new(100)) <= 1);
        assert!(limiter.try_acquire(9, Nanos::new(200)).is_ok());
        assert!(limiter.try_acquire(9, Nanos::new(200)).is_err());
    });
}

/// L1: three threads, two of them with the same new key, one place. Bound 2, and 3 with `--deep`: bound 2 took 1,902,492
/// executions in one run, so the usual run stops at 1.
#[test]
fn l1_two_keys_three_threads_for_the_last_place() {
    explore("l1_keyed_last_place", bound(1, Some(2)), 500, &[], |_| {
        let limiter = limiter::<1>(1);
        let threads = Threads::new();
        let others = [9, 1].map(|key| {
            let limiter = Arc::clone(&limiter);
            threads.spawn(move |_| limiter.try_acquire(key, Nanos::new(100)).is_ok())
        });
        let mine = threads.here(|_| limiter.try_acquire(9, Nanos::new(100)).is_ok());
        let others = others.map(|thread| usize::from(thread.join().unwrap()));
        assert_eq!(usize::from(mine) + others[0] + others[1], 1);
    });
}
