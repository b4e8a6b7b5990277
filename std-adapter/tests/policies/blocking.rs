//! Pipelines in code without futures.

use crate::drops::STEP;
use fuseboard::{
    Backoff, CallError, CallOptions, Chaos, ChaosConfig, CircuitBreaker, CircuitBreakerConfig,
    CircuitState, ConcurrencyQueue, Hedge, LoadShedding, ManualClock, Pipeline, PolicyKind, Rate,
    RateLimit, RetryConfig, TokenBucketRateLimiter,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

fn retry(max_attempts: u32) -> RetryConfig {
    RetryConfig {
        max_attempts,
        backoff: Backoff::constant(Duration::from_nanos(1)),
        ..Default::default()
    }
}

fn breaker() -> CircuitBreaker {
    let config = CircuitBreakerConfig {
        minimum_requests: 4,
        ..Default::default()
    };
    CircuitBreaker::new("any", config)
}

/// Counts its calls; those before `first_good` fail.
struct Dependency {
    calls: AtomicU32,
    first_good: u32,
}

impl Dependency {
    fn new(first_good: u32) -> Self {
        let calls = AtomicU32::new(0);
        Self { calls, first_good }
    }

    fn call(&self) -> Result<u32, &'static str> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call < self.first_good {
            Err("down")
        } else {
            Ok(call)
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[test]
fn a_thread_goes_through_all_policies_and_repeats_until_the_breaker_opens() {
    let breaker = breaker();
    let pipeline = Pipeline::builder()
        .timeout(STEP * 9_000)
        .retry(retry(3))
        .breaker(breaker.clone())
        .concurrency(ConcurrencyQueue::new(1).unwrap().max_waiting(1))
        .build()
        .unwrap();
    let recovers = Dependency::new(3);
    assert_eq!(pipeline.call_blocking(|| recovers.call()), Ok(3));
    let down = Dependency::new(u32::MAX);
    let error = pipeline.call_blocking(|| down.call()).unwrap_err();
    assert!(
        error.to_string().starts_with("not called (breaker)"),
        "{error}"
    );
    assert_eq!((breaker.state(), down.calls()), (CircuitState::Open, 1));
}

#[test]
fn what_it_calls_may_drive_another_pipeline_or_runtime() {
    let pipeline = Pipeline::builder()
        .timeout(STEP * 9_000)
        .retry(retry(2))
        .build()
        .unwrap();
    let inner = Dependency::new(2);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(async { 7 })
    };
    let answer = pipeline.call_blocking(|| {
        let seven = runtime();
        pipeline
            .call_blocking(|| inner.call())
            .map(|call| call + seven)
    });
    assert_eq!(answer, Ok(2 + 7));
    assert_eq!(inner.calls(), 2);
}

#[test]
fn k5_a_thread_waits_in_line_for_its_place_and_no_longer_than_its_timeout() {
    let queue = ConcurrencyQueue::new(1).unwrap().max_waiting(9);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 9_000)
        .concurrency(queue.clone())
        .build()
        .unwrap();
    let held = queue.try_acquire().unwrap();
    let waits = thread::spawn(move || pipeline.call_blocking(|| Ok::<_, ()>(7)));
    while queue.waiting() == 0 {
        thread::yield_now();
    }
    drop(held);
    assert_eq!(waits.join().unwrap(), Ok(7));

    let hasty = Pipeline::builder()
        .timeout(Duration::from_millis(1))
        .concurrency(queue.clone())
        .build()
        .unwrap();
    let held = queue.try_acquire().unwrap();
    let answer = hasty.call_blocking(|| Ok::<_, ()>(7));
    assert!(answer.unwrap_err().is_timed_out());
    assert_eq!(queue.waiting(), 0);
    drop(held);
}

#[test]
fn a_call_that_hangs_by_chaos_ends_with_its_timeout_and_a_hedge_makes_one_attempt() {
    let hanging = Chaos::new(ChaosConfig {
        hangs: 1.0,
        ..Default::default()
    });
    let hanging = hanging.unwrap();
    hanging.switch(true);
    let pipeline = Pipeline::builder()
        .timeout(Duration::from_millis(1))
        .chaos(hanging)
        .build()
        .unwrap();
    let dependency = Dependency::new(1);
    let answer = pipeline.call_blocking(|| dependency.call());
    let limit = Duration::from_millis(1);
    assert_eq!(answer, Err(CallError::TimedOut { limit }));
    assert_eq!(dependency.calls(), 0);

    let hedged = Pipeline::builder()
        .hedge(Hedge::new(Duration::from_nanos(1)).unwrap())
        .build()
        .unwrap();
    assert_eq!(hedged.call_blocking(|| dependency.call()), Ok(1));
    assert_eq!(dependency.calls(), 1);
}

#[test]
fn priority_cost_and_repetition_are_the_calls_own() {
    let clock = ManualClock::default();
    let bucket = TokenBucketRateLimiter::with_clock(Rate::per_second(1), 5, clock).unwrap();
    let shedding = LoadShedding::fixed(2, 0.5).unwrap();
    let pipeline = Pipeline::builder()
        .shedding(shedding.clone())
        .retry(retry(3))
        .rate_limit(RateLimit::new(bucket))
        .build()
        .unwrap();
    let down = Dependency::new(u32::MAX);
    let call = |priority, cost| {
        let options = CallOptions {
            priority,
            cost,
            is_repeatable: false,
        };
        pipeline.call_blocking_with(options, || down.call())
    };
    let held = shedding.try_acquire(255).unwrap();
    let rejected_by = |answer: Result<u32, CallError<&str>>| match answer {
        Err(CallError::Rejected { policy, .. }) => Some(policy),
        _ => None,
    };
    assert_eq!(rejected_by(call(0, 4)), Some(PolicyKind::Shedding));
    assert_eq!(call(255, 4), Err(CallError::OperationFailed("down")));
    assert_eq!(rejected_by(call(255, 4)), Some(PolicyKind::RateLimit));
    assert_eq!(down.calls(), 1, "made once");
    drop(held);
    assert_eq!(shedding.in_flight(), 0);
}

#[test]
fn p2_a_panic_goes_on_in_the_caller_and_gives_everything_back() {
    let breaker = breaker();
    let queue = ConcurrencyQueue::new(1).unwrap();
    let pipeline = Pipeline::builder()
        .breaker(breaker.clone())
        .concurrency(queue.clone())
        .build()
        .unwrap();
    let panics = std::panic::AssertUnwindSafe(|| {
        pipeline.call_blocking(|| -> Result<(), ()> { panic!("as asked") })
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(queue.in_flight(), 0);
    assert_eq!(breaker.snapshot().totals.failures, 0);
    assert_eq!(pipeline.call_blocking(|| Ok::<_, ()>(7)), Ok(7));
}
