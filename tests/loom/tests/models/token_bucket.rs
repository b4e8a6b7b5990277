//! The token bucket: admissions, refunds, reservations, leases, and a quota that changes.

use fuseboard_core::{
    Clock, LeakyBucket, ManualClock, Nanos, Rate, Reason, Reservation, TokenBucketRateLimiter,
};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;

const NOW: Nanos = Nanos::ZERO;
const LONG: Nanos = Nanos::from_secs(60);

/// One unit in `interval` nanoseconds.
fn bucket(interval: u64, burst: u64) -> Arc<TokenBucketRateLimiter> {
    Arc::new(TokenBucketRateLimiter::new(every(interval), burst))
}

fn every(interval: u64) -> Rate {
    Rate::new(1, Nanos::new(interval))
}

/// L1, L3, T3: two threads, two requests each, with a clock that one of them moves between its look and its request: the
/// other's look may be stale. Never more than the burst and what flowed in. Bound 3 (all: 243,455 executions, with `--deep`).
#[test]
fn l1_l3_t3_stale_times() {
    explore(
        "l1_token_bucket",
        bound(3, ALL),
        500,
        &["2", "3"],
        |sometimes| {
            let limiter = bucket(1_000_000_000, 2);
            let clock = Arc::new(ManualClock::new(Nanos::from_secs(100)));
            let requests = |moves: bool| {
                let (limiter, clock) = (Arc::clone(&limiter), Arc::clone(&clock));
                move |threads: &Threads| {
                    let stale = clock.now();
                    if moves {
                        clock.advance(Nanos::from_secs(1));
                    }
                    threads.step();
                    let first = limiter.try_acquire(stale).is_ok();
                    threads.step();
                    let second = limiter.try_acquire(clock.now()).is_ok();
                    u32::from(first) + u32::from(second)
                }
            };
            let (other, mine) = beside(requests(true), requests(false));
            match other + mine {
                2 => sometimes.reached("2"),
                3 => sometimes.reached("3"),
                admitted => panic!("{admitted} admitted of a burst of 2 and 1 second"),
            }
        },
    );
}

/// L1, L2: three threads, one request each, of a burst of two: two are admitted. Bound 3 (all: 263,349 executions,
/// with `--deep`).
#[test]
fn l1_l2_three_threads_for_two_units() {
    explore("l1_three_threads", bound(3, ALL), 1_000, &[], |_| {
        let limiter = bucket(10, 2);
        let threads = Threads::new();
        let others = [(); 2].map(|()| {
            let limiter = Arc::clone(&limiter);
            threads.spawn(move |_| limiter.try_acquire(NOW).is_ok())
        });
        let mine = threads.here(|_| u32::from(limiter.try_acquire(NOW).is_ok()));
        let others = others.map(|thread| u32::from(thread.join().unwrap()));
        assert_eq!(mine + others.iter().sum::<u32>(), 2);
    });
}

/// L2, L4: an acquire races with a refund of what another took: all or nothing, and never above the burst. Two threads, one
/// operation each, all interleavings.
#[test]
fn l4_a_refund_beside_an_admission() {
    explore("l4_refund", ALL, 6, &["taken", "denied"], |sometimes| {
        let limiter = bucket(10, 2);
        limiter.try_acquire_many(2, NOW).expect("full");
        let giver = Arc::clone(&limiter);
        let ((), taken) = beside(
            move |_| giver.refund(1, NOW),
            |_| limiter.try_acquire(NOW).is_ok(),
        );
        sometimes.reached(if taken { "taken" } else { "denied" });
        assert_eq!(limiter.available(NOW), u64::from(!taken));
    });
}

