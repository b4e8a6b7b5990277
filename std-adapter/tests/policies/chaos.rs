use crate::drops::{STEP, at_every_point};
use fuseboard::testing::{Scripted, ScriptedService};
use fuseboard::{CallError, Chaos, ChaosConfig};
use std::time::Duration;

fn chaos(config: ChaosConfig) -> Chaos {
    let chaos = Chaos::new(config).unwrap();
    chaos.switch(true);
    chaos
}

async fn faults(chaos: &Chaos, calls: u32) -> Vec<bool> {
    let mut faults = Vec::new();
    for _ in 0..calls {
        let end = chaos.call(async { Ok::<_, ()>(1) }).await;
        faults.push(end == Err(CallError::Injected));
    }
    faults
}

#[tokio::test(start_paused = true)]
async fn it_does_nothing_unless_asked() {
    let config = ChaosConfig {
        faults: 1.0,
        hangs: 1.0,
        ..Default::default()
    };
    let quiet = Chaos::new(config).unwrap();
    assert!(!faults(&quiet, 10).await.contains(&true));
    assert!(
        !faults(&chaos(ChaosConfig::default()), 10)
            .await
            .contains(&true)
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_faults_in_their_share() {
    let config = |seed| ChaosConfig {
        faults: 0.3,
        seed: Some(seed),
        ..Default::default()
    };
    let seen = faults(&chaos(config(1)), 1_000).await;
    assert_eq!(seen, faults(&chaos(config(1)), 1_000).await);
    assert_ne!(seen, faults(&chaos(config(2)), 1_000).await);
    let count = seen.iter().filter(|&&fault| fault).count();
    assert!((250..350).contains(&count), "{count} of 1,000");
}

#[tokio::test(start_paused = true)]
async fn p6_delays_and_hangs_leave_nothing_behind_when_dropped() {
    let config = ChaosConfig {
        delays: 1.0,
        max_delay: STEP * 9,
        seed: Some(1),
        ..Default::default()
    };
    let make = || {
        let service = ScriptedService::<u32, ()>::new([Scripted::After(STEP * 2, Ok(1))]);
        let (handle, chaos) = (service.clone(), chaos(config));
        (handle, async move { chaos.call(service.call()).await })
    };
    let check =
        |service: &ScriptedService<u32, ()>, at: &str| assert_eq!(service.in_flight(), 0, "{at}");
    assert!(at_every_point(make, check).await > 3);

    let hangs = chaos(ChaosConfig {
        hangs: 1.0,
        ..Default::default()
    });
    let hung = tokio::time::timeout(Duration::from_secs(9), hangs.call(async { Ok::<_, ()>(1) }));
    assert!(hung.await.is_err());
}

#[test]
fn r6_a_share_above_one_is_refused_by_name() {
    let error = Chaos::new(ChaosConfig {
        delays: 1.5,
        ..Default::default()
    })
    .unwrap_err();
    assert_eq!(error.field(), "chaos.delays");
}
