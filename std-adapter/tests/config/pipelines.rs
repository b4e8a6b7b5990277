//! All policies of one name around a call.

use fuseboard::config::{Config, Format, Policies};
use fuseboard::{CallError, PipelineError, PolicyKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn policies(text: &str) -> Policies {
    let config = Config::from_text(text, Format::Toml).unwrap_or_else(|error| panic!("{error}"));
    Policies::from_config(&config).unwrap_or_else(|error| panic!("{error}"))
}

const ALL: &str = "\
[timeouts.x]
limit = '10s'
attempt_limit = '1s'
[retries.x]
max_attempts = 3
jitter = 'none'
initial = '1ms'
[breakers.x]
window = { consecutive = 3 }
open_timeout = '1h'
[rate_limits.x]
rate = '1/h'
burst = 100
[concurrency.x]
limit = 1
";

fn rejected_by<T, E>(result: &Result<T, CallError<E>>) -> Option<PolicyKind> {
    match result {
        Err(CallError::Rejected { policy, .. }) => Some(*policy),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn every_policy_of_the_name_has_its_say() {
    let policies = policies(ALL);
    let pipeline = policies.pipeline("x").unwrap().build().unwrap();
    assert_eq!(pipeline.warnings(), []);
    assert_eq!(pipeline.call(|| async { Ok::<_, ()>(7) }).await.unwrap(), 7);

    // The place is taken: no other call, and what it took from the bucket is given back.
    let place = policies
        .concurrency_limit("x")
        .unwrap()
        .try_acquire()
        .unwrap();
    let left = policies.rate_limiter("x").unwrap().available();
    let full = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&full), Some(PolicyKind::Concurrency));
    assert_eq!(policies.rate_limiter("x").unwrap().available(), left);
    drop(place);

    // It hangs: each of three attempts is cut off, counted, and made again, until the breaker opens.
    let attempts = AtomicU32::new(0);
    let hung = pipeline
        .call(|| async {
            attempts.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Result<(), ()>>().await
        })
        .await;
    assert!(
        matches!(hung, Err(CallError::TimedOut { limit }) if limit == Duration::from_secs(1)),
        "{hung:?}"
    );
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    assert_eq!(policies.rate_limiter("x").unwrap().available(), left - 3);
    let open = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&open), Some(PolicyKind::Breaker));
    assert_eq!(policies.concurrency_limit("x").unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_from_the_budget_of_the_retries() {
    let policies = policies(
        "[hedges.x]\ndelay = '10ms'\nmax_attempts = 50\n[retries.x]\nmax_attempts = 1\nbudget_ratio = 0\n\
         budget_minimum_per_second = 1\nbudget_ttl = '5s'",
    );
    let pipeline = policies.pipeline("x").unwrap().build().unwrap();
    let attempts = AtomicU32::new(0);
    let call = pipeline.call(|| async {
        attempts.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok::<_, ()>(7)
    });
    assert_eq!(call.await.unwrap(), 7);
    // The first, and the five of the budget.
    assert_eq!(attempts.load(Ordering::Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_too_much_work_is_part_of_it_too() {
    let policies = policies(
        "[shedding.x]\nlimit = 9\n[queues.x]\nlimit = 1\nmax_waiting = 1\nmax_wait = '10ms'\n[adaptive.x]\n\
         [throttles.x]\nminimum_requests = 0\n[rate_limits.x]\nrate = '1/h'\nburst = 5\nmax_wait = '2h'",
    );
    let pipeline = policies.pipeline("x").unwrap().build().unwrap();
    assert_eq!(pipeline.warnings(), []);
    let queue = policies.queue("x").unwrap();
    let held = queue.try_acquire().unwrap();
    let waits = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { pipeline.call(|| async { Ok::<_, ()>(7) }).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(queue.waiting(), 1);
    let full = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&full), Some(PolicyKind::Concurrency));
    drop(held);
    assert_eq!(waits.await.unwrap(), Ok(7));
    let places = (0..9).map(|_| policies.load_shedding("x").unwrap().try_acquire(255));
    let places: Vec<_> = places.collect();
    let shed = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&shed), Some(PolicyKind::Shedding));
    drop(places);
    assert_eq!(policies.adaptive_limit("x").unwrap().in_flight(), 0);
    let throttle = policies.throttle("x").unwrap();
    assert_eq!(throttle.counts(), (1, 1));
    for _ in 0..200 {
        let _ = throttle.call(async { Err::<(), _>(()) }).await;
    }
    let mut throttled = 0;
    for _ in 0..20 {
        let answer = pipeline.call(|| async { Err::<(), _>(()) }).await;
        throttled += u32::from(rejected_by(&answer) == Some(PolicyKind::Throttle));
    }
    assert!(throttled > 10, "{throttled}");
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_turn_as_long_as_the_file_says() {
    let policies = policies("[rate_limits.x]\nrate = '1/h'\nburst = 1\nmax_wait = '90m'");
    let pipeline = policies.pipeline("x").unwrap().build().unwrap();
    for _ in 0..2 {
        // The bucket's clock is the system's, which does not pass with the paused one.
        assert_eq!(pipeline.call(|| async { Ok::<_, ()>(7) }).await, Ok(7));
    }
    let late = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&late), Some(PolicyKind::RateLimit));
}

#[test]
fn what_can_be_no_pipeline_says_why() {
    let policies =
        policies("[rate_limits.x]\nrate = '5/h'\nalgorithm = 'sliding_window'\n[breakers.x]");
    assert_eq!(
        policies.pipeline("nobody").err(),
        Some(PipelineError::Empty)
    );
    let error = policies.pipeline("x").err().unwrap().to_string();
    assert!(error.contains("sliding_window in a pipeline"), "{error}");
}

/// Places that processes share count in a pipeline too.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_pipeline_on_a_board_asks_for_the_places_of_all() {
    let board = fuseboard::Board::anonymous().unwrap();
    let config = Config::from_text("[concurrency.x]\nlimit = 1", Format::Toml).unwrap();
    let here = Policies::on_board(&config, &board).unwrap();
    let there = Policies::on_board(&config, &board).unwrap();
    let pipeline = here.pipeline("x").unwrap().build().unwrap();
    let place = there.concurrency_limit("x").unwrap().try_acquire().unwrap();
    let full = pipeline.call(|| async { Ok::<_, ()>(7) }).await;
    assert_eq!(rejected_by(&full), Some(PolicyKind::Concurrency));
    drop(place);
    assert_eq!(pipeline.call(|| async { Ok::<_, ()>(7) }).await.unwrap(), 7);
    assert_eq!(there.concurrency_limit("x").unwrap().in_flight(), 0);
}
