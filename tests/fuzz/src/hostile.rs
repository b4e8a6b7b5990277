//! S2: whatever stands in the words of a policy, in saved bytes or in a permit, nothing panics or hangs, and what an
//! operator resets works again.

use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use fuseboard_core::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, CircuitBreaker, CircuitBreakerConfig,
    ClientThrottle, ClientThrottleConfig, CoDel, ConcurrencyLimit, FixedWindowRateLimiter,
    KeyedRateLimiter, LeakyBucket, Nanos, Outcome, Rate, RawPermit, RetryBudget,
    SlidingCounterRateLimiter, SlidingWindowRateLimiter, State, TokenBucketRateLimiter, WarmUp,
    WhenFull, Window,
};

use crate::bytes::{Bytes, SECOND};

type Breaker = CircuitBreaker<4, 2>;

/// Any bytes.
pub fn any(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    match bytes.any::<u8>() % 4 {
        0 => breaker_words(&mut bytes),
        1 => limiter_words(&mut bytes),
        2 => saved(&mut bytes),
        _ => permits(&mut bytes),
    }
}

/// A policy that is nothing but atomic words.
///
/// # Safety
/// Every byte of the type belongs to an atomic integer, or is padding.
unsafe trait Words {}

// SAFETY: state word, head, stripes and settings: `repr(C)` of `AtomicU64`.
unsafe impl<const SLOTS: usize, const STRIPES: usize> Words for CircuitBreaker<SLOTS, STRIPES> {}
// SAFETY: fields are `AtomicU64`, one by one or in arrays.
unsafe impl Words for TokenBucketRateLimiter {}
// SAFETY: as above.
unsafe impl Words for LeakyBucket {}
// SAFETY: as above.
unsafe impl Words for FixedWindowRateLimiter {}
// SAFETY: as above.
unsafe impl Words for SlidingCounterRateLimiter {}
// SAFETY: as above.
unsafe impl<const N: usize> Words for SlidingWindowRateLimiter<N> {}
// SAFETY: as above.
unsafe impl Words for ConcurrencyLimit {}
// SAFETY: as above.
unsafe impl Words for AdaptiveLimit {}
// SAFETY: as above.
unsafe impl Words for CoDel {}
// SAFETY: as above.
unsafe impl<const N: usize> Words for ClientThrottle<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Words for RetryBudget<N> {}
// SAFETY: as above; what follows the last word is padding.
unsafe impl<const N: usize> Words for KeyedRateLimiter<N> {}

/// Writes any bits into some of its words, as another process with the same memory could.
fn scribble<T: Words>(policy: &T, bytes: &mut Bytes<'_>) {
    // SAFETY: `Words` says that atomic integers fill the type, so that any bits may be stored through a shared
    // reference; length and alignment are those of the type.
    let words: &[AtomicU64] = unsafe {
        slice::from_raw_parts(
            std::ptr::from_ref(policy).cast(),
            size_of::<T>() / size_of::<AtomicU64>(),
        )
    };
    for _ in 0..bytes.within(1, 4) {
        let index = bytes.any::<u8>() as usize % words.len();
        let word = &words[index];
        // Relaxed: one thread.
        let old = word.load(Ordering::Relaxed);
        let new = match bytes.any::<u8>() % 4 {
            0 => bytes.any(),
            1 => old ^ (1 << (bytes.any::<u8>() % 64)),
            2 => old | bytes.extreme(),
            _ => bytes.extreme(),
        };
        word.store(new, Ordering::Relaxed);
    }
}

fn time(bytes: &mut Bytes<'_>) -> Nanos {
    Nanos::new(match bytes.any::<u8>() % 4 {
        0 => bytes.extreme(),
        _ => bytes.within(0, 100 * SECOND),
    })
}

fn config(bytes: &mut Bytes<'_>) -> CircuitBreakerConfig {
    let window = match bytes.any::<u8>() % 4 {
        0 => Window::Time {
            length: Nanos::from_secs(4),
            slots: 4,
        },
        1 => Window::Count(1 + u32::from(bytes.any::<u8>()) % 96),
        2 => Window::Consecutive(3),
        _ => Window::Decay {
            half_life: Nanos::from_secs(2),
        },
    };
    CircuitBreakerConfig::new()
        .window(window)
        .minimum_requests(2)
        .slow_call_duration(bytes.any::<bool>().then(|| Nanos::from_secs(1)))
        .ramp_up(Nanos::new(bytes.one_of(&[0, SECOND])))
}

/// Every verb once or more, in an order that the bytes choose.
fn exercise(breaker: &Breaker, bytes: &mut Bytes<'_>) {
    let mut permit = None;
    for _ in 0..bytes.within(1, 12) {
        let now = time(bytes);
        match bytes.any::<u8>() % 8 {
            0..=2 => permit = breaker.acquire(now, &()).ok().or(permit),
            3 | 4 => {
                if let Some(permit) = permit {
                    breaker.settle_weighted(permit, bytes.outcome(), bytes.any(), now, &());
                }
            }
            5 => {
                if let Some(permit) = permit.take() {
                    breaker.cancel(permit, &());
                }
            }
            6 => {
                let snapshot = breaker.snapshot(now);
                assert!(State::ALL.contains(&snapshot.state));
                let _ = breaker.check(now);
            }
            _ => {
                let _ = breaker.save(now);
            }
        }
    }
}