/// L2, L4, L10: two threads; each takes two of three units and gives back one of what it got, one of them by a clock a unit
/// ahead. What is left is what was not kept. All interleavings.
#[test]
fn l4_l10_admit_and_refund() {
    explore(
        "l4_admit_and_refund",
        ALL,
        100,
        &["both", "one"],
        |sometimes| {
            let limiter = bucket(10, 3);
            let turn = |now: Nanos| {
                let limiter = Arc::clone(&limiter);
                move |threads: &Threads| {
                    let admitted = limiter.try_acquire_many(2, now).is_ok();
                    if admitted {
                        threads.step();
                        limiter.refund(1, Nanos::new(10));
                    }
                    u64::from(admitted)
                }
            };
            let (other, mine) = beside(turn(Nanos::new(10)), turn(NOW));
            sometimes.reached(if other + mine == 2 { "both" } else { "one" });
            assert!((1..=2).contains(&(other + mine)));
            // By 10, one unit has flowed in, unless the bucket was full anyway.
            let left = limiter.available(Nanos::new(10)) + other + mine;
            assert!((3..=4).contains(&left), "{left}");
        },
    );
}

/// When each reservation's turn is, in intervals of 10.
fn turns(reservations: &[Reservation]) -> Vec<u64> {
    let mut turns: Vec<_> = reservations
        .iter()
        .map(|reservation| reservation.wait().get() / 10)
        .collect();
    turns.sort_unstable();
    turns
}

/// L11: two threads reserve, two turns each: no turn is given twice, none is left out. All interleavings.
#[test]
fn l11_reservations_get_one_turn_each() {
    explore("l11_reserve", ALL, 50, &[], |_| {
        let limiter = bucket(10, 1);
        let reserve = |limiter: &TokenBucketRateLimiter| {
            [(); 2].map(|()| limiter.reserve(1, LONG, NOW).expect("in time"))
        };
        let shared = Arc::clone(&limiter);
        let (other, mine) = beside(move |_| reserve(&shared), |_| reserve(&limiter));
        assert_eq!(turns(&[other, mine].concat()), [0, 1, 2, 3]);
    });
}

/// L11: the same for the pacer, with room for three in its queue. All interleavings.
#[test]
fn l11_paced_turns_and_a_full_queue() {
    explore("l11_leaky_bucket", ALL, 50, &[], |_| {
        let pacer = Arc::new(LeakyBucket::new(every(10), 2));
        let reserve = |pacer: &LeakyBucket| [(); 2].map(|()| pacer.reserve(NOW).ok());
        let shared = Arc::clone(&pacer);
        let (other, mine) = beside(move |_| reserve(&shared), |_| reserve(&pacer));
        let given: Vec<_> = other.into_iter().chain(mine).flatten().collect();
        assert_eq!(turns(&given), [0, 1, 2]);
    });
}

/// L4, L11: a reservation is cancelled while another thread reserves: whoever keeps a turn has it alone. All interleavings.
#[test]
fn l4_l11_cancel_beside_reserve() {
    explore(
        "l11_cancel",
        ALL,
        6,
        &["took its turn", "behind it"],
        |sometimes| {
            let limiter = bucket(10, 1);
            limiter.try_acquire(NOW).expect("full");
            let first = limiter.reserve(1, LONG, NOW).expect("in time");
            let canceller = Arc::clone(&limiter);
            let ((), second) = beside(
                move |_| canceller.cancel(first, NOW),
                |_| limiter.reserve(1, LONG, NOW).expect("in time"),
            );
            let third = limiter.reserve(1, LONG, NOW).expect("in time");
            match turns(&[second, third])[..] {
                [1, 2] => sometimes.reached("took its turn"),
                [2, 3] => sometimes.reached("behind it"),
                ref turns => panic!("turns {turns:?}"),
            }
        },
    );
}

/// L1, L4: what a reservation took has flowed in again when it is cancelled, and another thread takes it at the same time. All
/// interleavings.
#[test]
fn l1_l4_a_late_cancel_beside_an_admission() {
    explore("l4_late_cancel", ALL, 4, &[], |_| {
        let limiter = bucket(10, 5);
        let all = limiter.reserve(5, NOW, NOW).expect("full");
        let later = Nanos::new(60);
        let canceller = Arc::clone(&limiter);
        let ((), taken) = beside(
            move |_| canceller.cancel(all, later),
            |_| limiter.try_acquire_up_to(2, later),
        );
        assert_eq!(taken, 2);
        assert_eq!(limiter.available(later), 3);
    });
}

