//! Limiters of requests and of calls in flight.

use crate::rows::keyed::{BURST, MILLION, after};
use crate::rows::peers::RUNTIME;
use crate::rows::peers::calls::call;
use crate::rows::{NEVER, Row, START, Who, Worker, groups, repeat, share};
use better_bucket::{BucketConfig, BucketCore};
use governor::clock::{Clock, FakeRelativeClock};
use governor::{Quota, RateLimiter};
use std::future::ready;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::limit::{ConcurrencyLimit, RateLimit};
use tower::{Layer, service_fn};
use tower_resilience_ratelimiter::RateLimiterLayer;

pub(super) fn add(rows: &mut Vec<Row>) {
    let row = |group, name, make: fn(usize) -> Vec<Worker>| Row::new(group, Who::Peer, name, make);
    rows.extend([
        row(groups::ALLOW, "governor, fake clock", |threads| {
            governor(
                threads,
                quota(Duration::from_nanos(1), NonZeroU32::MAX),
                FakeRelativeClock::default(),
            )
        }),
        row(groups::ALLOW, "governor", |threads| {
            let quota = quota(Duration::from_nanos(1), NonZeroU32::MAX);
            governor(threads, quota, governor::clock::DefaultClock::default())
        }),
        row(groups::ALLOW, "better-bucket, time passed in", |threads| {
            better_bucket(threads, Duration::from_nanos(1), u32::MAX)
        }),
        row(groups::ALLOW, "leaky-bucket, try_acquire", |threads| {
            let peer = leaky_bucket::RateLimiter::builder()
                .max(u32::MAX as usize)
                .initial(u32::MAX as usize)
                .interval(Duration::from_millis(1))
                .refill(1_000_000)
                .build();
            share(threads, peer, |peer| {
                move |times| repeat(times, || peer.try_acquire(1))
            })
        }),
        row(groups::ALLOW, "tower RateLimit", |_| {
            let _guard = RUNTIME.enter();
            let rate = tower::limit::rate::Rate::new(u64::MAX, NEVER);
            let mut service = RateLimit::new(service_fn(|()| ready(Ok::<(), ()>(()))), rate);
            vec![Box::new(move |times| {
                repeat(times, || call(&mut service, ()));
            })]
        })
        .one_thread(),
        row(groups::ALLOW, "tower-resilience, fixed window", |threads| {
            let _guard = RUNTIME.enter();
            let layer = RateLimiterLayer::builder()
                .limit_for_period(u32::MAX as usize)
                .refresh_period(NEVER)
                .timeout_duration(Duration::ZERO)
                .build()
                .expect("a legal configuration");
            let service = layer.layer(service_fn(|()| ready(Ok::<(), ()>(()))));
            (0..threads)
                .map(|_| {
                    let mut service = service.clone();
                    Box::new(move |times| repeat(times, || call(&mut service, ()))) as Worker
                })
                .collect()
        }),
        row(groups::DENY, "governor, fake clock", |threads| {
            governor(
                threads,
                quota(NEVER, NonZeroU32::MIN),
                FakeRelativeClock::default(),
            )
        }),
        row(groups::DENY, "governor", |threads| {
            let clock = governor::clock::DefaultClock::default();
            governor(threads, quota(NEVER, NonZeroU32::MIN), clock)
        }),
        row(groups::DENY, "better-bucket, time passed in", |threads| {
            better_bucket(threads, NEVER, 1)
        }),
        row(groups::ONE_KEY, "governor", |threads| keyed(threads, 1)),
        row(groups::MILLION_KEYS, "governor", |threads| {
            keyed(threads, MILLION)
        }),
        row(groups::MILLION_WARM, "governor", |threads| {
            keyed(threads, MILLION)
        })
        .warmed_up_by(MILLION),
        row(
            groups::CONCURRENCY,
            "tokio Semaphore, try_acquire and release",
            |threads| {
                share(threads, Semaphore::new(64), |peer| {
                    move |times| repeat(times, || peer.try_acquire().is_ok())
                })
            },
        ),
        row(
            groups::CONCURRENCY,
            "tower ConcurrencyLimit, ready future",
            |threads| {
                let service = ConcurrencyLimit::new(service_fn(|()| ready(Ok::<(), ()>(()))), 64);
                (0..threads)
                    .map(|_| {
                        let mut service = service.clone();
                        Box::new(move |times| repeat(times, || call(&mut service, ()))) as Worker
                    })
                    .collect()
            },
        ),
    ]);
}

fn quota(interval: Duration, burst: NonZeroU32) -> Quota {
    Quota::with_period(interval)
        .expect("the interval is not zero")
        .allow_burst(burst)
}

/// Its first unit is taken, so that a burst of one is gone.
fn governor<C>(threads: usize, quota: Quota, clock: C) -> Vec<Worker>
where
    C: Clock + Send + Sync + 'static,
    C::Instant: Send + Sync,
{
    let peer = RateLimiter::direct_with_clock(quota, clock);
    assert!(peer.check().is_ok(), "a new limiter admits");
    share(threads, peer, |peer| {
        move |times| repeat(times, || peer.check().is_ok())
    })
}

fn better_bucket(threads: usize, interval: Duration, burst: u32) -> Vec<Worker> {
    let start = Duration::from(START);
    let config = BucketConfig::new(burst, 1, interval, burst).expect("a legal configuration");
    let peer = BucketCore::new(config, start);
    assert!(peer.try_acquire_at(1, start), "a new bucket is full");
    share(threads, peer, move |peer| {
        let mut time = start;
        move |times| {
            let (peer, mut now) = (black_box(peer), time);
            repeat(times, || {
                now += Duration::from_nanos(10);
                peer.try_acquire_at(1, now)
            });
            time = now;
        }
    })
}

pub(crate) fn keyed(threads: usize, keys: u64) -> Vec<Worker> {
    let burst = NonZeroU32::new(BURST.max(u32::MAX / keys as u32)).expect("not zero");
    let peer = RateLimiter::keyed(quota(Duration::from_millis(100), burst));
    for key in 0..keys {
        assert!(peer.check_key(&key).is_ok(), "a new key has its burst");
    }
    share(threads, peer, move |peer| {
        let mut key = 0;
        move |times| {
            repeat(times, || {
                key = after(key, keys);
                peer.check_key(&key).is_ok()
            });
        }
    })
}
