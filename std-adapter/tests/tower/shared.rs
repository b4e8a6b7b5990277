//! Layers that decide where, and how often, a request is made.

use crate::drops::{STEP, at_every_point, panics, poll};
use crate::{Script, answer, rejected_by, script, scripted};
use fuseboard::testing::Scripted;
use fuseboard::tower::{
    BoxError, CoalesceLayer, FailoverLayer, LimiterLayer, Refused, SharedError, TimeoutLayer,
    refused,
};
use fuseboard::{
    CircuitBreaker, CircuitBreakerConfig, CircuitState, Clock, Failover, Keyed, ManualClock, Nanos,
    NotRepeatable, Outcome, PolicyKind, Rate, Timeout, TokioClock,
};
use std::pin::pin;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

type Endpoints = Failover<&'static str, TokioClock>;
type Probed = Failover<&'static str, &'static ManualClock>;
type Boxed = BoxCloneSyncService<u32, u32, BoxError>;

fn config(minimum_requests: u64) -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        minimum_requests,
        half_open_requests: 1,
        ..Default::default()
    }
}

fn endpoints(minimum_requests: u64) -> Endpoints {
    Failover::with_clock(["near", "far"], config(minimum_requests), TokioClock).unwrap()
}

/// Two endpoints with a script each.
fn two<C>(endpoints: &Failover<&'static str, C>, near: &Script, far: &Script) -> Boxed
where
    C: Clock + Send + Sync + 'static,
{
    let (near, far) = (near.clone(), far.clone());
    let direct = |name: &&'static str, request: u32| (*name, request);
    BoxCloneSyncService::new(FailoverLayer::new(endpoints.clone(), direct).layer(
        tower::service_fn(move |(name, request): (&'static str, u32)| {
            let script = if name == "near" { &near } else { &far };
            scripted(script).call(request)
        }),
    ))
}

fn states(endpoints: &Endpoints) -> Vec<CircuitState> {
    endpoints.breakers().map(CircuitBreaker::state).collect()
}

#[tokio::test(start_paused = true)]
async fn the_next_endpoint_answers_and_one_that_keeps_failing_is_left_alone() {
    let endpoints = endpoints(2);
    let (near, far) = (script([answer(Err("down"))]), script([answer(Ok(7))]));
    let service = two(&endpoints, &near, &far);
    for _ in 0..5 {
        // Clones share the breakers.
        assert_eq!(service.clone().oneshot(1).await.unwrap(), 7);
    }
    assert_eq!((near.calls(), far.calls()), (2, 5));
    assert_eq!(
        states(&endpoints),
        [CircuitState::Open, CircuitState::Closed]
    );
}

#[tokio::test(start_paused = true)]
async fn an_end_that_may_not_be_repeated_stays_where_it_was() {
    let endpoints = endpoints(9);
    let failing = script([answer(Err("half done"))]);
    let direct = |_: &&'static str, request: u32| request;
    let layer = FailoverLayer::new(endpoints.clone(), direct).classify(NotRepeatable);
    let error = layer.layer(scripted(&failing)).oneshot(1).await;
    assert_eq!(error.unwrap_err().to_string(), "half done");
    assert_eq!(failing.calls(), 1);
    let failures: Vec<_> = endpoints
        .breakers()
        .map(|breaker| breaker.stats().failures)
        .collect();
    assert_eq!(failures, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn x1_what_a_layer_inside_rejects_is_no_failure_of_an_endpoint() {
    let endpoints = endpoints(1);
    // One request for each endpoint.
    let limit = Keyed::token_buckets(Rate::per_hour(1), 1, 9).unwrap();
    let by_endpoint = |request: &(&'static str, u32)| request.0.to_owned();
    let working = script([answer(Ok(1))]);
    let inner = scripted(&working);
    let service = tower::ServiceBuilder::new()
        .layer(FailoverLayer::new(
            endpoints.clone(),
            |name: &&'static str, request: u32| (*name, request),
        ))
        .layer(LimiterLayer::new(limit, by_endpoint))
        .service(tower::service_fn(move |(_, request): (&str, u32)| {
            inner.clone().call(request)
        }));
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
    }
    let error = service.oneshot(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::RateLimit));
    assert_eq!(working.calls(), 2);
    assert_eq!(
        states(&endpoints),
        [CircuitState::Closed, CircuitState::Closed]
    );
    let calls: u64 = endpoints
        .breakers()
        .map(|breaker| breaker.snapshot().totals.calls)
        .sum();
    assert_eq!(calls, 2);
}

#[tokio::test(start_paused = true)]
async fn b10_when_all_endpoints_are_left_alone_the_rejection_is_the_response() {
    let endpoints = endpoints(1).max_ejected(1.0).unwrap();
    let down = script([answer(Err("down"))]);
    let mut service = two(&endpoints, &down, &down);
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Failover));
    assert!(refused(&*error).and_then(Refused::retry_after).is_some());
    assert_eq!(down.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_no_endpoint_keeps_a_probe() {
    let make = || {
        let clock: &'static ManualClock = Box::leak(Box::default());
        let endpoints = Failover::with_clock(["near", "far"], config(1), clock).unwrap();
        for breaker in endpoints.breakers() {
            let permit = breaker.try_acquire().unwrap();
            permit.settle(Outcome::Failure);
        }
        // Each of them is asked by a probe.
        clock.advance(Nanos::from_secs(3_600));
        let near = script([Scripted::After(STEP * 2, Err("late".to_owned()))]);
        let far = script([Scripted::After(STEP * 2, Ok(1))]);
        let service = two(&endpoints, &near, &far);
        ((endpoints, near, far), service.oneshot(1))
    };
    let check = |(endpoints, near, far): &(Probed, Script, Script), at: &str| {
        assert_eq!((near.in_flight(), far.in_flight()), (0, 0), "{at}");
        for breaker in endpoints.breakers() {
            assert_eq!(breaker.snapshot().in_flight, 0, "{at}");
        }
    };
    assert!(at_every_point(make, check).await > 4);
}

/// Even requests are equal, odd ones are made each by itself.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a layer's key is asked of a borrowed request"
)]
fn even(request: &u32) -> Option<u32> {
    request.is_multiple_of(2).then_some(*request)
}

