use crate::drops::STEP;
use crate::{answer, rejected_by, script, scripted};
use fuseboard::testing::Scripted;
use fuseboard::tower::{ConcurrencyLayer, RateLimitLayer, Refused, refused};
use fuseboard::{
    ConcurrencyQueue, PolicyKind, Rate, RateLimit, TokenBucketRateLimiter, TokioClock,
};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tower::{Layer, Service, ServiceExt};

async fn is_ready(service: &mut impl Service<u32>) -> bool {
    poll_fn(|context| Poll::Ready(service.poll_ready(context).is_ready())).await
}

#[tokio::test(start_paused = true)]
async fn p6_a_place_reserved_and_not_used_is_given_back() {
    let queue = ConcurrencyQueue::new(1).unwrap().max_waiting(8);
    let script = script([answer(Ok(1))]);
    let layer = ConcurrencyLayer::new(queue.clone());
    let mut first = layer.layer(scripted(&script));
    assert!(is_ready(&mut first).await);
    assert!(
        is_ready(&mut first).await,
        "asked again, it has one place and not two"
    );
    assert_eq!(queue.in_flight(), 1);
    // A clone has none, and waits.
    let mut second = first.clone();
    assert!(!is_ready(&mut second).await);
    assert_eq!(queue.waiting(), 1);
    drop(first);
    assert!(is_ready(&mut second).await);
    // Dropped while it waits, it leaves the line.
    let mut third = layer.layer(scripted(&script));
    assert!(!is_ready(&mut third).await);
    drop(third);
    assert_eq!((queue.in_flight(), queue.waiting()), (1, 0));
    assert_eq!(second.call(1).await.unwrap(), 1);
    assert_eq!(queue.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn k1_the_place_is_held_by_the_response_and_not_by_the_service() {
    let queue = ConcurrencyQueue::new(1).unwrap().max_waiting(8);
    let script = script([Scripted::After(STEP * 3, Ok(1))]);
    let mut service = ConcurrencyLayer::new(queue.clone()).layer(scripted(&script));
    let response = service.ready().await.unwrap().call(1);
    assert!(!is_ready(&mut service).await);
    drop(response);
    assert!(is_ready(&mut service).await);
    assert_eq!(service.call(1).await.unwrap(), 1);
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_line_is_told_by_the_response_and_the_service_goes_on() {
    let queue = ConcurrencyQueue::new(1).unwrap();
    let script = script([answer(Ok(1))]);
    let mut service = ConcurrencyLayer::new(queue.clone()).layer(scripted(&script));
    let held = queue.try_acquire().unwrap();
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Concurrency));
    drop(held);
    assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_reserved_and_not_used_is_given_back() {
    let bucket = TokenBucketRateLimiter::with_clock(Rate::per_second(10), 1, TokioClock).unwrap();
    let script = script([answer(Ok(1))]);
    let limit = RateLimit::new(bucket.clone()).max_wait(Duration::from_millis(150));
    let mut service = RateLimitLayer::new(limit).layer(scripted(&script));
    assert!(is_ready(&mut service).await);
    assert_eq!(bucket.available(), 0);
    drop(service.clone());
    drop(service);
    assert_eq!(bucket.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn l8_it_waits_for_its_turn_or_says_at_once_that_it_would_be_too_long() {
    let bucket = TokenBucketRateLimiter::with_clock(Rate::per_second(10), 1, TokioClock).unwrap();
    let script = script([answer(Ok(1))]);
    let limit = RateLimit::new(bucket).max_wait(Duration::from_millis(150));
    let mut service = RateLimitLayer::new(limit).layer(scripted(&script));
    let started = tokio::time::Instant::now();
    for turn in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 1);
        assert_eq!(started.elapsed(), Duration::from_millis(100) * turn);
    }
    let (mut waits, mut too_late) = (service.clone(), service);
    assert!(!is_ready(&mut waits).await);
    let error = too_late.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::RateLimit));
    let after = refused(&*error).and_then(Refused::retry_after);
    assert_eq!(after, Some(Duration::from_millis(50)));
    assert_eq!(waits.ready().await.unwrap().call(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "poll_ready")]
async fn a_service_that_was_not_asked_whether_it_is_ready_says_so() {
    let script = script([answer(Ok(1))]);
    let queue = ConcurrencyQueue::new(1).unwrap();
    let _ = ConcurrencyLayer::new(queue)
        .layer(scripted(&script))
        .call(1)
        .await;
}
