use crate::drops::{STEP, at_every_point, panics};
use crate::now;
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    CallError, CircuitBreaker, CircuitBreakerConfig, FallbackService, OrElse, OrService, OrValue,
    Reason, Verdict,
};

type Script = ScriptedService<&'static str, &'static str>;

fn breaker() -> CircuitBreaker {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    CircuitBreaker::new("primary", config)
}

#[test]
fn each_stand_in_answers_when_the_service_fails_and_when_it_is_left_alone() {
    let down = Script::new([Scripted::Answer(Err("down"))]);
    let value = FallbackService::new(down.clone(), OrValue("value"), breaker());
    for _ in 0..5 {
        assert_eq!(now(value.call(1)), Ok("value"));
    }
    assert_eq!(down.calls(), 2, "the breaker is open after two");

    let told = OrElse(
        async |_: u32, failed: Result<_, CallError<&'static str>>| match failed {
            Err(CallError::Rejected { reason, .. }) => Ok(reason.as_str()),
            Err(CallError::OperationFailed(error)) => Ok(error),
            other => other,
        },
    );
    let function = FallbackService::new(down.clone(), told, breaker());
    let seen: Vec<_> = (0..3).map(|_| now(function.call(1)).unwrap()).collect();
    assert_eq!(seen, ["down", "down", Reason::Open.as_str()]);

    let second = Script::new([
        Scripted::Answer(Ok("second")),
        Scripted::Answer(Err("both down")),
    ]);
    let service = FallbackService::new(down.clone(), OrService(second.clone()), breaker());
    assert_eq!(now(service.call(1)), Ok("second"));
    assert_eq!(
        now(service.call(1)),
        Err(CallError::OperationFailed("both down"))
    );
}

#[test]
fn a_good_answer_and_an_error_that_is_no_failure_are_the_services_own() {
    let script = Script::new([
        Scripted::Answer(Ok("hello")),
        Scripted::Answer(Err("no such user")),
    ]);
    let is_up = |result: Result<&&str, &&str>| match result {
        Ok(_) | Err(&"no such user") => Verdict::SUCCESS,
        Err(_) => Verdict::FAILURE,
    };
    let service =
        FallbackService::new(script.clone(), OrValue("stand-in"), breaker()).classify(is_up);
    assert_eq!(now(service.call(1)), Ok("hello"));
    assert_eq!(
        now(service.call(1)),
        Err(CallError::OperationFailed("no such user"))
    );
    assert_eq!(service.breaker().stats().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_both_services_are_let_go() {
    let make = || {
        let first = Script::new([Scripted::After(STEP * 2, Err("down"))]);
        let second = Script::new([Scripted::After(STEP * 2, Ok("second"))]);
        let service = FallbackService::new(first.clone(), OrService(second.clone()), breaker());
        let state = (first, second, service.breaker().clone());
        (state, async move { service.call(1).await })
    };
    let check = |(first, second, breaker): &(Script, Script, CircuitBreaker), at: &str| {
        assert_eq!(first.in_flight() + second.in_flight(), 0, "{at}");
        assert_eq!(breaker.snapshot().in_flight, 0, "{at}");
    };
    assert!(at_every_point(make, check).await > 3);

    let script = Script::new([Scripted::Panic]);
    let service = FallbackService::new(script.clone(), OrValue("value"), breaker());
    assert!(panics(service.call(1)).await);
    assert_eq!(service.breaker().snapshot().totals.failures, 0);
}