#[tokio::test(start_paused = true)]
async fn equal_requests_are_one_call_and_those_without_a_key_are_not() {
    let script = script([Scripted::After(STEP, Ok(7))]);
    let service = CoalesceLayer::new(even).layer(scripted(&script));
    let ask =
        |requests: [u32; 8]| requests.map(|request| tokio::spawn(service.clone().oneshot(request)));
    for call in ask([2, 2, 2, 4, 4, 2, 2, 4]) {
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
    assert_eq!(script.calls(), 2);
    for call in ask([1, 1, 1, 1, 3, 3, 3, 3]) {
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
    assert_eq!(script.calls(), 2 + 8);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_have_the_error_and_what_a_policy_inside_said() {
    let broken = script([Scripted::After(STEP, Err("broken".to_owned()))]);
    let service = CoalesceLayer::new(even).layer(scripted(&broken));
    let calls = [2, 2].map(|request| tokio::spawn(service.clone().oneshot(request)));
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "broken");
        let shared: &SharedError = error.downcast_ref().unwrap();
        assert!(shared.get_ref().is::<std::io::Error>());
    }
    assert_eq!(broken.calls(), 1);

    let hanging = script([Scripted::Hang]);
    let service = tower::ServiceBuilder::new()
        .layer(CoalesceLayer::new(even))
        .layer(TimeoutLayer::new(Timeout::new(STEP).unwrap()))
        .service(scripted(&hanging));
    let calls = [2, 2].map(|request| tokio::spawn(service.clone().oneshot(request)));
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(refused(&*error).is_some_and(Refused::is_timed_out));
    }
    assert_eq!(hanging.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn k5_when_whoever_makes_the_call_is_dropped_another_makes_its_own() {
    let script = script([Scripted::Hang, answer(Ok(2))]);
    let service = CoalesceLayer::new(even).layer(scripted(&script));
    let mut waits = pin!(service.clone().oneshot(2));
    {
        let mut first = pin!(service.clone().oneshot(2));
        assert!(poll(first.as_mut()).await.is_pending());
        assert!(poll(waits.as_mut()).await.is_pending());
        assert_eq!(script.calls(), 1);
    }
    assert_eq!(waits.await.unwrap(), 2);
    assert_eq!(script.calls(), 2);
    let panicking = crate::script([Scripted::Panic, answer(Ok(3))]);
    let service = CoalesceLayer::new(even).layer(scripted(&panicking));
    assert!(panics(service.clone().oneshot(2)).await);
    assert_eq!(service.oneshot(2).await.unwrap(), 3);
}
