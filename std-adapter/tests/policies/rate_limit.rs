use crate::drops::{STEP, at_every_point, panics, poll};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    CallError, PolicyKind, Rate, RateLimit, Reason, TokenBucketRateLimiter, TokioClock,
};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

type Bucket = TokenBucketRateLimiter<TokioClock>;

/// Ten a second, one at once.
fn bucket() -> Bucket {
    Bucket::with_clock(Rate::per_second(10), 1, TokioClock).unwrap()
}

fn limit(max_wait: u64) -> RateLimit {
    RateLimit::new(bucket()).max_wait(Duration::from_millis(max_wait))
}

#[tokio::test(start_paused = true)]
async fn l11_who_comes_first_goes_first_each_at_its_own_time() {
    let limit = limit(1_000);
    let started = Instant::now();
    let mut turns = Vec::new();
    for caller in 0..5_u32 {
        let limit = limit.clone();
        turns.push(tokio::spawn(async move {
            limit.acquire(1).await.unwrap();
            (caller, started.elapsed())
        }));
        tokio::task::yield_now().await;
    }
    for (caller, turn) in (0..).zip(turns) {
        assert_eq!(
            turn.await.unwrap(),
            (caller, Duration::from_millis(100) * caller)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn l8_a_wait_that_would_be_too_long_is_refused_at_once() {
    let limit = limit(150);
    let started = Instant::now();
    limit.acquire(1).await.unwrap();
    let mut second = pin!(limit.acquire(1));
    assert!(poll(second.as_mut()).await.is_pending());
    let rejected = limit.acquire(1).await.unwrap_err();
    assert_eq!(rejected.reason, Reason::Limited);
    assert_eq!(
        rejected.retry_after.map(Duration::from),
        Some(Duration::from_millis(50))
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(limit.acquire(2).await.unwrap_err().reason, Reason::Never);
}

#[tokio::test(start_paused = true)]
async fn k5_who_gives_up_gives_the_tokens_back() {
    let make = || {
        let bucket = bucket();
        bucket.try_acquire().unwrap();
        let limit = RateLimit::new(bucket.clone()).max_wait(Duration::from_secs(1));
        (bucket, async move { limit.acquire(1).await })
    };
    let check = |bucket: &Bucket, at: &str| {
        // Only the first token is gone, or, when it was acquired to the end, the second one too.
        let wait = bucket.reserve(1, Duration::from_secs(9)).unwrap().wait();
        assert!(
            Duration::from(wait) <= Duration::from_millis(100),
            "{at}: {wait}"
        );
    };
    assert!(at_every_point(make, check).await > 5);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_was_begun_has_spent_its_token_however_it_ends() {
    let bucket = bucket();
    let limit = RateLimit::new(bucket.clone());
    let service = ScriptedService::<(), ()>::new([Scripted::Panic]);
    assert!(panics(limit.call(service.call())).await);
    assert_eq!(bucket.available(), 0);
    match limit.call(service.call()).await {
        Err(CallError::Rejected { policy, reason, .. }) => {
            assert_eq!((policy, reason), (PolicyKind::RateLimit, Reason::Limited));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(service.calls(), 1);
    tokio::time::advance(STEP * 10).await;
    assert_eq!(bucket.available(), 1);
}
