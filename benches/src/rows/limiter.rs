//! What a limiter adds to a request that it admits, and to one that it rejects.

use crate::rows::{NEVER, Row, START, Target, Who, groups, repeat, repeat_in_time, share};
use fuseboard::{Clock, MonotonicClock, Nanos};
use fuseboard_core::{ConcurrencyLimit, Rate, SlidingWindowRateLimiter, TokenBucketRateLimiter};
use std::hint::black_box;

pub(super) fn add(rows: &mut Vec<Row>) {
    add_allow(rows);
    rows.extend([
        Row::new(groups::DENY, Who::Fuseboard, "time passed in", |threads| {
            share(threads, empty(START), |limiter| {
                let mut now = START;
                move |times| {
                    let limiter = black_box(limiter);
                    repeat_in_time(times, &mut now, |now| limiter.try_acquire(now));
                }
            })
        }),
        Row::new(groups::DENY, Who::Fuseboard, "monotonic clock", |threads| {
            share(threads, empty(MonotonicClock.now()), |limiter| {
                move |times| {
                    let limiter = black_box(limiter);
                    repeat(times, || limiter.try_acquire(MonotonicClock.now()));
                }
            })
        })
        .with_clock(),
        Row::new(groups::LOG, Who::Fuseboard, "of 100, allow", |threads| {
            // A hundred steps are longer than the window, so every request finds a place.
            let limiter = SlidingWindowRateLimiter::<100>::new(100, Nanos::new(500));
            share(threads, limiter, |limiter| {
                let mut now = START;
                move |times| {
                    let limiter = black_box(limiter);
                    repeat_in_time(times, &mut now, |now| limiter.try_acquire(now).is_ok());
                }
            })
        }),
        Row::new(groups::LOG, Who::Fuseboard, "of 100, deny", |threads| {
            let limiter = SlidingWindowRateLimiter::<100>::new(100, Nanos::MAX);
            let filled = limiter.try_acquire_many(100, START);
            assert!(filled.is_ok(), "an empty log takes them all");
            share(threads, limiter, |limiter| {
                let mut now = START;
                move |times| {
                    let limiter = black_box(limiter);
                    repeat_in_time(times, &mut now, |now| limiter.try_acquire(now).is_err());
                }
            })
        }),
        Row::new(
            groups::CONCURRENCY,
            Who::Fuseboard,
            "acquire and release",
            |threads| {
                share(threads, ConcurrencyLimit::new(64), |limit| {
                    move |times| {
                        let limit = black_box(limit);
                        repeat(times, || limit.try_acquire().is_ok());
                    }
                })
            },
        ),
    ]);
}

fn add_allow(rows: &mut Vec<Row>) {
    rows.extend([
        Row::new(groups::ALLOW, Who::Fuseboard, "time passed in", |threads| {
            share(threads, roomy(), |limiter| {
                let mut now = START;
                move |times| {
                    let limiter = black_box(limiter);
                    repeat_in_time(times, &mut now, |now| limiter.try_acquire(now).is_ok());
                }
            })
        })
        .target(1, Target::Limit(1.2)),
        Row::new(
            groups::ALLOW,
            Who::Fuseboard,
            "within the burst, time stands still",
            |threads| {
                share(threads, roomy(), |limiter| {
                    move |times| {
                        let (limiter, now) = (black_box(limiter), black_box(START));
                        repeat(times, || limiter.try_acquire(now).is_ok());
                    }
                })
            },
        )
        .target(1, Target::Limit(1.2)),
        Row::new(
            groups::ALLOW,
            Who::Fuseboard,
            "monotonic clock",
            |threads| {
                share(threads, roomy(), |limiter| {
                    move |times| {
                        let limiter = black_box(limiter);
                        repeat(times, || limiter.try_acquire(MonotonicClock.now()).is_ok());
                    }
                })
            },
        )
        .with_clock(),
        Row::new(
            groups::ALLOW,
            Who::Fuseboard,
            "through a lease of 1,000",
            |threads| {
                share(threads, roomy(), |limiter| {
                    let mut now = START;
                    let mut lease = limiter.lease(1_000, Nanos::from_millis(5));
                    move |times| {
                        let lease = black_box(&mut lease);
                        repeat_in_time(times, &mut now, |now| lease.try_acquire(now).is_ok());
                    }
                })
            },
        )
        .target(1, Target::Limit(0.15)),
    ]);
}

/// A bucket that no row empties: four billion units, and one more each nanosecond.
fn roomy() -> TokenBucketRateLimiter {
    TokenBucketRateLimiter::new(Rate::new(1, Nanos::new(1)), u64::from(u32::MAX))
}

/// A bucket whose only unit is gone.
fn empty(now: Nanos) -> TokenBucketRateLimiter {
    let limiter = TokenBucketRateLimiter::new(Rate::new(1, Nanos::from(NEVER)), 1);
    assert!(limiter.try_acquire(now).is_ok(), "a new bucket is full");
    limiter
}
