use crate::drops::{STEP, at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    CallError, ClientThrottle, ClientThrottleConfig, ConcurrencyLimit, Nanos, Pipeline, PolicyKind,
    Reason, TokioClock, Verdict,
};
use std::cell::RefCell;
use std::time::Duration;

type Script = ScriptedService<u32, &'static str>;

const CONFIG: ClientThrottleConfig = ClientThrottleConfig::new()
    .window(Nanos::from_secs(10))
    .minimum_requests(10);

fn throttle() -> ClientThrottle {
    ClientThrottle::with_clock(CONFIG, TokioClock).unwrap()
}

async fn rejected_of(throttle: &ClientThrottle, service: &Script, calls: u32) -> u32 {
    let mut rejected = 0;
    for _ in 0..calls {
        let answer = throttle.call(service.call()).await;
        rejected += u32::from(answer.is_err_and(|error| error.is_rejected()));
    }
    rejected
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_refuses_is_spared_until_the_window_has_passed() {
    let throttle = throttle();
    let refusing = Script::new([Scripted::Answer(Err("overloaded"))]);
    assert_eq!(rejected_of(&throttle, &refusing, 10).await, 0);
    let rejected = rejected_of(&throttle, &refusing, 200).await;
    assert!(rejected > 150, "{rejected}");
    // A few always find out, and a rejected call is a request too.
    assert!(rejected < 200, "{rejected}");
    assert_eq!(throttle.counts(), (210, 0));
    assert!(throttle.rejection_share() > 0.9);
    assert_eq!(refusing.calls(), 210 - rejected);

    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(throttle.counts(), (0, 0));
    let working = Script::new([Scripted::Answer(Ok(1))]);
    // A clone is another handle.
    assert_eq!(rejected_of(&throttle.clone(), &working, 100).await, 0);
    assert_eq!(throttle.counts(), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_names_the_policy_and_no_time() {
    let throttle = throttle();
    let refusing = Script::new([Scripted::Answer(Err("overloaded"))]);
    rejected_of(&throttle, &refusing, 100).await;
    let mut error = None;
    for _ in 0..20 {
        error = error.or(throttle
            .call(refusing.call())
            .await
            .err()
            .filter(CallError::is_rejected));
    }
    let expected = CallError::Rejected {
        policy: PolicyKind::Throttle,
        reason: Reason::Limited,
        retry_after: None,
    };
    assert_eq!(error, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_about_the_backend_is_not_counted() {
    let throttle = throttle();
    let own = |result: Result<&u32, &&'static str>| match result {
        Err(&"no such place") => Verdict::IGNORED,
        Err(_) => Verdict::FAILURE,
        Ok(_) => Verdict::SUCCESS,
    };
    let service = Script::new([
        Scripted::Answer(Err("no such place")),
        Scripted::Answer(Err("overloaded")),
        Scripted::Answer(Ok(1)),
    ]);
    for expected in [(0, 0), (1, 0), (2, 1)] {
        let _ = throttle.call_with(&own, service.call()).await;
        assert_eq!(throttle.counts(), expected);
    }
    drop(throttle.try_acquire().unwrap());
    assert_eq!(throttle.counts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_a_call_counts_as_nothing() {
    let make = || {
        let throttle = throttle();
        let service = Script::new([Scripted::After(STEP * 3, Ok(1))]);
        let handle = throttle.clone();
        (handle, async move { throttle.call(service.call()).await })
    };
    let seen = RefCell::new(Vec::new());
    let check = |throttle: &ClientThrottle, _: &str| seen.borrow_mut().push(throttle.counts());
    assert!(at_every_point(make, check).await > 3);
    let seen = seen.into_inner();
    let (last, dropped) = seen.split_last().unwrap();
    assert_eq!(*last, (1, 1));
    assert!(
        dropped.iter().all(|counts| *counts == (0, 0)),
        "{dropped:?}"
    );
    let throttle = throttle();
    let service = Script::new([Scripted::Panic]);
    assert!(panics(throttle.call(service.call())).await);
    assert_eq!(throttle.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn x1_in_a_pipeline_what_another_policy_rejects_is_no_request() {
    let throttle = throttle();
    let places = ConcurrencyLimit::new(1);
    let pipeline = Pipeline::builder()
        .timeout(STEP * 4)
        .throttle(throttle.clone())
        .concurrency_limit(places.clone())
        .build()
        .unwrap();
    let service = Script::new([
        Scripted::Answer(Ok(1)),
        Scripted::Answer(Err("overloaded")),
        Scripted::Hang,
    ]);
    let held = places.try_acquire().unwrap();
    assert!(
        pipeline
            .call(|| service.call())
            .await
            .unwrap_err()
            .is_rejected()
    );
    assert_eq!(throttle.counts(), (0, 0));
    drop(held);
    for expected in [(1, 1), (2, 1), (3, 1)] {
        // The last one hangs, and is cut off.
        let _ = pipeline.call(|| service.call()).await;
        assert_eq!(throttle.counts(), expected);
    }
    for _ in 0..100 {
        let _ = throttle.call(async { Err::<(), _>(()) }).await;
    }
    let mut by_throttle = 0;
    for _ in 0..20 {
        let answer = pipeline.call(async || Err::<(), _>("overloaded")).await;
        let is_own = matches!(
            answer,
            Err(CallError::Rejected {
                policy: PolicyKind::Throttle,
                ..
            })
        );
        by_throttle += usize::from(is_own);
    }
    assert!(by_throttle > 10, "{by_throttle}");
    assert_eq!(places.in_flight(), 0);
}

#[test]
fn r6_bad_settings_are_refused_by_name() {
    let error = ClientThrottle::new(CONFIG.multiplier(0.5)).unwrap_err();
    assert!(error.to_string().contains("multiplier"), "{error}");
    let throttle = ClientThrottle::new(CONFIG).unwrap();
    let error = throttle
        .configure(CONFIG.window(Nanos::from_secs(99)))
        .unwrap_err();
    assert!(error.to_string().contains("window"), "{error}");
    throttle.configure(CONFIG.multiplier(1.5)).unwrap();
}
