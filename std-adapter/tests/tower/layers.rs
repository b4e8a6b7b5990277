use crate::drops::STEP;
use crate::{answer, breaker, rejected_by, script, scripted};
use fuseboard::testing::Scripted;
use fuseboard::tower::{
    AdaptiveLayer, BoxError, BreakerLayer, ChaosLayer, FallbackLayer, HedgeLayer, IsolationLayer,
    PipelineLayer, Refused, RetryLayer, SheddingLayer, ThrottleLayer, TimeoutLayer, refused,
};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Backoff, Chaos, ChaosConfig, CircuitState,
    ClientThrottle, ClientThrottleConfig, ConcurrencyQueue, Hedge, LastGood, LoadShedding,
    NotRepeatable, OrValue, Pipeline, PolicyKind, Retry, RetryConfig, TaskIsolation, Timeout,
    TokioClock, Verdict,
};
use std::time::Duration;
use tower::{Layer, Service, ServiceExt};

fn retry(max_attempts: u32) -> RetryConfig {
    RetryConfig {
        max_attempts,
        backoff: Backoff::constant(STEP),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_shared_by_clones_and_rejects_in_the_response() {
    let breaker = breaker(2);
    let script = script([answer(Err("no")), answer(Err("no")), answer(Ok(7))]);
    let mut service = BreakerLayer::new(breaker.clone()).layer(scripted(&script));
    let mut clone = service.clone();
    for service in [&mut service, &mut clone] {
        let error = service.ready().await.unwrap().call(1).await.unwrap_err();
        assert_eq!(error.to_string(), "no");
    }
    assert_eq!(breaker.state(), CircuitState::Open);
    // Ready, and holding nothing.
    let ready = service.ready().await.unwrap();
    let error = ready.call(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Breaker));
    assert!(refused(&*error).and_then(Refused::retry_after).is_some());
    assert_eq!(script.calls(), 2);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(clone.ready().await.unwrap().call(1).await.unwrap(), 7);
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_layers_inside_say_is_judged_for_what_it_is() {
    // A timeout is a failure, a rejection is none.
    let breaker = breaker(20);
    let script = script([Scripted::Hang, answer(Ok(1))]);
    let shedding = LoadShedding::fixed(1, 0.5).unwrap();
    let service = tower::ServiceBuilder::new()
        .layer(BreakerLayer::new(breaker.clone()))
        .layer(SheddingLayer::new(shedding.clone(), |_: &u32| 255))
        .layer(TimeoutLayer::new(Timeout::new(STEP).unwrap()))
        .service(scripted(&script));
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert!(refused(&*error).unwrap().is_timed_out());
    assert_eq!(breaker.stats().failures, 1);
    let held = shedding.try_acquire(255).unwrap();
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Shedding));
    drop(held);
    assert_eq!(service.oneshot(1).await.unwrap(), 1);
    assert_eq!((breaker.stats().calls, breaker.stats().failures), (2, 1));
    assert_eq!(shedding.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_no_failure_is_classified_by_its_type() {
    let breaker = breaker(1);
    let no_failure = |result: Result<&u32, &BoxError>| match result {
        Err(error) if error.is::<std::io::Error>() => Verdict::SUCCESS,
        _ => Verdict::FAILURE,
    };
    let script = script([answer(Err("not found"))]);
    let layer = BreakerLayer::new(breaker.clone()).classify(no_failure);
    let service = layer.layer(scripted(&script));
    assert!(service.oneshot(1).await.is_err());
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn priorities_come_from_the_request() {
    let shedding = LoadShedding::fixed(2, 0.5).unwrap();
    let script = script([answer(Ok(1))]);
    let priority = |request: &u32| if *request > 100 { 255 } else { 0 };
    let service = SheddingLayer::new(shedding.clone(), priority).layer(scripted(&script));
    let _held = shedding.try_acquire(255).unwrap();
    let error = service.clone().oneshot(7).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Shedding));
    assert_eq!(service.oneshot(700).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_learns_from_responses() {
    let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
        .initial_limit(1)
        .max_limit(1);
    let limit = AdaptiveLimit::with_clock(config, TokioClock).unwrap();
    let script = script([Scripted::After(STEP, Ok(1))]);
    let service = AdaptiveLayer::new(limit.clone()).layer(scripted(&script));
    let first = tokio::spawn(service.clone().oneshot(1));
    tokio::task::yield_now().await;
    let error = service.oneshot(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Adaptive));
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_learns_from_responses_and_not_from_what_is_rejected_inside() {
    let config = ClientThrottleConfig::new().minimum_requests(10);
    let throttle = ClientThrottle::with_clock(config, TokioClock).unwrap();
    let script = script([answer(Ok(1)), answer(Err("overloaded")), Scripted::Hang]);
    let shedding = LoadShedding::fixed(1, 0.5).unwrap();
    let service = tower::ServiceBuilder::new()
        .layer(ThrottleLayer::new(throttle.clone()))
        .layer(SheddingLayer::new(shedding.clone(), |_: &u32| 255))
        .layer(TimeoutLayer::new(Timeout::new(STEP).unwrap()))
        .service(scripted(&script));
    for expected in [(1, 1), (2, 1), (3, 1)] {
        let _ = service.clone().oneshot(1).await;
        assert_eq!(throttle.counts(), expected);
    }
    let held = shedding.try_acquire(255).unwrap();
    let error = service.clone().oneshot(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Shedding));
    assert_eq!(throttle.counts(), (3, 1));
    drop(held);
    for _ in 0..100 {
        let _ = throttle.call(async { Err::<(), _>(()) }).await;
    }
    let mut by_throttle = 0;
    for _ in 0..20 {
        let error = service.clone().oneshot(1).await.unwrap_err();
        by_throttle += usize::from(rejected_by(&error) == Some(PolicyKind::Throttle));
    }
    assert!(by_throttle > 10, "{by_throttle}");
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_clone_the_request() {
    let failing = script([answer(Err("no")), answer(Err("no")), answer(Ok(3))]);
    let service = RetryLayer::new(Retry::new(retry(3)).unwrap()).layer(scripted(&failing));
    assert_eq!(service.oneshot(1).await.unwrap(), 3);
    let failing = script([answer(Err("no")), answer(Ok(3))]);
    let layer = RetryLayer::new(Retry::new(retry(3)).unwrap()).classify(NotRepeatable);
    assert!(layer.layer(scripted(&failing)).oneshot(1).await.is_err());
    assert_eq!(failing.calls(), 1);

    let slow = script([Scripted::Hang, answer(Ok(2))]);
    let service = HedgeLayer::new(Hedge::new(STEP).unwrap()).layer(scripted(&slow));
    assert_eq!(service.oneshot(1).await.unwrap(), 2);
    assert_eq!((slow.calls(), slow.in_flight()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stand_in_answers_and_learns() {
    let down = script([answer(Err("down"))]);
    let service = FallbackLayer::new(OrValue(9)).layer(scripted(&down));
    assert_eq!(service.oneshot(1).await.unwrap(), 9);

    let once = script([answer(Ok(5)), answer(Err("down"))]);
    let seen = LastGood::new(9, Duration::from_secs(60)).unwrap();
    let mut service = FallbackLayer::new(seen).layer(scripted(&once));
    for _ in 0..2 {
        assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 5);
    }
    let error = service.ready().await.unwrap().call(2).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
}

#[tokio::test(start_paused = true)]
async fn chaos_and_isolation_are_layers_too() {
    let script = script([answer(Ok(1))]);
    let chaos = Chaos::new(ChaosConfig {
        faults: 1.0,
        ..Default::default()
    })
    .unwrap();
    let runtime = tokio::runtime::Handle::current();
    let isolation = TaskIsolation::new(ConcurrencyQueue::new(1).unwrap(), runtime);
    let service = tower::ServiceBuilder::new()
        .layer(IsolationLayer::new(isolation.clone()))
        .layer(ChaosLayer::new(chaos.clone()))
        .service(scripted(&script));
    assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
    chaos.switch(true);
    let error = service.oneshot(1).await.unwrap_err();
    assert!(matches!(refused(&*error), Some(Refused::Injected)));
    assert_eq!((script.calls(), isolation.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_is_one_layer() {
    let breaker = breaker(4);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 90)
        .retry(retry(3))
        .breaker(breaker.clone())
        .timeout(STEP * 2)
        .build()
        .unwrap();
    let script = script([
        Scripted::Hang,
        answer(Err("no")),
        answer(Ok(1)),
        answer(Err("no")),
    ]);
    let mut service = PipelineLayer::new(pipeline).layer(scripted(&script));
    assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 1);
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Breaker));
    assert_eq!(script.calls(), 4);
}