fn breaker_words(bytes: &mut Bytes<'_>) {
    let config = config(bytes);
    let breaker = Breaker::try_new(config).expect("good settings");
    while !bytes.is_empty() {
        scribble(&breaker, bytes);
        exercise(&breaker, bytes);
        let now = time(bytes);
        // Any state answers to its operator.
        breaker.reset(now, &());
        assert_eq!(breaker.state(), State::Closed);
        let _ = breaker.configure(config);
    }
}

fn saved(bytes: &mut Bytes<'_>) {
    let config = config(bytes);
    let mut breaker = Breaker::try_new(config).expect("good settings");
    exercise(&breaker, bytes);
    let mut image = breaker.save(time(bytes)).to_vec();
    if bytes.any::<u8>() == 0 {
        image = bytes.any();
    }
    for _ in 0..bytes.within(1, 6) {
        let words = (image.len() / 8).max(1);
        let start = 8 * (bytes.any::<u8>() as usize % words);
        let word = bytes.extreme().to_le_bytes();
        if let Some(place) = image.get_mut(start..start + 8) {
            place.copy_from_slice(&word);
        }
    }
    if bytes.any::<u8>() == 1 {
        image.truncate(bytes.any::<u16>() as usize % (image.len() + 1));
    }
    let before = breaker.snapshot(Nanos::ZERO);
    let now = time(bytes);
    if breaker.restore(&image, now, time(bytes)).is_ok() {
        // What was taken can be saved again, and means the same.
        let again = breaker.save(now);
        let mut copy = Breaker::try_new(config).expect("good settings");
        assert_eq!(copy.restore(&again, now, Nanos::ZERO), Ok(()));
        assert_eq!(copy.state(), breaker.state());
        assert_eq!(copy.snapshot(now).window, breaker.snapshot(now).window);
        exercise(&breaker, bytes);
    } else {
        // What was refused changed nothing.
        assert_eq!(breaker.snapshot(Nanos::ZERO), before);
    }
    breaker.reset(now, &());
    assert_eq!(breaker.state(), State::Closed);
}

/// Permits of any bits: they may be wrong, and then they change nothing that a right one could not.
fn permits(bytes: &mut Bytes<'_>) {
    let breaker = Breaker::try_new(config(bytes)).expect("good settings");
    let mut now = Nanos::ZERO;
    while !bytes.is_empty() {
        now = now.saturating_add(Nanos::new(bytes.span(SECOND)));
        let words = [bytes.any(), bytes.extreme()];
        let before = breaker.snapshot(now);
        let Some(permit) = RawPermit::from_words(words) else {
            continue;
        };
        assert_eq!(permit.to_words(), words);
        let settled = breaker.settle(permit, bytes.outcome(), now, &());
        let after = breaker.snapshot(now);
        if settled == fuseboard_core::Settled::Stale {
            assert_eq!(after, before, "B5: a stale permit changed something");
        }
        assert!(after.window.failures <= after.window.calls, "W2: {after:?}");
        assert!(after.window.slow <= after.window.calls, "W2: {after:?}");
        if let Ok(permit) = breaker.acquire(now, &()) {
            breaker.settle(permit, Outcome::Failure, now, &());
        }
    }
}

