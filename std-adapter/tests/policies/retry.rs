use crate::drops::{at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{Backoff, ByResult, NotRepeatable, Retry, RetryBudget, RetryConfig, Verdict};
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

type Script = ScriptedService<u32, &'static str>;

const PAUSE: Duration = Duration::from_millis(100);

fn failing(times: usize) -> Script {
    let failures = std::iter::repeat_n(Scripted::Answer(Err("no")), times);
    ScriptedService::new(failures.chain([Scripted::Answer(Ok(7))]))
}

fn config(max_attempts: u32) -> RetryConfig {
    RetryConfig {
        max_attempts,
        backoff: Backoff::constant(PAUSE),
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn it_asks_again_after_each_pause_and_never_more_often_than_it_may() {
    for (failures, attempts, expected) in [
        (0, 1, Ok(7)),
        (2, 3, Ok(7)),
        (3, 3, Err("no")),
        (9, 3, Err("no")),
    ] {
        let service = failing(failures);
        let started = Instant::now();
        let retry = Retry::new(config(3)).unwrap();
        assert_eq!(retry.call(|| service.call()).await, expected);
        assert_eq!(service.calls(), attempts);
        assert_eq!(started.elapsed(), PAUSE * (attempts - 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_repeated_is_not() {
    let service = failing(9);
    let retry = Retry::new(config(5)).unwrap();
    let result = retry.call_with(&NotRepeatable, || service.call()).await;
    assert_eq!((result, service.calls()), (Err("no"), 1));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_dependency_asks_for_is_waited_for_unless_it_is_too_long() {
    for (asked, attempts, waited) in [(3, 2, 3_000), (61, 1, 0)] {
        let service = failing(1);
        let judge = |result: Result<&u32, &&str>| match result {
            Ok(_) => Verdict::SUCCESS,
            Err(_) => Verdict::FAILURE.with_retry_after(Some(Duration::from_secs(asked))),
        };
        let started = Instant::now();
        let retry = Retry::new(config(3)).unwrap();
        let _ = retry.call_with(&judge, || service.call()).await;
        assert_eq!(service.calls(), attempts);
        assert_eq!(started.elapsed(), Duration::from_millis(waited));
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_begun_after_the_deadline_and_no_pause_either() {
    let service = failing(99);
    let retry = Retry::new(RetryConfig {
        deadline: Some(PAUSE * 3),
        ..config(100)
    });
    let started = Instant::now();
    assert_eq!(retry.unwrap().call(|| service.call()).await, Err("no"));
    assert_eq!(service.calls(), 3);
    assert_eq!(started.elapsed(), PAUSE * 2);
}

#[tokio::test(start_paused = true)]
async fn attempts_never_exceed_the_budget() {
    let budget = RetryBudget::new(0.2, 0, Duration::from_secs(100)).unwrap();
    let retry = Retry::new(RetryConfig {
        budget: Some(budget),
        ..config(10)
    })
    .unwrap();
    let service = failing(10_000);
    for calls in 1..=50 {
        assert_eq!(retry.call(|| service.call()).await, Err("no"));
        assert!(
            service.calls() <= calls + calls / 5,
            "{} of {calls}",
            service.calls()
        );
    }
    assert_eq!(service.calls(), 60);
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_nothing_is_begun_any_more() {
    let make = || {
        let slow = Scripted::After(PAUSE / 2, Err("no"));
        let service = Script::new([slow.clone(), slow, Scripted::Answer(Ok(1))]);
        let handle = service.clone();
        let retry = Retry::new(config(3)).unwrap();
        (handle, async move { retry.call(|| service.call()).await })
    };
    let check = |service: &Script, at: &str| assert_eq!(service.in_flight(), 0, "{at}");
    assert!(at_every_point(make, check).await > 10);
}

#[tokio::test(start_paused = true)]
async fn p2_a_panic_is_not_repeated() {
    let service = Script::new([Scripted::Answer(Err("no")), Scripted::Panic]);
    let retry = Retry::new(config(9)).unwrap();
    assert!(panics(retry.call(|| service.call())).await);
    assert_eq!((service.calls(), service.in_flight()), (2, 0));
}

#[test]
fn a_thread_retries_too() {
    let retry = Retry::new(RetryConfig {
        backoff: Backoff::constant(Duration::from_nanos(1)),
        ..config(3)
    })
    .unwrap();
    let calls = Cell::new(0);
    let result = retry.call_blocking(&ByResult, || {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { Err("no") } else { Ok(7) }
    });
    assert_eq!((result, calls.get()), (Ok(7), 3));
}

#[test]
fn r6_a_retry_without_an_attempt_is_refused_by_name() {
    let error = Retry::new(config(0)).unwrap_err();
    assert_eq!(error.field(), "max_attempts");
}
