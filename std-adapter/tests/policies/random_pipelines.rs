//! Random pipelines around random behaviour, some callers of which give up: limits hold, budgets hold, and everything comes back.

use crate::drops::STEP;
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Backoff, CircuitBreaker, CircuitBreakerConfig,
    ConcurrencyQueue, Hedge, LoadShedding, Pipeline, PipelineBuilder, Rate, RateLimit, RetryBudget,
    RetryConfig, TokenBucketRateLimiter, TokioClock,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

type Script = ScriptedService<u32, &'static str>;

#[derive(Clone, Copy, Debug)]
enum Part {
    Timeout(u32),
    Retry(u32),
    Hedge(u32),
    Breaker,
    RateLimit(u32),
    Queue(u32, usize),
    Adaptive,
    Shedding(u32),
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        (1..60_u32).prop_map(Part::Timeout),
        (1..5_u32).prop_map(Part::Retry),
        (1..9_u32).prop_map(Part::Hedge),
        Just(Part::Breaker),
        prop_oneof![Just(0), 1..20_u32].prop_map(Part::RateLimit),
        (1..4_u32, 0..4_usize).prop_map(|(limit, line)| Part::Queue(limit, line)),
        Just(Part::Adaptive),
        (1..4_u32).prop_map(Part::Shedding),
    ]
}

fn line() -> impl Strategy<Value = Scripted<u32, &'static str>> {
    prop_oneof![
        3 => Just(Scripted::Answer(Ok(1))),
        2 => Just(Scripted::Answer(Err("no"))),
        3 => (0..12_u32).prop_map(|steps| Scripted::After(STEP * steps, Ok(1))),
        2 => (0..12_u32).prop_map(|steps| Scripted::After(STEP * steps, Err("no"))),
        1 => Just(Scripted::Hang),
        1 => Just(Scripted::Panic),
    ]
}

/// Each caller begins at a step, and perhaps gives up at a later one.
fn callers() -> impl Strategy<Value = Vec<(u32, Option<u32>)>> {
    vec(
        (0..20_u32, proptest::option::weighted(0.3, 0..40_u32)),
        1..24,
    )
}

const BURST: u64 = 40;
/// Extra attempts for each call.
const RATIO: u32 = 2;

/// Handles of what is in the pipeline, and what it may do at most.
struct Watched {
    breakers: Vec<CircuitBreaker<TokioClock>>,
    queues: Vec<ConcurrencyQueue>,
    adaptive: Vec<AdaptiveLimit>,
    shedding: Vec<LoadShedding>,
    buckets: Vec<TokenBucketRateLimiter<TokioClock>>,
    /// Most calls of the operation at once.
    at_once: u32,
    /// Most calls of the operation for one call of the pipeline.
    attempts: u32,
    has_timeout: bool,
}

fn build(parts: &[Part]) -> Option<(Pipeline, Watched)> {
    let mut watched = Watched {
        breakers: Vec::new(),
        queues: Vec::new(),
        adaptive: Vec::new(),
        shedding: Vec::new(),
        buckets: Vec::new(),
        at_once: u32::MAX,
        attempts: 1,
        has_timeout: false,
    };
    let mut builder = Pipeline::builder();
    for part in parts {
        builder = add(builder, *part, &mut watched);
    }
    Some((builder.build().ok()?, watched))
}

fn add(builder: PipelineBuilder, part: Part, watched: &mut Watched) -> PipelineBuilder {
    let budget = || RetryBudget::new(f64::from(RATIO), 0, Duration::from_secs(100_000)).unwrap();
    match part {
        Part::Timeout(steps) => {
            watched.has_timeout = true;
            builder.timeout(STEP * steps)
        }
        Part::Retry(max_attempts) => {
            watched.attempts *= max_attempts;
            builder.retry(RetryConfig {
                max_attempts,
                backoff: Backoff::constant(STEP),
                budget: Some(budget()),
                ..Default::default()
            })
        }
        Part::Hedge(steps) => {
            watched.attempts *= 2;
            // What holds one place inside of which two attempts are made.
            watched.at_once = watched.at_once.saturating_mul(2);
            builder.hedge(Hedge::new(STEP * steps).unwrap().budget(budget()))
        }
        Part::Breaker => {
            let config = CircuitBreakerConfig {
                minimum_requests: 3,
                open_timeout: STEP * 5,
                half_open_requests: 1,
                ..Default::default()
            };
            let breaker = CircuitBreaker::with_clock("test", config, TokioClock).unwrap();
            watched.breakers.push(breaker.clone());
            builder.breaker(breaker)
        }
        Part::RateLimit(steps) => {
            let rate = Rate::per_hour(1);
            let bucket = TokenBucketRateLimiter::with_clock(rate, BURST, TokioClock).unwrap();
            // Where callers wait, one who gives up leaves to those behind what they rely on.
            if steps == 0 {
                watched.buckets.push(bucket.clone());
            }
            builder.rate_limit(RateLimit::new(bucket).max_wait(STEP * steps))
        }
        Part::Queue(limit, line) => {
            let queue = ConcurrencyQueue::new(limit).unwrap().max_waiting(line);
            watched.at_once = watched.at_once.min(limit);
            watched.queues.push(queue.clone());
            builder.concurrency(queue)
        }
        Part::Adaptive => {
            let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
                .initial_limit(3)
                .max_limit(5);
            let limit = AdaptiveLimit::with_clock(config, TokioClock).unwrap();
            watched.at_once = watched.at_once.min(5);
            watched.adaptive.push(limit.clone());
            builder.adaptive(limit)
        }
        Part::Shedding(limit) => {
            let shedding = LoadShedding::fixed(limit, 0.5).unwrap();
            watched.at_once = watched.at_once.min(limit);
            watched.shedding.push(shedding.clone());
            builder.shedding(shedding)
        }
    }
}

