//! The limiters that count in windows: the exact log, the sliding counter, the fixed window.

use fuseboard_core::{
    Clock, FixedWindowRateLimiter, ManualClock, Nanos, SlidingCounterRateLimiter,
    SlidingWindowRateLimiter,
};
use fuseboard_loom::{ALL, Threads, beside, bound, explore};
use loom::sync::Arc;

type Log = SlidingWindowRateLimiter<2>;

const WINDOW: Nanos = Nanos::new(100);

fn log() -> Arc<Log> {
    Arc::new(Log::new(2, WINDOW))
}

/// L1, L2: two threads ask for the last place of a log of two: one is admitted. All interleavings.
#[test]
fn l1_log_admits_the_limit() {
    explore("l1_sliding_window", ALL, 50_000, &[], |_| {
        let (limiter, now) = (log(), Nanos::new(500));
        limiter.try_acquire(now).expect("empty");
        let other = Arc::clone(&limiter);
        let (other, mine) = beside(
            move |_| other.try_acquire(now).is_ok(),
            |_| limiter.try_acquire(now).is_ok(),
        );
        assert!(other != mine, "other {other}, mine {mine}");
        assert!(limiter.try_acquire(Nanos::new(599)).is_err());
        assert!(limiter.try_acquire_many(2, Nanos::new(600)).is_ok());
    });
}

/// L10: one thread takes two units, another one, of a log of two: all or nothing. Bound 3.
#[test]
fn l10_log_is_all_or_nothing() {
    explore("l10_sliding_window", bound(3, ALL), 500, &[], |_| {
        let (limiter, now) = (log(), Nanos::new(500));
        let other = Arc::clone(&limiter);
        let (two, one) = beside(
            move |_| other.try_acquire_many(2, now).is_ok(),
            |_| limiter.try_acquire(now).is_ok(),
        );
        assert!(one != two, "one {one}, two {two}");
    });
}

/// L1, T3: one thread takes two units at 500, another, whose clock has moved on by a window, one; then it is asked at every later
/// moment that matters. No window holds more than two units. Bound 3.
#[test]
fn l1_t3_log_with_a_clock_that_moves_on() {
    let bound = bound(3, Some(5));
    explore(
        "l1_sliding_window_moves",
        bound,
        500,
        &["both", "one"],
        |sometimes| {
            let limiter = log();
            let mut admitted: Vec<(u64, u64)> = Vec::new();
            let other = Arc::clone(&limiter);
            let requests = [(2, 500), (1, 600)];
            let ask = |limiter: &Log, (cost, now): (u32, u64)| {
                limiter.try_acquire_many(cost, Nanos::new(now)).is_ok()
            };
            let (first, second) = beside(
                move |_| ask(&other, requests[0]),
                |_| ask(&limiter, requests[1]),
            );
            let later = [(2, 601), (1, 601), (1, 650), (1, 700), (1, 701)];
            let all = requests.into_iter().zip([first, second]);
            let all = all.chain(later.map(|request| (request, ask(&limiter, request))));
            for ((cost, now), is_admitted) in all {
                if is_admitted {
                    admitted.push((now, u64::from(cost)));
                }
            }
            sometimes.reached(if first && second { "both" } else { "one" });
            for &(begin, _) in &admitted {
                let within =
                    |&&(now, _): &&(u64, u64)| (begin..begin + WINDOW.get()).contains(&now);
                let units: u64 = admitted.iter().filter(within).map(|&(_, cost)| cost).sum();
                assert!(units <= 2, "{admitted:?}");
            }
        },
    );
}

