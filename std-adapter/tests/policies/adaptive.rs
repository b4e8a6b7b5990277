use crate::drops::{STEP, at_every_point, panics};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{
    AdaptiveLimit, AdaptiveLimitConfig, Algorithm, LoadShedding, Nanos, TokioClock, Verdict,
};

fn limit() -> AdaptiveLimit {
    let config = AdaptiveLimitConfig::new(Algorithm::Aimd)
        .initial_limit(8)
        .min_limit(1)
        .max_limit(100)
        .min_samples(1)
        .window(Nanos::from_millis(1));
    AdaptiveLimit::with_clock(config, TokioClock).unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_shrinks_when_calls_are_dropped_for_overload() {
    let limit = limit();
    let overloaded = |_: Result<&u32, &()>| Verdict::FAILURE;
    let service = ScriptedService::<u32, ()>::new([Scripted::After(STEP, Err(()))]);
    for _ in 0..4 {
        let _ = limit.call_with(&overloaded, service.call()).await;
    }
    assert!(limit.limit() < 8, "{limit:?}");
    // An error that has nothing to do with load teaches nothing.
    let learnt = limit.limit();
    for _ in 0..4 {
        let _ = limit.call(service.call()).await;
    }
    assert_eq!(limit.limit(), learnt);
}

#[tokio::test(start_paused = true)]
async fn p6_dropped_at_every_point_the_place_is_free() {
    let make = || {
        let limit = limit();
        let service = ScriptedService::<u32, ()>::new([Scripted::After(STEP * 3, Ok(1))]);
        let handle = limit.clone();
        (handle, async move { limit.call(service.call()).await })
    };
    let check = |limit: &AdaptiveLimit, at: &str| assert_eq!(limit.in_flight(), 0, "{at}");
    assert!(at_every_point(make, check).await > 3);
    let limit = limit();
    let service = ScriptedService::<u32, ()>::new([Scripted::Panic]);
    assert!(panics(limit.call(service.call())).await);
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn k1_the_last_places_are_kept_for_the_most_important() {
    for shedding in [
        LoadShedding::fixed(8, 0.5).unwrap(),
        LoadShedding::adaptive(limit(), 0.5).unwrap(),
    ] {
        let batch: Vec<_> = (0..9).flat_map(|_| shedding.try_acquire(0)).collect();
        assert_eq!(batch.len(), 4);
        let urgent: Vec<_> = (0..9).flat_map(|_| shedding.try_acquire(255)).collect();
        assert_eq!(urgent.len(), 4);
        let service = ScriptedService::<u32, ()>::new([Scripted::Answer(Ok(1))]);
        assert!(
            shedding
                .call(255, service.call())
                .await
                .unwrap_err()
                .is_rejected()
        );
        drop((batch, urgent));
        assert_eq!(shedding.in_flight(), 0);
        assert_eq!(shedding.call(0, service.call()).await, Ok(1));
        assert_eq!(shedding.in_flight(), 0);
    }
}