/// All calls on paused time; gives how many ended by themselves.
async fn play(pipeline: &Pipeline, service: &Script, callers: &[(u32, Option<u32>)]) -> usize {
    let mut calls = tokio::task::JoinSet::new();
    for &(begins, gives_up) in callers {
        let (pipeline, service) = (pipeline.clone(), service.clone());
        calls.spawn(async move {
            tokio::time::sleep(STEP * begins).await;
            let call = pipeline.call(|| service.call());
            match gives_up {
                Some(steps) => drop(tokio::time::timeout(STEP * steps, call).await),
                None => drop(call.await),
            }
        });
    }
    let mut ended = 0;
    let all = async {
        while calls.join_next().await.is_some() {
            ended += 1;
        }
    };
    // Far beyond every pause, wait and timeout there is.
    let _ = tokio::time::timeout(Duration::from_secs(3_600), all).await;
    calls.shutdown().await;
    ended
}

fn check(
    parts: &[Part],
    script: Vec<Scripted<u32, &'static str>>,
    callers: &[(u32, Option<u32>)],
) -> Result<(), TestCaseError> {
    let Some((pipeline, watched)) = build(parts) else {
        return Err(TestCaseError::reject("an order that defeats itself"));
    };
    // Only what is ended by somebody may hang.
    let script: Vec<_> = script
        .into_iter()
        .filter(|line| watched.has_timeout || *line != Scripted::Hang)
        .chain([Scripted::Answer(Ok(1))])
        .collect();
    let service = Script::new(script);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let ended = runtime.block_on(play(&pipeline, &service, callers));

    prop_assert_eq!(ended, callers.len(), "a call never ends");
    prop_assert!(
        service.most_in_flight() <= watched.at_once,
        "{} of {} at once",
        service.most_in_flight(),
        watched.at_once
    );
    let calls = u32::try_from(callers.len()).unwrap();
    prop_assert!(service.calls() <= calls * watched.attempts);
    prop_assert_eq!(service.in_flight(), 0);
    runtime.block_on(async {
        for queue in &watched.queues {
            prop_assert_eq!((queue.in_flight(), queue.waiting()), (0, 0));
        }
        for limit in &watched.adaptive {
            prop_assert_eq!(limit.in_flight(), 0);
        }
        for shedding in &watched.shedding {
            prop_assert_eq!(shedding.in_flight(), 0);
        }
        for breaker in &watched.breakers {
            prop_assert_eq!(breaker.snapshot().in_flight, 0);
        }
        for bucket in &watched.buckets {
            // Every token that did not reach a call of the operation is back.
            prop_assert!(bucket.available() + u64::from(service.calls()) >= BURST);
        }
        Ok(())
    })
}

/// More in deep runs.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(400),
        max_global_rejects: 1_000_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// K1, K2, P2, P6 and X1 of whole pipelines.
    #[test]
    fn x1_p6_whatever_happens_limits_and_budgets_hold_and_every_permit_comes_back(
        parts in vec(part(), 1..7),
        script in vec(line(), 1..40),
        callers in callers(),
    ) {
        check(&parts, script, &callers)?;
    }

    /// Attempts beyond the first are at most the budget's share of the calls.
    #[test]
    fn retries_and_hedges_stay_within_their_budget(
        attempts in 2..20_u32,
        script in vec(line(), 1..40),
        callers in callers(),
        is_hedge in any::<bool>(),
    ) {
        let budget = RetryBudget::new(0.5, 0, Duration::from_secs(100_000)).unwrap();
        let builder = Pipeline::builder();
        let builder = if is_hedge {
            builder.hedge(Hedge::new(STEP).unwrap().max_attempts(attempts).budget(budget))
        } else {
            let backoff = Backoff::constant(STEP);
            builder.retry(RetryConfig { max_attempts: attempts, backoff, budget: Some(budget), ..Default::default() })
        };
        let pipeline = builder.timeout(STEP * 30).build().unwrap();
        let service = Script::new(script.into_iter().chain([Scripted::Answer(Err("no"))]));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        prop_assert_eq!(runtime.block_on(play(&pipeline, &service, &callers)), callers.len());
        let calls = u32::try_from(callers.len()).unwrap();
        prop_assert!(service.calls() <= calls + calls / 2, "{} for {calls}", service.calls());
    }
}
