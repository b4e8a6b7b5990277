use crate::drops::{STEP, panics, poll};
use fuseboard::Coalesce;
use fuseboard::testing::{Scripted, ScriptedService};
use std::pin::pin;

type Script = ScriptedService<u32, ()>;

#[tokio::test(start_paused = true)]
async fn equal_calls_are_made_once_and_others_beside_them() {
    let coalesce = Coalesce::new();
    let service = Script::new([Scripted::After(STEP, Ok(7))]);
    let calls: Vec<_> = (0..20)
        .map(|call| {
            let (coalesce, service) = (coalesce.clone(), service.clone());
            tokio::spawn(async move { coalesce.call(call % 2, || service.call()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(7));
    }
    assert_eq!((service.calls(), coalesce.in_flight()), (2, 0));
    // Nothing is remembered.
    assert_eq!(coalesce.call(0, || service.call()).await, Ok(7));
    assert_eq!(service.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn k5_when_the_call_is_dropped_or_panics_one_of_those_who_wait_makes_it() {
    for (line, polls) in [(Scripted::Hang, 1), (Scripted::After(STEP, Ok(1)), 0)] {
        let coalesce = Coalesce::new();
        let service = Script::new([line, Scripted::After(STEP, Ok(2))]);
        let mut waits = pin!(coalesce.call("key", || service.call()));
        {
            let mut first = pin!(coalesce.call("key", || service.call()));
            for _ in 0..polls {
                assert!(poll(first.as_mut()).await.is_pending());
            }
            assert!(poll(waits.as_mut()).await.is_pending());
        }
        let expected = if polls == 0 { Ok(1) } else { Ok(2) };
        assert_eq!(waits.await, expected);
        assert_eq!((coalesce.in_flight(), service.in_flight()), (0, 0));
    }
    let coalesce = Coalesce::new();
    let service = Script::new([Scripted::Panic, Scripted::Answer(Ok(2))]);
    assert!(panics(coalesce.call("key", || service.call())).await);
    assert_eq!(coalesce.call("key", || service.call()).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn p6_who_waits_may_go_at_any_point() {
    let coalesce = Coalesce::new();
    let service = Script::new([Scripted::After(STEP * 3, Ok(1))]);
    let mut first = pin!(coalesce.call(1, || service.call()));
    assert!(poll(first.as_mut()).await.is_pending());
    for polls in 0..3 {
        let mut waits = pin!(coalesce.call(1, || service.call()));
        for _ in 0..polls {
            assert!(poll(waits.as_mut()).await.is_pending());
        }
    }
    assert_eq!(first.await, Ok(1));
    assert_eq!((service.calls(), coalesce.in_flight()), (1, 0));
}
