use crate::drops::{STEP, at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Backoff, CallError, CallOptions, Chaos,
    ChaosConfig, CircuitBreaker, CircuitBreakerConfig, CircuitState, ConcurrencyQueue, Hedge,
    LoadShedding, NotRepeatable, Pipeline, PipelineError, PolicyKind, Rate, RateLimit, RetryConfig,
    TokenBucketRateLimiter, TokioClock,
};
use std::time::Duration;
use tokio::time::Instant;

type Breaker = CircuitBreaker<TokioClock>;
type Bucket = TokenBucketRateLimiter<TokioClock>;
type Script = ScriptedService<u32, &'static str>;

fn breaker(minimum_requests: u64) -> Breaker {
    let config = CircuitBreakerConfig {
        minimum_requests,
        half_open_requests: 1,
        ..Default::default()
    };
    CircuitBreaker::with_clock("test", config, TokioClock).unwrap()
}

fn bucket(burst: u64) -> Bucket {
    Bucket::with_clock(Rate::per_hour(1), burst, TokioClock).unwrap()
}

fn retry(max_attempts: u32) -> RetryConfig {
    RetryConfig {
        max_attempts,
        backoff: Backoff::constant(STEP),
        ..Default::default()
    }
}

fn answer(result: Result<u32, &'static str>) -> Scripted<u32, &'static str> {
    Scripted::Answer(result)
}

fn rejected_by(error: &CallError<&'static str>) -> Option<PolicyKind> {
    match error {
        CallError::Rejected { policy, .. } => Some(*policy),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn the_usual_pipeline_repeats_ends_what_hangs_and_opens() {
    let breaker = breaker(4);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 100)
        .retry(retry(3))
        .breaker(breaker.clone())
        .timeout(STEP * 5)
        .build()
        .unwrap();
    assert_eq!(pipeline.warnings(), []);
    let service = Script::new([
        Scripted::Hang,
        answer(Err("no")),
        answer(Ok(7)),
        Scripted::Hang,
    ]);
    let started = Instant::now();
    assert_eq!(pipeline.call(|| service.call()).await, Ok(7));
    // One attempt to its limit, two pauses.
    assert_eq!((service.calls(), started.elapsed()), (3, STEP * 7));
    assert_eq!(breaker.stats().failures, 2);
    // The fourth failure of five opens it: the retry is rejected, and the next call is not made.
    let error = pipeline.call(|| service.call()).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Breaker));
    assert_eq!((service.calls(), breaker.state()), (4, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn x1_what_one_policy_rejects_costs_the_others_nothing() {
    let (breaker, bucket, queue) = (breaker(1), bucket(2), ConcurrencyQueue::new(1).unwrap());
    let pipeline = Pipeline::builder()
        .breaker(breaker.clone())
        .concurrency(queue.clone())
        .rate_limit(RateLimit::new(bucket.clone()))
        .build()
        .unwrap();
    let service = Script::new([answer(Err("no")), answer(Ok(1))]);
    // The queue rejects: no token, no call.
    let held = queue.try_acquire().unwrap();
    let error = pipeline.call(|| service.call()).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Concurrency));
    assert_eq!(
        (bucket.available(), breaker.snapshot().totals.calls),
        (2, 0)
    );
    drop(held);
    // It opens; the breaker rejects: no token, no place.
    assert!(pipeline.call(|| service.call()).await.is_err());
    assert_eq!(breaker.state(), CircuitState::Open);
    let error = pipeline.call(|| service.call()).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Breaker));
    assert_eq!((bucket.available(), queue.in_flight()), (1, 0));
    // Its time is over, but the rate limit rejects: the only probe's place is not taken, and the breaker knows nothing of it.
    tokio::time::advance(Duration::from_secs(30)).await;
    bucket.try_acquire().unwrap();
    let error = pipeline.call(|| service.call()).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::RateLimit));
    assert_eq!(breaker.state(), CircuitState::Open);
    assert_eq!((breaker.snapshot().in_flight, queue.in_flight()), (0, 0));
    bucket.reset();
    assert_eq!(pipeline.call(|| service.call()).await, Ok(1));
    assert_eq!(breaker.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn x1_what_an_inner_policy_rejects_before_the_call_the_outer_ones_take_back() {
    let (bucket, queue) = (bucket(5), ConcurrencyQueue::new(1).unwrap());
    let pipeline = Pipeline::builder()
        .rate_limit(RateLimit::new(bucket.clone()))
        .timeout(STEP)
        .concurrency(queue.clone())
        .build()
        .unwrap();
    let service = Script::new([Scripted::Hang]);
    let held = queue.try_acquire().unwrap();
    assert!(
        pipeline
            .call(|| service.call())
            .await
            .unwrap_err()
            .is_rejected()
    );
    assert_eq!(bucket.available(), 5);
    drop(held);
    assert!(
        pipeline
            .call(|| service.call())
            .await
            .unwrap_err()
            .is_timed_out()
    );
    assert_eq!(bucket.available(), 4, "the operation was called");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_counts_what_an_outer_timeout_cuts_off_unless_it_had_hardly_begun() {
    for (delay, failures) in [(0, 1), (6, 0)] {
        let breaker = breaker(20);
        let service = Script::new([Scripted::Hang]);
        let pipeline = Pipeline::builder()
            .timeout(STEP * 10)
            .retry(retry(2))
            .breaker(breaker.clone())
            .build()
            .unwrap();
        assert_eq!(pipeline.warnings().len(), 1, "{:?}", pipeline.warnings());
        let call = pipeline.call(|| async {
            if service.calls() == 0 && delay > 0 {
                tokio::time::sleep(STEP * delay).await;
                let _ = tokio::time::timeout(Duration::ZERO, service.call()).await;
                return Err("late");
            }
            service.call().await
        });
        assert!(call.await.unwrap_err().is_timed_out());
        let own = u64::from(delay > 0);
        assert_eq!(breaker.stats().failures, failures + own);
        assert_eq!(breaker.snapshot().totals.calls, failures + own);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_pause_for_what_could_not_begin_in_time() {
    let service = Script::new([answer(Err("no"))]);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 2)
        .retry(retry(9))
        .build()
        .unwrap();
    let started = Instant::now();
    // The error is the operation's own, and nobody waited for the timeout.
    let error = pipeline.call(|| service.call()).await;
    assert_eq!(error, Err(CallError::OperationFailed("no")));
    assert_eq!((service.calls(), started.elapsed()), (2, STEP));
}

#[tokio::test(start_paused = true)]
async fn classification_is_one_for_all_policies() {
    let breaker = breaker(20);
    let pipeline = Pipeline::builder()
        .classify(NotRepeatable)
        .retry(retry(9))
        .breaker(breaker.clone())
        .build()
        .unwrap();
    let service = Script::new([answer(Err("no"))]);
    assert!(pipeline.call(|| service.call()).await.is_err());
    assert_eq!((service.calls(), breaker.stats().failures), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn priority_and_cost_are_the_calls_own() {
    let bucket = bucket(5);
    let shedding = LoadShedding::fixed(2, 0.5).unwrap();
    let pipeline = Pipeline::builder()
        .shedding(shedding.clone())
        .rate_limit(RateLimit::new(bucket.clone()))
        .build()
        .unwrap();
    let service = Script::new([answer(Ok(1))]);
    let _held = shedding.try_acquire(255).unwrap();
    let low = CallOptions {
        priority: 0,
        cost: 3,
        ..Default::default()
    };
    let error = pipeline
        .call_with(low, || service.call())
        .await
        .unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Shedding));
    let high = CallOptions {
        priority: 255,
        ..low
    };
    assert_eq!(pipeline.call_with(high, || service.call()).await, Ok(1));
    assert_eq!(bucket.available(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_rejected_does_not_end_the_attempt_beside_it() {
    let breaker = breaker(1);
    let pipeline = Pipeline::builder()
        .hedge(Hedge::new(STEP).unwrap())
        .breaker(breaker.clone())
        .build()
        .unwrap();
    let service = Script::new([Scripted::After(STEP * 3, Ok(1))]);
    let call = pipeline.call(|| {
        // By the time of the second attempt somebody has opened it.
        if service.calls() == 0 {
            let breaker = breaker.clone();
            tokio::spawn(async move { breaker.force_open() });
        }
        service.call()
    });
    assert_eq!(call.await, Ok(1));
    assert_eq!(service.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_open_ends_the_retries_at_once() {
    let pipeline = Pipeline::builder()
        .retry(retry(9))
        .breaker(breaker(2))
        .build()
        .unwrap();
    let service = Script::new([answer(Err("no"))]);
    let started = Instant::now();
    let error = pipeline.call(|| service.call()).await.unwrap_err();
    assert_eq!(rejected_by(&error), Some(PolicyKind::Breaker));
    assert_eq!((service.calls(), started.elapsed()), (2, STEP * 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_safe_to_repeat_is_made_once() {
    let hedge = Hedge::new(STEP).unwrap();
    let pipeline = Pipeline::builder()
        .retry(retry(9))
        .hedge(hedge)
        .build()
        .unwrap();
    let service = Script::new([Scripted::After(STEP * 5, Err("no"))]);
    let once = CallOptions {
        is_repeatable: false,
        ..Default::default()
    };
    let error = pipeline.call_with(once, || service.call()).await;
    assert_eq!(
        (error, service.calls()),
        (Err(CallError::OperationFailed("no")), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn faults_of_chaos_are_failures_that_are_repeated_and_counted() {
    let chaos = Chaos::new(ChaosConfig {
        faults: 1.0,
        ..Default::default()
    })
    .unwrap();
    chaos.switch(true);
    let breaker = breaker(20);
    let pipeline = Pipeline::builder()
        .retry(retry(3))
        .breaker(breaker.clone())
        .chaos(chaos.clone())
        .build()
        .unwrap();
    let service = Script::new([answer(Ok(1))]);
    assert_eq!(
        pipeline.call(|| service.call()).await,
        Err(CallError::Injected)
    );
    assert_eq!((service.calls(), breaker.stats().failures), (0, 3));
    chaos.switch(false);
    assert_eq!(pipeline.call(|| service.call()).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_everything_is_back() {
    let adaptive = AdaptiveLimitConfig::new(Algorithm::Aimd);
    let make = || {
        let (breaker, bucket) = (breaker(1), bucket(1));
        let queue = ConcurrencyQueue::new(1).unwrap().max_waiting(1);
        let adaptive = AdaptiveLimit::with_clock(adaptive, TokioClock).unwrap();
        let held = queue.try_acquire().unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(STEP * 3).await;
            drop(held);
        });
        let pipeline = Pipeline::builder()
            .timeout(STEP * 90)
            .retry(retry(2))
            .hedge(Hedge::new(STEP * 4).unwrap())
            .adaptive(adaptive.clone())
            .breaker(breaker.clone())
            .concurrency(queue.clone())
            .rate_limit(RateLimit::new(bucket.clone()))
            .build()
            .unwrap();
        let service = Script::new([Scripted::After(STEP * 6, Ok(1))]);
        let state = (breaker, bucket, queue, adaptive, service.clone());
        (state, async move { pipeline.call(|| service.call()).await })
    };
    let check = |(breaker, bucket, queue, adaptive, service): &(
        Breaker,
        Bucket,
        ConcurrencyQueue,
        AdaptiveLimit,
        Script,
    ),
                 at: &str| {
        assert_eq!(service.in_flight(), 0, "{at}");
        assert_eq!(adaptive.in_flight(), 0, "{at}");
        assert_eq!(queue.waiting(), 0, "{at}");
        assert_eq!(breaker.snapshot().totals.failures, 0, "{at}");
        assert_eq!(
            bucket.available(),
            1 - u64::from(service.calls() > 0),
            "{at}"
        );
        queue.set_limit(2).unwrap();
        assert!(queue.in_flight() <= 1, "{at}");
    };
    assert!(at_every_point(make, check).await > 8);
}

#[tokio::test(start_paused = true)]
async fn p2_a_panic_in_the_call_gives_everything_back() {
    let (breaker, queue) = (breaker(1), ConcurrencyQueue::new(1).unwrap());
    let pipeline = Pipeline::builder()
        .timeout(STEP * 9)
        .retry(retry(2))
        .breaker(breaker.clone())
        .concurrency(queue.clone())
        .build()
        .unwrap();
    let service = Script::new([Scripted::Panic]);
    assert!(panics(pipeline.call(|| service.call())).await);
    assert_eq!(
        (queue.in_flight(), breaker.snapshot().totals.failures),
        (0, 0)
    );
    assert_eq!(service.calls(), 1);
}

#[test]
fn orders_that_defeat_themselves_are_errors_and_doubtful_ones_are_told() {
    let hedge = || Hedge::new(STEP * 5).unwrap();
    let chaos = || Chaos::new(ChaosConfig::default()).unwrap();
    let queue = || ConcurrencyQueue::new(1).unwrap();
    for (builder, outer, inner) in [
        (
            Pipeline::builder().retry(retry(3)).retry(retry(3)),
            "retry",
            "retry",
        ),
        (
            Pipeline::builder().timeout(STEP).timeout(STEP),
            "timeout",
            "timeout",
        ),
        (
            Pipeline::builder().timeout(STEP).hedge(hedge()),
            "timeout",
            "hedge",
        ),
        (
            Pipeline::builder().hedge(hedge()).timeout(STEP),
            "hedge",
            "timeout",
        ),
        (
            Pipeline::builder().hedge(hedge()).retry(retry(3)),
            "hedge",
            "retry",
        ),
        (
            Pipeline::builder().chaos(chaos()).timeout(STEP),
            "chaos",
            "timeout",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        let named = format!("pipeline: {inner} inside of {outer}: ");
        assert!(error.starts_with(&named), "{error}");
    }
    assert_eq!(
        Pipeline::builder().build().unwrap_err(),
        PipelineError::Empty
    );
    let error = Pipeline::builder()
        .timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("pipeline: timeout: timeout is 0"),
        "{error}"
    );

    for (builder, outer, inner) in [
        (
            Pipeline::builder().breaker(breaker(1)).retry(retry(3)),
            "breaker",
            "retry",
        ),
        (
            Pipeline::builder().concurrency(queue()).retry(retry(3)),
            "concurrency",
            "retry",
        ),
        (
            Pipeline::builder().timeout(STEP).retry(retry(3)),
            "timeout",
            "retry",
        ),
        (
            Pipeline::builder()
                .rate_limit(RateLimit::new(bucket(1)))
                .retry(retry(3)),
            "rate_limit",
            "retry",
        ),
    ] {
        let pipeline = builder.build().unwrap();
        let warning = pipeline.warnings().first().expect("a warning").to_string();
        assert!(
            warning.starts_with(&format!("{inner} inside of {outer}: ")),
            "{warning}"
        );
        assert_eq!(pipeline.warnings().len(), 1);
    }
}

#[tokio::test]
async fn a_call_can_be_spawned() {
    let pipeline = Pipeline::builder()
        .retry(retry(2))
        .breaker(breaker(1))
        .build()
        .unwrap();
    let task = tokio::spawn(async move { pipeline.call(async || Ok::<_, ()>(7)).await });
    assert_eq!(task.await.unwrap(), Ok(7));
}
