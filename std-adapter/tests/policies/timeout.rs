use crate::drops::{at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{CallError, Timeout};
use std::time::Duration;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_millis(100);

fn service(line: Scripted<u32, &'static str>) -> ScriptedService<u32, &'static str> {
    ScriptedService::new([line])
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_at_the_limit_and_is_dropped() {
    let service = service(Scripted::Hang);
    let started = Instant::now();
    let error = Timeout::new(LIMIT).unwrap().call(service.call()).await;
    assert_eq!(error, Err(CallError::TimedOut { limit: LIMIT }));
    assert_eq!(started.elapsed(), LIMIT);
    assert_eq!(service.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_the_answer() {
    for delay in [Duration::ZERO, Duration::from_millis(99)] {
        let service = service(Scripted::After(delay, Ok(7)));
        assert_eq!(
            Timeout::new(LIMIT).unwrap().call(service.call()).await,
            Ok(7)
        );
    }
    let failing = service(Scripted::Answer(Err("no")));
    let error = Timeout::new(LIMIT).unwrap().call(failing.call()).await;
    assert_eq!(error, Err(CallError::OperationFailed("no")));
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_the_operation_is_gone() {
    let make = || {
        let service = service(Scripted::After(LIMIT / 2, Ok(1)));
        let handle = service.clone();
        let call = async move { Timeout::new(LIMIT).unwrap().call(service.call()).await };
        (handle, call)
    };
    let polls = at_every_point(make, |service, at| {
        assert_eq!(service.in_flight(), 0, "{at}");
    });
    assert!(polls.await > 2);
    let panicking = service(Scripted::Panic);
    assert!(panics(Timeout::new(LIMIT).unwrap().call(panicking.call())).await);
    assert_eq!(panicking.in_flight(), 0);
}

#[test]
fn r6_a_limit_of_nothing_is_refused_by_name() {
    let error = Timeout::new(Duration::ZERO).unwrap_err();
    assert_eq!(error.field(), "timeout");
}
