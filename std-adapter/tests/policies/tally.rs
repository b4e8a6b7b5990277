//! O1: each policy counts what became of its calls.

use crate::drops::STEP;
use fuseboard::telemetry::{OUTCOMES, Registry, Tally, prometheus_text};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, Backoff, CallError, Chaos, ChaosConfig,
    CircuitBreaker, CircuitBreakerConfig, ClientThrottle, ClientThrottleConfig, CoDel, Coalesce,
    ConcurrencyLimit, ConcurrencyQueue, Failover, FallbackService, Hedge, LastGood, LoadShedding,
    OrElse, Pipeline, PolicyKind, Progress, Rate, RateLimit, Retry, RetryBudget, RetryConfig, Saga,
    TaskIsolation, ThreadIsolation, Timeout, TokenBucketRateLimiter, TokioClock, Verdict,
};
use std::time::Duration;

type Script = ScriptedService<u32, &'static str>;

/// What it counted, in the order of its table.
fn counted(tally: &Tally) -> Vec<u64> {
    tally.outcomes().map(|(_, calls)| calls).collect()
}

fn script<const N: usize>(lines: [Scripted<u32, &'static str>; N]) -> Script {
    Script::new(lines)
}

const OK: Scripted<u32, &str> = Scripted::Answer(Ok(1));
const FAILS: Scripted<u32, &str> = Scripted::Answer(Err("down"));

#[tokio::test(start_paused = true)]
async fn o1_a_timeout_counts_what_it_cut_off_alone_and_in_a_pipeline() {
    let timeout = Timeout::new(STEP).unwrap();
    let service = script([OK, FAILS, Scripted::Hang]);
    for _ in 0..4 {
        // A clone counts with it.
        let _ = timeout.clone().call(service.call()).await;
    }
    assert_eq!(counted(timeout.tally()), [2, 2]);

    // The breaker inside cuts the call off in the timeout's name.
    let pipeline = Pipeline::builder()
        .timeout(STEP)
        .breaker(CircuitBreaker::new("any", CircuitBreakerConfig::default()))
        .build()
        .unwrap();
    let registry = Registry::new();
    registry.add_pipeline("users", &pipeline);
    let service = script([OK, Scripted::Hang]);
    for _ in 0..3 {
        let _ = pipeline.call(|| service.call()).await;
    }
    let report = registry.report();
    assert_eq!(report.tallies.len(), 1);
    assert_eq!(report.tallies[0].outcomes, [("ended", 1), ("timed_out", 2)]);
    // An inner timeout is not the outer one's.
    let pipeline = Pipeline::builder()
        .timeout(STEP * 9)
        .timeout(STEP)
        .build()
        .unwrap();
    registry.add_pipeline("users", &pipeline);
    let _ = pipeline.call(|| service.call()).await;
    let outcomes: Vec<_> = registry
        .report()
        .tallies
        .into_iter()
        .map(|tally| tally.outcomes)
        .collect();
    assert_eq!(
        outcomes,
        [
            [("ended", 1), ("timed_out", 0)],
            [("ended", 0), ("timed_out", 1)]
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn o1_a_retry_counts_how_its_calls_ended_and_their_attempts() {
    let config = || RetryConfig {
        max_attempts: 2,
        backoff: Backoff::constant(STEP),
        ..Default::default()
    };
    let retry = Retry::new(config()).unwrap();
    let service = script([OK, FAILS, OK, FAILS]);
    for _ in 0..3 {
        let _ = retry.call(|| service.call()).await;
    }
    assert_eq!(counted(retry.tally()), [1, 1, 1, 0, 0]);
    assert_eq!(retry.tally().attempts(), Some(5));

    let budget = RetryBudget::new(0.0, 1, Duration::from_secs(1)).unwrap();
    while budget.available() > 0 {
        budget.withdraw().unwrap();
    }
    let no_budget = Retry::new(RetryConfig {
        budget: Some(budget),
        ..config()
    });
    let no_time = Retry::new(RetryConfig {
        deadline: Some(STEP / 2),
        ..config()
    });
    for (retry, expected) in [(no_budget, [0, 0, 0, 1, 0]), (no_time, [0, 0, 0, 0, 1])] {
        let retry = retry.unwrap();
        let _ = retry.call(|| service.call()).await;
        assert_eq!(counted(retry.tally()), expected);
    }
    let patient = Retry::new(config()).unwrap();
    let asks_for_an_hour = |_: Result<&u32, &&str>| {
        Verdict::FAILURE.with_retry_after(Some(Duration::from_secs(3_600)))
    };
    let _ = patient
        .call_with(&asks_for_an_hour, || service.call())
        .await;
    assert_eq!(counted(patient.tally()), [0, 0, 0, 0, 1]);
    // Without futures too.
    let blocking = Retry::new(config()).unwrap();
    let _ = blocking.call_blocking(&fuseboard::ByResult, || Ok::<_, ()>(1));
    assert_eq!(counted(blocking.tally()), [1, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn o1_a_hedge_counts_which_attempt_ended_its_calls() {
    let hedge = Hedge::new(STEP).unwrap();
    let fast = script([OK]);
    let slow_then_fast = script([Scripted::Hang, OK]);
    let both_slow = script([
        Scripted::After(STEP * 2, Ok(1)),
        Scripted::After(STEP * 2, Ok(2)),
    ]);
    // The second attempt is the only one left when the first has failed.
    let fails_late = script([
        Scripted::After(STEP * 2, Err("down")),
        Scripted::After(STEP * 3, Ok(2)),
    ]);
    for service in [fast, slow_then_fast, both_slow, fails_late] {
        let _ = hedge.call(|| service.call()).await;
    }
    assert_eq!(counted(hedge.tally()), [1, 1, 2]);
    assert_eq!(hedge.tally().attempts(), Some(7));
}

#[tokio::test(start_paused = true)]
async fn o1_a_failover_counts_whose_end_was_taken_and_the_endpoints_asked() {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let endpoints = Failover::with_clock(["a", "b"], config, TokioClock)
        .unwrap()
        .max_ejected(1.0)
        .unwrap();
    let service = script([OK, FAILS, OK, FAILS]);
    for _ in 0..5 {
        let _ = endpoints.call(|_| service.call()).await;
    }
    // One each, then all fail until both breakers are open.
    let [first, other, failed, rejected] = counted(endpoints.tally())[..] else {
        panic!("four outcomes");
    };
    assert_eq!((first, other), (1, 1));
    assert!(failed >= 1 && rejected >= 1, "{:?}", endpoints.tally());
    assert_eq!(first + other + failed + rejected, 5);
    let asked = u64::from(service.calls());
    assert_eq!(endpoints.tally().attempts(), Some(asked));
}

#[tokio::test(start_paused = true)]
async fn o1_a_fallback_counts_who_answered_and_a_cache_what_was_there() {
    let stand_in = async |request: u32, failed: Result<u32, CallError<&'static str>>| match request
    {
        0 => failed,
        _ => Ok(9),
    };
    let primary = async |request: u32| {
        if request > 1 {
            Ok(request)
        } else {
            Err("down")
        }
    };
    let breaker = CircuitBreaker::new("any", CircuitBreakerConfig::default());
    let service = FallbackService::new(primary, OrElse(stand_in), breaker);
    for request in [2, 3, 4, 1, 1, 0] {
        let _ = service.call(request).await;
    }
    assert_eq!(counted(service.tally()), [3, 2, 1]);

    let seen = LastGood::with_clock(9, STEP, TokioClock).unwrap();
    seen.store(1, "one");
    assert_eq!((seen.last(&1), seen.last(&2)), (Some("one"), None));
    assert_eq!(seen.last(&1), Some("one"));
    tokio::time::advance(STEP * 2).await;
    assert_eq!(seen.last(&1), None);
    assert_eq!(counted(seen.tally()), [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn o1_coalescing_counts_what_was_made_and_what_joined() {
    let coalesce = Coalesce::new();
    let service = script([Scripted::After(STEP, Ok(1))]);
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (coalesce, service) = (coalesce.clone(), service.clone());
            tokio::spawn(async move { coalesce.call("key", || service.call()).await })
        })
        .collect();
    for call in calls {
        let _ = call.await.unwrap();
    }
    assert_eq!(counted(coalesce.tally()), [1, 4]);
}

#[tokio::test(start_paused = true)]
async fn o1_limits_of_places_count_who_was_admitted_waited_and_was_rejected() {
    let queue = ConcurrencyQueue::new(1)
        .unwrap()
        .max_waiting(1)
        .max_wait(STEP * 2);
    drop(queue.acquire().await.unwrap());
    let held = queue.acquire().await.unwrap();
    let waits = tokio::spawn({
        let queue = queue.clone();
        async move { queue.acquire().await.is_ok() }
    });
    tokio::task::yield_now().await;
    assert!(queue.acquire().await.is_err(), "the line is full");
    assert!(queue.try_acquire().is_err());
    drop(held);
    assert!(waits.await.unwrap());
    let held = queue.try_acquire().unwrap();
    assert!(queue.acquire().await.is_err(), "it waits for too long");
    assert_eq!(counted(queue.tally()), [3, 1, 3, 0]);
    drop(held);

    let codel = CoDel::with_clock(STEP, STEP * 2, TokioClock).unwrap();
    let served = |late: u32| {
        let (codel, enqueued) = (codel.clone(), codel.stamp());
        async move {
            tokio::time::advance(STEP * late).await;
            codel.is_served(enqueued)
        }
    };
    assert!(served(0).await && served(3).await);
    assert!(!served(3).await);
    assert_eq!(counted(codel.tally()), [2, 1]);
    // The law is shedding: whoever has waited long enough now is next.
    tokio::time::advance(STEP * 9).await;
    let line = queue.clone().shed_by(codel.clone()).max_wait(STEP * 99);
    let held = line.try_acquire().unwrap();
    let waits = tokio::spawn(async move { line.acquire().await.is_ok() });
    tokio::task::yield_now().await;
    tokio::time::advance(STEP * 3).await;
    drop(held);
    assert!(!waits.await.unwrap());
    assert_eq!(counted(queue.tally()), [4, 1, 3, 1]);

    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    assert!(limit.try_acquire().is_err() && limit.clone().try_acquire().is_err());
    assert_eq!(
        counted(limit.tally()),
        [0, 0, 2, 0],
        "admissions are not counted"
    );
    drop(held);

    let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
        .initial_limit(1)
        .max_limit(1);
    let adaptive = AdaptiveLimit::with_clock(config, TokioClock).unwrap();
    let shedding = LoadShedding::adaptive(adaptive.clone(), 0.5).unwrap();
    let held = shedding.try_acquire(255).unwrap();
    assert!(adaptive.try_acquire().is_err());
    assert!(shedding.try_acquire(255).is_err());
    assert_eq!(counted(adaptive.tally()), [1, 2]);
    assert_eq!(counted(shedding.tally()), [1, 1]);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn o1_rates_and_throttles_count_who_was_admitted_waited_and_was_rejected() {
    let bucket = TokenBucketRateLimiter::with_clock(Rate::per_second(100), 2, TokioClock).unwrap();
    let limit = RateLimit::new(bucket).max_wait(STEP);
    limit.acquire(1).await.unwrap();
    limit.acquire(1).await.unwrap();
    limit.clone().acquire(1).await.unwrap();
    assert!(limit.acquire(2).await.is_err());
    assert_eq!(counted(limit.tally()), [2, 1, 1]);

    let config = ClientThrottleConfig::new().minimum_requests(0);
    let throttle = ClientThrottle::with_clock(config, TokioClock).unwrap();
    let service = script([FAILS]);
    for _ in 0..50 {
        let _ = throttle.call(service.call()).await;
    }
    let admitted = u64::from(service.calls());
    assert_eq!(counted(throttle.tally()), [admitted, 50 - admitted]);
    assert!(admitted < 50);
}

#[tokio::test(start_paused = true)]
async fn o1_isolation_counts_what_ended_panicked_was_left_and_was_rejected() {
    let runtime = tokio::runtime::Handle::current();
    let tasks = TaskIsolation::new(ConcurrencyQueue::new(1).unwrap(), runtime);
    let service = script([OK, Scripted::Panic]);
    for _ in 0..2 {
        let (tasks, service) = (tasks.clone(), service.clone());
        let call =
            tokio::spawn(async move { tasks.call(async move { service.call().await }).await });
        let _ = call.await;
    }
    let hangs = tokio::spawn({
        let tasks = tasks.clone();
        async move { tasks.call(std::future::pending::<Result<(), ()>>()).await }
    });
    tokio::task::yield_now().await;
    assert!(tasks.call(async { Ok::<_, ()>(()) }).await.is_err());
    assert_eq!(counted(tasks.tally()), [1, 1, 0, 1]);
    hangs.abort();

    let threads = ThreadIsolation::new("tally", 1, 1).unwrap();
    let long = Duration::from_secs(60);
    assert_eq!(threads.call_blocking(long, || Ok::<_, ()>(7)), Ok(7));
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let left = threads.call_blocking(Duration::from_nanos(1), move || {
        let _ = gate.recv();
        Ok::<_, ()>(7)
    });
    assert!(left.unwrap_err().is_timed_out());
    drop(release);
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    // One may be on the thread and one in the queue: no place for the third.
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (threads, gate) = (threads.clone(), gate.clone());
            let hangs = move || {
                let _ = gate.lock().unwrap().recv();
                Ok::<_, ()>(7)
            };
            tokio::spawn(async move { threads.call(hangs).await })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(release);
    let mut rejected = 0;
    for call in calls {
        rejected += u64::from(call.await.unwrap().is_err());
    }
    assert!(rejected >= 1);
    assert_eq!(counted(threads.tally()), [1 + 3 - rejected, 0, 1, rejected]);
}

#[tokio::test(start_paused = true)]
async fn o1_chaos_and_sagas_count_what_they_did() {
    let config = ChaosConfig {
        faults: 0.5,
        seed: Some(7),
        ..Default::default()
    };
    let chaos = Chaos::new(config).unwrap();
    let service = script([OK]);
    let _ = chaos.call(service.call()).await;
    assert_eq!(counted(chaos.tally()), [0, 0, 0], "it is off");
    chaos.switch(true);
    for _ in 0..20 {
        let _ = chaos.call(service.call()).await;
    }
    let passed = u64::from(service.calls()) - 1;
    assert_eq!(counted(chaos.tally()), [passed, 20 - passed, 0]);
    assert!((1..20).contains(&passed));

    let saga = Saga::new().step(
        "step",
        async |order: u32| if order == 0 { Ok(()) } else { Err(order) },
        async |order: u32| if order == 1 { Ok(()) } else { Err(order) },
    );
    for order in [0, 0, 0, 1, 1, 2] {
        let _ = saga.run(order, Progress::START, |_| ()).await;
    }
    assert_eq!(counted(saga.tally()), [3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn o1_a_registry_tells_apart_policies_and_names_and_adds_up_beyond_its_bound() {
    let registry = Registry::with_series_limit(1);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 99)
        .retry(RetryConfig::default())
        .timeout(STEP)
        .build()
        .unwrap();
    registry.add_pipeline("users", &pipeline);
    let service = script([OK]);
    let _ = pipeline.call(|| service.call()).await;
    let (orders, mails) = (Timeout::new(STEP).unwrap(), Timeout::new(STEP).unwrap());
    registry.add_tally("orders", orders.tally());
    registry.add_tally("mails", mails.tally());
    for timeout in [&orders, &mails] {
        let _ = timeout.call(service.call()).await;
    }
    let text = prometheus_text(&registry.report());
    for line in [
        r#"fuseboard_policy_calls_total{fuseboard_name="users",policy="timeout",outcome="ended"} 2"#,
        r#"fuseboard_policy_calls_total{fuseboard_name="users",policy="retry",outcome="once"} 1"#,
        r#"fuseboard_policy_calls_total{fuseboard_name="_other",policy="timeout",outcome="ended"} 2"#,
        r#"fuseboard_policy_attempts_total{fuseboard_name="users",policy="retry"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(registry.remove("users"));
    assert!(!prometheus_text(&registry.report()).contains("retry"));
    // What limits places brings its tally.
    let queue = ConcurrencyQueue::new(1).unwrap();
    registry.add_concurrency_queue("database", &queue);
    let throttle = ClientThrottle::new(ClientThrottleConfig::new()).unwrap();
    registry.add_throttle("backend", &throttle);
    let bucket = TokenBucketRateLimiter::new(Rate::per_second(100), 1);
    let admission = Pipeline::builder()
        .throttle(throttle.clone())
        .rate_limit(RateLimit::new(bucket))
        .concurrency(queue)
        .build()
        .unwrap();
    registry.add_pipeline("mails", &admission);
    let policies: Vec<_> = registry
        .report()
        .tallies
        .iter()
        .map(|tally| tally.policy)
        .collect();
    assert_eq!(
        policies,
        [
            PolicyKind::Timeout,
            PolicyKind::Timeout,
            PolicyKind::Concurrency,
            PolicyKind::Throttle,
            // Of the pipeline.
            PolicyKind::Throttle,
            PolicyKind::Concurrency,
            PolicyKind::RateLimit
        ]
    );
    assert!(
        prometheus_text(&registry.report())
            .contains(r#"fuseboard_throttle_rejection_share_ratio{fuseboard_name="backend"} 0"#)
    );
}

#[test]
fn o1_every_outcome_has_a_name_of_its_own() {
    for row in OUTCOMES {
        let mut names: Vec<_> = row.outcomes.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), row.outcomes.len(), "{}", row.policy);
    }
    let mut policies: Vec<_> = OUTCOMES.iter().map(|row| row.policy.as_str()).collect();
    policies.sort_unstable();
    policies.dedup();
    assert_eq!(policies.len(), OUTCOMES.len());
}
