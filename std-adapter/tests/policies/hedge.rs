use crate::drops::{STEP, at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{Hedge, NotRepeatable, RetryBudget};
use std::time::Duration;
use tokio::time::Instant;

type Script = ScriptedService<u32, &'static str>;

fn after(steps: u32, answer: Result<u32, &'static str>) -> Scripted<u32, &'static str> {
    Scripted::After(STEP * steps, answer)
}

#[tokio::test(start_paused = true)]
async fn the_faster_of_two_counts_and_the_other_is_dropped() {
    let service = Script::new([Scripted::Hang, after(2, Ok(2))]);
    let started = Instant::now();
    let hedge = Hedge::new(STEP * 5).unwrap();
    assert_eq!(hedge.call(|| service.call()).await, Ok(2));
    assert_eq!(started.elapsed(), STEP * 7);
    assert_eq!((service.calls(), service.in_flight()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_fast_call_is_made_once() {
    let service = Script::new([after(4, Ok(1))]);
    assert_eq!(
        Hedge::new(STEP * 5).unwrap().call(|| service.call()).await,
        Ok(1)
    );
    assert_eq!(service.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_does_not_decide_while_another_attempt_is_left() {
    // The first fails after the second was begun: the second decides.
    let service = Script::new([after(6, Err("first")), after(4, Ok(2))]);
    assert_eq!(
        Hedge::new(STEP * 5).unwrap().call(|| service.call()).await,
        Ok(2)
    );
    // It fails before: the second is begun at once.
    let service = Script::new([after(1, Err("first")), after(1, Ok(2))]);
    let started = Instant::now();
    assert_eq!(
        Hedge::new(STEP * 5).unwrap().call(|| service.call()).await,
        Ok(2)
    );
    assert_eq!(started.elapsed(), STEP * 2);
    // Both fail.
    let service = Script::new([after(1, Err("first")), after(1, Err("second"))]);
    assert_eq!(
        Hedge::new(STEP * 5).unwrap().call(|| service.call()).await,
        Err("second")
    );
    // What must not be repeated is not.
    let service = Script::new([after(1, Err("first")), after(1, Ok(2))]);
    let hedge = Hedge::new(STEP * 5).unwrap();
    assert_eq!(
        hedge.call_with(&NotRepeatable, || service.call()).await,
        Err("first")
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_never_exceed_the_budget() {
    let budget = RetryBudget::new(0.1, 0, Duration::from_secs(100)).unwrap();
    let hedge = Hedge::new(STEP).unwrap().max_attempts(3).budget(budget);
    let service = Script::new([after(3, Ok(1))]);
    for _ in 0..20 {
        assert_eq!(hedge.call(|| service.call()).await, Ok(1));
    }
    assert_eq!(service.calls(), 22);
    assert!(service.most_in_flight() <= 3);
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_all_attempts_are_gone() {
    let make = || {
        let service = Script::new([after(9, Ok(1)), after(9, Ok(2)), after(9, Ok(3))]);
        let handle = service.clone();
        let hedge = Hedge::new(STEP * 2).unwrap().max_attempts(3);
        (handle, async move { hedge.call(|| service.call()).await })
    };
    let check = |service: &Script, at: &str| assert_eq!(service.in_flight(), 0, "{at}");
    assert!(at_every_point(make, check).await > 5);
    let service = Script::new([Scripted::Hang, Scripted::Panic]);
    assert!(panics(Hedge::new(STEP).unwrap().call(|| service.call())).await);
    assert_eq!(service.in_flight(), 0);
}