/// L1, L2, L3: two threads, two requests each, across the edge of a fixed window, one of them by a look at the clock that may be
/// stale: each window admits its limit of one, and an older one nothing once a newer was seen. All interleavings.
#[test]
fn l1_l3_fixed_window_across_its_edge() {
    let cases = ["old and new", "new only"];
    explore("l1_fixed_window", ALL, 500, &cases, |sometimes| {
        let limiter = Arc::new(FixedWindowRateLimiter::new(1, WINDOW));
        let clock = Arc::new(ManualClock::new(Nanos::new(199)));
        let requests = |moves: bool| {
            let (limiter, clock) = (Arc::clone(&limiter), Arc::clone(&clock));
            move |threads: &Threads| {
                let stale = clock.now();
                if moves {
                    clock.advance(Nanos::new(1));
                }
                [stale, clock.now()].map(|now| {
                    threads.step();
                    let window = now.get() / WINDOW.get();
                    (window, u32::from(limiter.try_acquire(now).is_ok()))
                })
            }
        };
        let (other, mine) = beside(requests(true), requests(false));
        let of = |window| {
            let all = other.into_iter().chain(mine);
            all.filter(|asked| asked.0 == window)
                .map(|asked| asked.1)
                .sum::<u32>()
        };
        match (of(1), of(2)) {
            (1, 1) => sometimes.reached("old and new"),
            (0, 1) => sometimes.reached("new only"),
            admitted => panic!("admitted in the two windows: {admitted:?}"),
        }
        assert_eq!(limiter.available(Nanos::new(200)), 0);
    });
}

/// L4: a refund beside two requests of a fixed window of two: what was taken and what is left make the limit. All
/// interleavings.
#[test]
fn l4_fixed_window_refund() {
    explore("l4_fixed_window", ALL, 20, &[], |_| {
        let limiter = Arc::new(FixedWindowRateLimiter::new(2, WINDOW));
        let now = Nanos::new(150);
        limiter.try_acquire(now).expect("empty");
        let giver = Arc::clone(&limiter);
        let ((), taken) = beside(
            move |_| giver.refund(1, now),
            |_| [(); 2].map(|()| u64::from(limiter.try_acquire(now).is_ok())),
        );
        assert_eq!(taken.iter().sum::<u64>() + limiter.available(now), 2);
    });
}

/// L1, L3: two units in one window, and two threads in the next, one at its middle (one unit is free by then) and one whose
/// clock moves on to the third, with a stale look before. All interleavings.
#[test]
fn l1_l3_sliding_counter_across_its_edge() {
    let cases = ["middle", "moved on"];
    explore("l1_sliding_counter", ALL, 500, &cases, |sometimes| {
        let limiter = Arc::new(SlidingCounterRateLimiter::new(2, WINDOW));
        limiter.try_acquire_many(2, Nanos::new(50)).expect("empty");
        let clock = Arc::new(ManualClock::new(Nanos::new(150)));
        let requests = |moves: bool| {
            let (limiter, clock) = (Arc::clone(&limiter), Arc::clone(&clock));
            move |threads: &Threads| {
                let stale = clock.now();
                if moves {
                    clock.advance(Nanos::new(100));
                }
                [stale, clock.now()].map(|now| {
                    threads.step();
                    (now.get(), limiter.try_acquire(now).is_ok())
                })
            }
        };
        let (other, mine) = beside(requests(true), requests(false));
        let at = |now| {
            let all = other.into_iter().chain(mine);
            all.filter(|&asked| asked == (now, true)).count()
        };
        // At 150 half of the two still count: one more. At 250 half of that one, rounded up: one more. Or, where nobody was
        // admitted at 150 before the window moved on, two at 250.
        match (at(150), at(250)) {
            (1, 1) => sometimes.reached("middle"),
            (0, 2) => sometimes.reached("moved on"),
            (0, 1) => assert_eq!(limiter.available(Nanos::new(250)), 1),
            admitted => panic!("admitted at 150 and 250: {admitted:?}"),
        }
    });
}

/// L4: a refund beside two requests of a sliding counter of two. All interleavings.
#[test]
fn l4_sliding_counter_refund() {
    explore("l4_sliding_counter", ALL, 20, &[], |_| {
        let limiter = Arc::new(SlidingCounterRateLimiter::new(2, WINDOW));
        let now = Nanos::new(150);
        limiter.try_acquire(now).expect("empty");
        let giver = Arc::clone(&limiter);
        let ((), taken) = beside(
            move |_| giver.refund(1, now),
            |_| [(); 2].map(|()| u32::from(limiter.try_acquire(now).is_ok())),
        );
        assert_eq!(taken.iter().sum::<u32>() + limiter.available(now), 2);
    });
}
