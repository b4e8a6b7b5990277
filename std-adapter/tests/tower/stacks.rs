use crate::drops::{STEP, at_every_point, panics};
use crate::{Breaker, Script, answer, breaker, script, scripted};
use fuseboard::testing::Scripted;
use fuseboard::tower::{
    AdaptiveLayer, BreakerLayer, ConcurrencyLayer, HedgeLayer, RateLimitLayer, RetryLayer,
    SheddingLayer, TimeoutLayer,
};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Backoff, ConcurrencyQueue, Hedge, LoadShedding,
    Rate, RateLimit, Retry, RetryConfig, Timeout, TokenBucketRateLimiter, TokioClock,
};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};

#[derive(Clone)]
struct Held {
    breaker: Breaker,
    queue: ConcurrencyQueue,
    adaptive: AdaptiveLimit,
    shedding: LoadShedding,
    script: Script,
}

type Stack = BoxCloneSyncService<u32, u32, fuseboard::tower::BoxError>;

/// All layers at once, around this script.
fn stack(script: Script) -> (Held, Stack) {
    let held = Held {
        breaker: breaker(1),
        queue: ConcurrencyQueue::new(2).unwrap().max_waiting(2),
        adaptive: AdaptiveLimit::with_clock(AdaptiveLimitConfig::new(Algorithm::Aimd), TokioClock)
            .unwrap(),
        shedding: LoadShedding::fixed(2, 0.5).unwrap(),
        script,
    };
    let bucket = TokenBucketRateLimiter::with_clock(Rate::per_second(50), 1, TokioClock).unwrap();
    let retry = Retry::new(RetryConfig {
        backoff: Backoff::constant(STEP),
        ..Default::default()
    });
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Timeout::new(STEP * 200).unwrap()))
        .layer(SheddingLayer::new(held.shedding.clone(), |_: &u32| 255))
        .layer(RetryLayer::new(retry.unwrap()))
        .layer(HedgeLayer::new(Hedge::new(STEP * 5).unwrap()))
        .layer(BreakerLayer::new(held.breaker.clone()))
        .layer(RateLimitLayer::new(
            RateLimit::new(bucket).max_wait(STEP * 10),
        ))
        .layer(AdaptiveLayer::new(held.adaptive.clone()))
        .layer(ConcurrencyLayer::new(held.queue.clone()))
        .layer(TimeoutLayer::new(Timeout::new(STEP * 50).unwrap()))
        .service(scripted(&held.script));
    (held, BoxCloneSyncService::new(service))
}

fn check(held: &Held, at: &str) {
    assert_eq!(held.script.in_flight(), 0, "{at}");
    assert_eq!(
        (held.queue.in_flight(), held.queue.waiting()),
        (0, 0),
        "{at}"
    );
    assert_eq!(held.adaptive.in_flight(), 0, "{at}");
    assert_eq!(held.shedding.in_flight(), 0, "{at}");
    assert_eq!(held.breaker.snapshot().in_flight, 0, "{at}");
    assert_eq!(held.breaker.snapshot().totals.failures, 0, "{at}");
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_of_a_whole_stack_everything_is_back() {
    let make = || {
        let (held, service) = stack(script([Scripted::After(STEP * 12, Ok(1))]));
        (held, service.oneshot(1))
    };
    assert!(at_every_point(make, check).await > 10);
}

#[tokio::test(start_paused = true)]
async fn p2_a_panic_inside_of_a_whole_stack_gives_everything_back() {
    let (held, service) = stack(script([Scripted::Panic]));
    assert!(panics(service.oneshot(1)).await);
    check(&held, "after the panic");
}

#[tokio::test(start_paused = true)]
async fn a_stack_can_be_spawned_many_times() {
    let (held, service) = stack(script([answer(Ok(7))]));
    let calls: Vec<_> = (0..2)
        .map(|call| tokio::spawn(service.clone().oneshot(call)))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
    check(&held, "after all calls");
}