fn limiter_words(bytes: &mut Bytes<'_>) {
    let limiters: [fn(&mut Bytes<'_>); 11] = [
        token_bucket,
        leaky_bucket,
        fixed_window,
        sliding_counter,
        sliding_log,
        concurrency,
        adaptive,
        codel,
        throttle,
        retry_budget,
        keyed,
    ];
    bytes.one_of(&limiters)(bytes);
}

fn token_bucket(bytes: &mut Bytes<'_>) {
    let warm_up = WarmUp::new(Nanos::from_secs(1)).cold_factor(3);
    let bucket = TokenBucketRateLimiter::try_with_warm_up(Rate::per_second(7), 5, warm_up)
        .expect("a good quota");
    while !bytes.is_empty() {
        scribble(&bucket, bytes);
        let (now, cost) = (time(bytes), bytes.setting(0, 8));
        let _ = bucket.try_acquire_many(cost, now);
        let _ = bucket.try_acquire_up_to(cost, now);
        if let Ok(reservation) = bucket.reserve(cost, time(bytes), now) {
            bucket.cancel(reservation, time(bytes));
        }
        bucket.refund(cost, now);
        bucket.drain(now);
        let mut lease = bucket.lease(cost, time(bytes));
        let _ = lease.try_acquire(now);
        lease.give_back(now);
        let _ = bucket.available(now);
        let _ = bucket.configure(Rate::new(cost, now), cost);
    }
}

fn leaky_bucket(bytes: &mut Bytes<'_>) {
    let bucket = LeakyBucket::try_new(Rate::per_second(7), 5).expect("a good quota");
    while !bytes.is_empty() {
        scribble(&bucket, bytes);
        let (now, cost) = (time(bytes), bytes.setting(0, 8));
        if let Ok(reservation) = bucket.reserve_many(cost, time(bytes), now) {
            bucket.cancel(reservation, time(bytes));
        }
        let _ = bucket.try_acquire_many(cost, now);
        bucket.refund(cost, now);
        let _ = bucket.available(now);
    }
}

fn fixed_window(bytes: &mut Bytes<'_>) {
    let limiter = FixedWindowRateLimiter::try_new(5, Nanos::from_secs(1)).expect("good settings");
    while !bytes.is_empty() {
        scribble(&limiter, bytes);
        let (now, cost) = (time(bytes), bytes.setting(0, 8));
        let _ = limiter.try_acquire_many(cost, now);
        limiter.refund(cost, now);
        assert!(limiter.available(now) <= limiter.limit());
        let _ = limiter.set_limit(cost);
    }
}

fn sliding_counter(bytes: &mut Bytes<'_>) {
    let limiter =
        SlidingCounterRateLimiter::try_new(5, Nanos::from_secs(1)).expect("good settings");
    while !bytes.is_empty() {
        scribble(&limiter, bytes);
        let (now, cost) = (time(bytes), bytes.setting(0, 8) as u32);
        let _ = limiter.try_acquire_many(cost, now);
        limiter.refund(cost, now);
        let _ = limiter.available(now);
        let _ = limiter.set_limit(cost);
    }
}

fn sliding_log(bytes: &mut Bytes<'_>) {
    let limiter = SlidingWindowRateLimiter::<5>::try_new(5, Nanos::from_secs(1)).expect("good");
    while !bytes.is_empty() {
        scribble(&limiter, bytes);
        let now = time(bytes);
        let _ = limiter.try_acquire_many(bytes.setting(0, 8) as u32, now);
        assert!(limiter.available(now) <= 5);
    }
}

fn concurrency(bytes: &mut Bytes<'_>) {
    let limit = ConcurrencyLimit::try_new(5).expect("good settings");
    while !bytes.is_empty() {
        scribble(&limit, bytes);
        if limit.acquire_raw().is_ok() {
            assert!(limit.in_flight() <= limit.limit(), "K1");
            assert!(limit.release_raw());
        }
        let _ = limit.set_limit(bytes.setting(0, 8) as u32);
    }
}

fn adaptive(bytes: &mut Bytes<'_>) {
    let algorithm = bytes.one_of(&[Algorithm::Aimd, Algorithm::Vegas, Algorithm::Gradient2]);
    let config = AdaptiveLimitConfig::new(algorithm);
    let limit = AdaptiveLimit::try_new(config).expect("good settings");
    while !bytes.is_empty() {
        scribble(&limit, bytes);
        let (started, now) = (time(bytes), time(bytes));
        let _ = limit.acquire_raw();
        limit.release_raw(started, bytes.outcome(), now);
        let _ = limit.baseline();
        limit.configure(config).expect("good settings");
        assert!(limit.limit() > 0, "its operator mends a limit of zero");
    }
}

fn codel(bytes: &mut Bytes<'_>) {
    let queue = CoDel::try_new(CoDel::TARGET, CoDel::INTERVAL).expect("good settings");
    while !bytes.is_empty() {
        scribble(&queue, bytes);
        let _ = queue.is_served(time(bytes), time(bytes));
        let _ = queue.is_shedding();
        let _ = queue.configure(time(bytes), time(bytes));
    }
}

fn throttle(bytes: &mut Bytes<'_>) {
    let throttle =
        ClientThrottle::<4>::try_new(ClientThrottleConfig::new()).expect("good settings");
    while !bytes.is_empty() {
        scribble(&throttle, bytes);
        let now = time(bytes);
        let _ = throttle.try_acquire(now);
        throttle.accepted(time(bytes));
        throttle.refused(now);
        let share = throttle.rejection_share(now);
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}

fn retry_budget(bytes: &mut Bytes<'_>) {
    let budget = RetryBudget::<4>::try_new(0.2, 3, Nanos::from_secs(4)).expect("good settings");
    while !bytes.is_empty() {
        scribble(&budget, bytes);
        let now = time(bytes);
        budget.deposit(now);
        let _ = budget.withdraw(time(bytes));
        let _ = budget.available(now);
    }
}

fn keyed(bytes: &mut Bytes<'_>) {
    let when_full = bytes.one_of(&[WhenFull::Reject, WhenFull::ShareOverflow]);
    let limiter =
        KeyedRateLimiter::<8>::try_new(Rate::per_second(3), 4, when_full).expect("a good quota");
    while !bytes.is_empty() {
        scribble(&limiter, bytes);
        let (now, key) = (time(bytes), bytes.within(0, 20));
        let cost = bytes.setting(0, 5);
        let _ = limiter.try_acquire_many(key, cost, now);
        limiter.refund(key, cost, now);
        let _ = limiter.available(key, now);
        assert!(limiter.live(now) <= limiter.capacity());
    }
}