/// H1, L1: a lease of three, asked for twice, beside a thread that takes what it gets; once all is quiet and given back, no unit was
/// lost or made. Two threads, all interleavings.
#[test]
fn h1_lease_beside_direct_requests() {
    explore("h1_lease", ALL, 30, &["short", "whole"], |sometimes| {
        let limiter = bucket(10, 5);
        let leased = Arc::clone(&limiter);
        let (spent, taken) = beside(
            move |threads| {
                let mut lease = leased.lease(3, LONG);
                let spent = [(); 2].map(|()| u64::from(lease.try_acquire(NOW).is_ok()));
                threads.step();
                lease.give_back(NOW);
                spent.iter().sum::<u64>()
            },
            |_| limiter.try_acquire_up_to(4, NOW),
        );
        sometimes.reached(if taken + spent == 5 { "short" } else { "whole" });
        assert_eq!(spent + taken + limiter.available(NOW), 5);
    });
}

/// H1, L1: an idle lease expires while another thread takes the whole burst: the units that it held are not admitted again.
/// Two threads, all interleavings.
#[test]
fn h1_l1_an_idle_lease_expires() {
    explore(
        "h1_idle_lease",
        ALL,
        6,
        &["lease first", "lease last"],
        |sometimes| {
            let limiter = bucket(10, 5);
            let later = Nanos::new(1_000);
            let other = Arc::clone(&limiter);
            let mut lease = limiter.lease(5, Nanos::new(5));
            lease.try_acquire(NOW).expect("full");
            let (taken, spent) = beside(
                move |_| other.try_acquire_up_to(5, later),
                |_| u64::from(lease.try_acquire(later).is_ok()),
            );
            sometimes.reached(if spent == 1 {
                "lease first"
            } else {
                "lease last"
            });
            assert!(taken + spent + lease.left() <= 5);
        },
    );
}

/// L12: a request meets a change to a longer interval and a larger burst: at most both bursts. Two threads, all
/// interleavings.
#[test]
fn l12_a_request_beside_a_change() {
    for (old, new) in [((1, 1), (100, 3)), ((1, 3), (100, 1)), ((100, 2), (1, 3))] {
        let name = format!("l12_configure {old:?} to {new:?}");
        explore(&name, ALL, 20, &[], move |_| {
            let limiter = bucket(old.0, old.1);
            let mut admitted = limiter.try_acquire_up_to(9, NOW);
            assert_eq!(admitted, old.1);
            let changed = Arc::clone(&limiter);
            let (result, beside) = beside(
                move |_| changed.configure(every(new.0), new.1),
                |_| limiter.try_acquire_up_to(9, NOW),
            );
            result.unwrap();
            admitted += beside + limiter.try_acquire_up_to(9, NOW);
            assert!(admitted <= old.1 + new.1, "{admitted}");
            assert_eq!(limiter.available(Nanos::from_secs(1)), new.1);
        });
    }
}

/// L12: two changes at once beside a reader: it never sees more than the greatest burst, and one change stays as a whole.
/// Three threads, bound 3.
#[test]
fn l12_two_changes_at_once() {
    explore(
        "l12_two_changes",
        bound(3, Some(4)),
        1_000,
        &["first", "second"],
        |sometimes| {
            let limiter = bucket(1, 2);
            let threads = Threads::new();
            let change = |interval, burst| {
                let limiter = Arc::clone(&limiter);
                threads.spawn(move |_| limiter.configure(every(interval), burst).unwrap())
            };
            let changes = [change(1_000, 4), change(2, 3)];
            threads.here(|_| assert!(limiter.available(NOW) <= 4));
            for change in changes {
                change.join().unwrap();
            }
            let later = Nanos::from_secs(1);
            let burst = limiter.try_acquire_up_to(9, later);
            let rejected = limiter.try_acquire(later).unwrap_err();
            assert_eq!(rejected.reason, Reason::Limited);
            match (burst, rejected.retry_after.map(Nanos::get)) {
                (4, Some(1_000)) => sometimes.reached("first"),
                (3, Some(2)) => sometimes.reached("second"),
                mix => panic!("burst and interval {mix:?}"),
            }
        },
    );
}
