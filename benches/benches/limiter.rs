//! What does a limiter add to a request that it admits, and to one that it rejects? Against one
//! compare-and-swap loop, the least that an exact limit can cost, and against other limiters, in the same run.

use criterion::Criterion;
use fuseboard::{Clock, MonotonicClock, Nanos};
use fuseboard_benches::{CpuTime, START, STEP, criterion, machine, machine_again};
use fuseboard_core::{ConcurrencyLimit, Rate, SlidingWindowRateLimiter, TokenBucketRateLimiter};
use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::sync::Semaphore;

fn main() {
    let mut criterion = criterion();
    bucket_allow(&mut criterion);
    bucket_deny(&mut criterion);
    sliding_log(&mut criterion);
    concurrency(&mut criterion);
    criterion.final_summary();
}

/// A token bucket with a unit to spare.
///
/// governor's fake clock stands still, so there the burst has to last: four billion units, more
/// than a row can take. The row of ours beside it is "within the burst".
fn bucket_allow(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("token bucket allow");
    machine(&mut group);

    let limiter = TokenBucketRateLimiter::new(Rate::new(1, Nanos::new(1)), u64::from(u32::MAX));
    let mut time = START;
    group.bench_function("fuseboard: refilled", |b| {
        let limiter = black_box(&limiter);
        let mut now = time;
        b.iter(|| {
            now = now.saturating_add(STEP);
            limiter.try_acquire(now).is_ok()
        });
        time = now;
    });
    assert!(limiter.try_acquire(time).is_ok());

    limiter.reset();
    group.bench_function("fuseboard: within the burst", |b| {
        let limiter = black_box(&limiter);
        let now = black_box(START);
        b.iter(|| limiter.try_acquire(now).is_ok());
    });
    assert!(limiter.try_acquire(START).is_ok());

    limiter.reset();
    group.bench_function("fuseboard: monotonic clock", |b| {
        let limiter = black_box(&limiter);
        b.iter(|| limiter.try_acquire(MonotonicClock.now()).is_ok());
    });
    assert!(limiter.try_acquire(MonotonicClock.now()).is_ok());

    let quota = governor_quota(Duration::from_nanos(1), NonZeroU32::MAX);
    let fake = RateLimiter::direct_with_clock(quota, FakeRelativeClock::default());
    group.bench_function("governor: fake clock", |b| b.iter(|| fake.check().is_ok()));
    assert!(fake.check().is_ok());
    let default = RateLimiter::direct(quota);
    group.bench_function("governor: default clock", |b| {
        b.iter(|| default.check().is_ok());
    });
    assert!(default.check().is_ok());

    machine_again(&mut group);
    group.finish();
}

/// An empty token bucket.
fn bucket_deny(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("token bucket deny");
    machine(&mut group);

    let limiter = TokenBucketRateLimiter::new(Rate::per_hour(1), 1);
    assert!(limiter.try_acquire(START).is_ok());
    group.bench_function("fuseboard: time passed in", |b| {
        let limiter = black_box(&limiter);
        let mut now = START;
        b.iter(|| {
            now = now.saturating_add(STEP);
            limiter.try_acquire(now)
        });
    });
    limiter.reset();
    assert!(limiter.try_acquire(MonotonicClock.now()).is_ok());
    group.bench_function("fuseboard: monotonic clock", |b| {
        let limiter = black_box(&limiter);
        b.iter(|| limiter.try_acquire(MonotonicClock.now()));
    });
    assert!(limiter.try_acquire(MonotonicClock.now()).is_err());

    let quota = governor_quota(Duration::from_secs(3_600), NonZeroU32::MIN);
    let fake = RateLimiter::direct_with_clock(quota, FakeRelativeClock::default());
    assert!(fake.check().is_ok());
    group.bench_function("governor: fake clock", |b| b.iter(|| fake.check()));
    let default = RateLimiter::direct(quota);
    assert!(default.check().is_ok());
    group.bench_function("governor: default clock", |b| b.iter(|| default.check()));
    assert!(default.check().is_err());

    machine_again(&mut group);
    group.finish();
}

/// The exact log of the last 100 admissions.
fn sliding_log(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("sliding log");
    machine(&mut group);

    // A hundred steps are longer than the window, so every request finds a place.
    let roomy = SlidingWindowRateLimiter::<100>::new(100, Nanos::new(500));
    let mut time = START;
    group.bench_function("fuseboard: allow", |b| {
        let limiter = black_box(&roomy);
        let mut now = time;
        b.iter(|| {
            now = now.saturating_add(STEP);
            limiter.try_acquire(now).is_ok()
        });
        time = now;
    });
    assert!(roomy.try_acquire(time).is_ok());

    let full = SlidingWindowRateLimiter::<100>::new(100, Nanos::MAX);
    assert!(full.try_acquire_many(100, START).is_ok());
    group.bench_function("fuseboard: deny", |b| {
        let limiter = black_box(&full);
        let mut now = START;
        b.iter(|| {
            now = now.saturating_add(STEP);
            limiter.try_acquire(now).is_err()
        });
    });

    machine_again(&mut group);
    group.finish();
}

/// A place taken and given back.
fn concurrency(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("concurrency");
    machine(&mut group);

    let limit = ConcurrencyLimit::new(64);
    group.bench_function("fuseboard: acquire and release", |b| {
        let limit = black_box(&limit);
        b.iter(|| limit.try_acquire().is_ok());
    });
    assert_eq!(limit.in_flight(), 0);
    let semaphore = Semaphore::new(64);
    group.bench_function("tokio: try_acquire and release", |b| {
        b.iter(|| semaphore.try_acquire().is_ok());
    });

    machine_again(&mut group);
    group.finish();
}

fn governor_quota(interval: Duration, burst: NonZeroU32) -> Quota {
    Quota::with_period(interval)
        .expect("the interval is not zero")
        .allow_burst(burst)
}
