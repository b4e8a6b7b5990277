//! The limiters' words under loom. Each model says threads, operations a thread, and bound.
#![cfg(fuseboard_loom)]

use fuseboard_core::{
    Clock, ConcurrencyLimit, ManualClock, Nanos, Rate, SlidingWindowRateLimiter,
    TokenBucketRateLimiter,
};
use fuseboard_loom::explore;
use loom::sync::Arc;
use loom::thread;

/// L1, L3, T3: two threads, two requests each, with a clock that one of them moves between its look and its request: the
/// other's look may be stale. Never more than the burst and what flowed in.
#[test]
fn l1_l3_token_bucket_with_stale_times() {
    explore("l1_token_bucket", Some(3), 100, || {
        let limiter = Arc::new(TokenBucketRateLimiter::new(Rate::per_second(1), 2));
        let clock = Arc::new(ManualClock::new(Nanos::from_secs(100)));
        let threads: Vec<_> = (0..2)
            .map(|thread| {
                let (limiter, clock) = (Arc::clone(&limiter), Arc::clone(&clock));
                thread::spawn(move || {
                    let stale = clock.now();
                    if thread == 0 {
                        clock.advance(Nanos::from_secs(1));
                    }
                    let first = limiter.try_acquire(stale).is_ok();
                    let second = limiter.try_acquire(clock.now()).is_ok();
                    u32::from(first) + u32::from(second)
                })
            })
            .collect();
        let admitted: u32 = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(
            (2..=3).contains(&admitted),
            "{admitted} admitted of a burst of 2 and 1 second"
        );
    });
}

/// L4: an acquire races with a refund of what another took: all or nothing, and never above the burst.
#[test]
fn l4_token_bucket_refund() {
    explore("l4_refund", None, 6, || {
        let now = Nanos::from_secs(100);
        let limiter = Arc::new(TokenBucketRateLimiter::new(Rate::per_second(1), 2));
        limiter.try_acquire_many(2, now).expect("full");
        let giver = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.refund(1, now))
        };
        let taker = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.try_acquire(now).is_ok())
        };
        giver.join().unwrap();
        let taken = taker.join().unwrap();
        assert_eq!(limiter.available(now), u64::from(!taken));
    });
}

/// L1: two threads ask for the last place of a log of two: one is admitted. Bound 3 (unbounded: 141,651
/// executions, no violation).
#[test]
fn l1_sliding_window_admits_the_limit() {
    explore("l1_sliding_window", Some(3), 50, || {
        let limiter = Arc::new(SlidingWindowRateLimiter::<2>::new(2, Nanos::from_secs(1)));
        let now = Nanos::from_secs(5);
        limiter.try_acquire(now).expect("empty");
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                thread::spawn(move || limiter.try_acquire(now).is_ok())
            })
            .collect();
        let admitted = threads.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(admitted.filter(|&admitted| admitted).count(), 1);
        assert!(limiter.try_acquire(Nanos::from_millis(5_999)).is_err());
        assert!(limiter.try_acquire_many(2, Nanos::from_secs(6)).is_ok());
    });
}

/// L10: one thread takes two units, another one, of a log of two: all or nothing.
#[test]
fn l10_sliding_window_is_all_or_nothing() {
    explore("l10_sliding_window", Some(3), 50, || {
        let limiter = Arc::new(SlidingWindowRateLimiter::<2>::new(2, Nanos::from_secs(1)));
        let now = Nanos::from_secs(5);
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.try_acquire_many(2, now).is_ok())
        };
        let one = limiter.try_acquire(now).is_ok();
        let two = other.join().unwrap();
        assert!(one != two, "one {one}, two {two}");
    });
}

/// K1, K2, K3: two threads take and give back on a limit of one; then nothing is in flight and one is admitted.
#[test]
fn k1_k2_concurrency_limit() {
    explore("k1_concurrency", None, 20, || {
        let limit = Arc::new(ConcurrencyLimit::new(1));
        let inside = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (limit, inside) = (Arc::clone(&limit), Arc::clone(&inside));
                thread::spawn(move || {
                    if let Ok(permit) = limit.try_acquire() {
                        let before = inside.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
                        assert_eq!(before, 0, "two inside");
                        inside.fetch_sub(1, loom::sync::atomic::Ordering::Relaxed);
                        drop(permit);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(limit.in_flight(), 0);
        assert!(limit.try_acquire().is_ok());
    });
}

/// K4: the limit is lowered while a call is admitted: the count never wraps.
#[test]
fn k4_lowering_the_limit() {
    explore("k4_set_limit", None, 6, || {
        let limit = Arc::new(ConcurrencyLimit::new(2));
        let held = limit.try_acquire().expect("free");
        let lowerer = {
            let limit = Arc::clone(&limit);
            thread::spawn(move || limit.set_limit(1).unwrap())
        };
        let second = {
            let limit = Arc::clone(&limit);
            thread::spawn(move || limit.acquire_raw().is_ok())
        };
        lowerer.join().unwrap();
        let second = second.join().unwrap();
        assert_eq!(limit.limit(), 1);
        assert_eq!(limit.in_flight(), 1 + u32::from(second));
        if second {
            assert!(limit.acquire_raw().is_err(), "two in flight, limit one");
            assert!(limit.release_raw());
        }
        drop(held);
        assert_eq!(limit.in_flight(), 0);
    });
}
