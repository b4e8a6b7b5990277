//! The edge to the payment provider: what the caller is told, for each way in which the provider fails.

use std::time::Duration;

use fuseboard::{CircuitBreakerConfig, CircuitState};
use orders::context::RequestContext;
use orders::edge::Endpoint;
use orders::money::{Currency, Money};
use orders::payment::{Charged, PaymentEdge, PaymentError, PaymentSettings, Payments};
use orders::provider::{Faults, Ledger};
use tempfile::TempDir;
use tokio::time::Instant;
use uuid::Uuid;

use crate::place::{Server, ledger};

const PRICE: Money = Money {
    amount_minor: 1_250,
    currency: Currency::Eur,
};

/// Two regions over one book, and the edge to them.
struct World {
    near: Server,
    far: Server,
    ledger: Ledger,
    edge: PaymentEdge,
    _folder: TempDir,
}

/// Patient enough for a machine that is busy: no test waits for these times.
fn settings(regions: Vec<Endpoint>) -> PaymentSettings {
    PaymentSettings {
        timeout: Duration::from_secs(20),
        attempt_timeout: Duration::from_secs(5),
        hedge_delay: Duration::from_secs(4),
        ..PaymentSettings::new(regions)
    }
}

impl World {
    async fn new(change: impl FnOnce(&mut PaymentSettings)) -> Self {
        let (folder, ledger) = ledger().await;
        let near = Server::payment(&ledger, "near").await;
        let far = Server::payment(&ledger, "far").await;
        let regions = vec![
            Endpoint::new("near", &near.url),
            Endpoint::new("far", &far.url),
        ];
        let mut settings = settings(regions);
        change(&mut settings);
        let edge = PaymentEdge::new(settings).unwrap();
        Self {
            near,
            far,
            ledger,
            edge,
            _folder: folder,
        }
    }

    async fn charge(&self) -> Result<Charged, PaymentError> {
        self.edge
            .charge(Uuid::new_v4(), Uuid::new_v4(), PRICE)
            .await
    }
}

fn one(change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    change(&mut faults);
    faults
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "compared with what a charge ends with"
)]
fn by(region: &str) -> Result<Charged, PaymentError> {
    let region = region.to_owned();
    Ok(Charged { region })
}

#[tokio::test]
async fn each_fault_of_the_near_region_ends_with_the_money_taken_once() {
    let world = World::new(|settings| {
        settings.attempt_timeout = Duration::from_millis(700);
        settings.hedge_delay = Duration::from_millis(200);
        // No fault here is to open it.
        settings.breaker.minimum_requests = 1_000;
        settings.max_attempts = 5;
        settings.retries_per_second = 100;
    })
    .await;
    for (faults, region) in [
        (one(|_| {}), "near"),
        (one(|faults| faults.error_rate = 1.0), "far"),
        (
            one(|faults| (faults.error_rate, faults.error_status) = (1.0, 429)),
            "far",
        ),
        (one(|faults| faults.refuse_rate = 1.0), "far"),
        (one(|faults| faults.hang_rate = 1.0), "far"),
        // It was taken, and nobody heard: whoever is asked again knows.
        (one(|faults| faults.drop_rate = 1.0), "near"),
        (one(|faults| faults.answer_delay_ms = 60_000), "near"),
    ] {
        world.near.fails(faults.clone()).await;
        let before = world.ledger.books().await.unwrap().charges;
        assert_eq!(world.charge().await, by(region), "{faults:?}");
        let after = world.ledger.books().await.unwrap();
        assert_eq!(after.charges - before, 1, "{faults:?}");
        assert!(after.charged_twice.is_empty());
    }
    let snapshot = world.edge.snapshot();
    assert_eq!((snapshot.calls, snapshot.charged), (7, 7));
    assert_eq!(snapshot.charged_elsewhere, 6);
}

#[tokio::test]
async fn a_no_is_final_and_not_asked_for_elsewhere() {
    let world = World::new(|_| {}).await;
    world
        .near
        .fails(one(|faults| faults.decline_rate = 1.0))
        .await;
    for _ in 0..30 {
        let declined = world.charge().await.unwrap_err();
        assert_eq!(
            declined,
            PaymentError::Declined("the card was declined".into())
        );
    }
    assert_eq!(
        (world.near.received().await, world.far.received().await),
        (30, 0)
    );
    // It says nothing against the region.
    let states = world.edge.snapshot().regions;
    assert_eq!(states[0], ("near".to_owned(), CircuitState::Closed));
}

#[tokio::test]
async fn a_region_that_keeps_failing_is_left_alone_and_asked_again_later() {
    let world = World::new(|settings| {
        settings.breaker = CircuitBreakerConfig {
            minimum_requests: 4,
            open_timeout: Duration::from_millis(200),
            half_open_requests: 1,
            ..CircuitBreakerConfig::default()
        };
    })
    .await;
    world
        .near
        .fails(one(|faults| faults.error_rate = 1.0))
        .await;
    for _ in 0..20 {
        assert_eq!(world.charge().await, by("far"));
    }
    assert!(world.near.received().await < 20);
    world.near.fails(Faults::default()).await;
    let mut charged = by("far");
    while charged == by("far") {
        tokio::time::sleep(Duration::from_millis(20)).await;
        charged = world.charge().await;
    }
    assert_eq!(charged, by("near"));
}

#[tokio::test]
async fn with_both_regions_down_nobody_waits_and_nobody_asks() {
    let world = World::new(|settings| {
        settings.breaker = CircuitBreakerConfig {
            minimum_requests: 4,
            open_timeout: Duration::from_secs(600),
            ..CircuitBreakerConfig::default()
        };
        settings.max_attempts = 2;
    })
    .await;
    for server in [&world.near, &world.far] {
        server.fails(one(|faults| faults.refuse_rate = 1.0)).await;
    }
    let is_open = |(_, state): &(String, CircuitState)| *state == CircuitState::Open;
    while !world.edge.snapshot().regions.iter().all(is_open) {
        let error = world.charge().await.unwrap_err();
        assert!(matches!(error, PaymentError::Unavailable { .. }));
    }
    let before = world.near.received().await + world.far.received().await;
    for _ in 0..50 {
        match world.charge().await {
            // It says when: not before a breaker lets somebody through.
            Err(PaymentError::Unavailable { retry_after }) => {
                assert!(retry_after > Duration::from_secs(100), "{retry_after:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        world.near.received().await + world.far.received().await,
        before
    );
    assert_eq!(world.ledger.books().await.unwrap().charges, 0);
}

#[tokio::test]
async fn a_hedge_wins_over_a_region_that_is_slow() {
    let world = World::new(|settings| {
        settings.hedge_delay = Duration::from_millis(100);
        settings.attempt_timeout = Duration::from_secs(10);
    })
    .await;
    world
        .near
        .fails(one(|faults| faults.latency_ms = 60_000))
        .await;
    assert_eq!(world.charge().await, by("far"));
    let snapshot = world.edge.snapshot();
    assert_eq!((snapshot.calls, snapshot.requests), (1, 2));
    // Nothing failed.
    assert_eq!(snapshot.regions[0].1, CircuitState::Closed);
}

#[tokio::test]
async fn a_budget_keeps_retries_from_multiplying_an_outage() {
    const CALLS: u64 = 200;
    let world = World::new(|settings| {
        settings.max_attempts = 10;
        settings.retry_ratio = 0.2;
        settings.retries_per_second = 0;
        settings.breaker.minimum_requests = 1_000_000;
    })
    .await;
    for server in [&world.near, &world.far] {
        server.fails(one(|faults| faults.error_rate = 1.0)).await;
    }
    for _ in 0..CALLS {
        world.charge().await.unwrap_err();
    }
    for server in [&world.near, &world.far] {
        // A fifth of the calls are retried, and a fifth of all these hedged; without budgets each would be twenty.
        let received = server.received().await;
        let most = CALLS * 144 / 100;
        assert!((CALLS..=most).contains(&received), "{received}");
    }
}

#[tokio::test]
async fn a_bulkhead_bounds_what_is_under_way() {
    let world = World::new(|settings| {
        settings.max_in_flight = 3;
        settings.max_waiting = 2;
        settings.timeout = Duration::from_millis(1_600);
        settings.attempt_timeout = Duration::from_millis(1_500);
        settings.hedge_delay = Duration::from_millis(1_400);
        settings.max_attempts = 1;
    })
    .await;
    world.near.fails(one(|faults| faults.hang_rate = 1.0)).await;
    let all = (0..20).map(|_| world.charge());
    let ends = futures_util::future::join_all(all).await;
    let failed = ends.iter().filter(|end| end.is_err()).count();
    assert!(failed >= 15, "{failed} of 20 had no place");
    let snapshot = world.edge.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.waiting), (0, 0));
    assert!(world.near.received().await <= 5);
}

#[tokio::test]
async fn who_has_no_time_left_asks_nobody_and_the_provider_is_told_how_much_there_is() {
    let world = World::new(|settings| settings.breaker.minimum_requests = 3).await;
    let over = RequestContext {
        deadline: Some(Instant::now()),
        ..RequestContext::default()
    };
    let end = over.scope(world.charge()).await;
    assert!(matches!(end, Err(PaymentError::Unavailable { .. })));
    assert_eq!(world.near.received().await, 0);
    // Both regions find out that the caller has gone, and take nothing; neither breaker holds it against them.
    for server in [&world.near, &world.far] {
        server.fails(one(|faults| faults.latency_ms = 400)).await;
    }
    for _ in 0..6 {
        let soon = RequestContext {
            deadline: Some(Instant::now() + Duration::from_millis(100)),
            ..RequestContext::default()
        };
        let end = soon.scope(world.charge()).await;
        assert!(matches!(end, Err(PaymentError::Unavailable { .. })));
    }
    for breaker in world.edge.breakers() {
        assert_eq!(breaker.state(), CircuitState::Closed, "{}", breaker.name());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.ledger.books().await.unwrap().charges, 0);
}

#[tokio::test]
async fn a_refund_is_given_once_through_whatever_fails() {
    let world = World::new(|settings| settings.breaker.minimum_requests = 1_000).await;
    let (payment_id, refund_id) = (Uuid::new_v4(), Uuid::new_v4());
    let charged = world.edge.charge(payment_id, Uuid::new_v4(), PRICE).await;
    assert_eq!(charged, by("near"));
    world.near.fails(one(|faults| faults.drop_rate = 1.0)).await;
    for _ in 0..3 {
        world
            .edge
            .refund(refund_id, payment_id, PRICE)
            .await
            .unwrap();
    }
    let books = world.ledger.books().await.unwrap();
    assert_eq!(books.refunded_minor[&Currency::Eur], PRICE.amount_minor);
    let again = world.edge.refund(Uuid::new_v4(), payment_id, PRICE).await;
    assert!(matches!(again, Err(PaymentError::Declined(_))));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let regions = vec![Endpoint::new("near", "http://127.0.0.1:1")];
    let wrong = |change: fn(&mut PaymentSettings)| {
        let mut settings = settings(regions.clone());
        change(&mut settings);
        let error = PaymentEdge::new(settings).err().expect("out of range");
        format!("{error:#}")
    };
    for (error, expected) in [
        (wrong(|settings| settings.regions.clear()), "endpoints is 0"),
        (
            wrong(|settings| settings.max_in_flight = 0),
            "max_in_flight",
        ),
        (
            wrong(|settings| settings.max_attempts = 0),
            "max_attempts is 0",
        ),
        (wrong(|settings| settings.retry_ratio = -1.0), "retry_ratio"),
        (
            wrong(|settings| settings.hedge_delay = Duration::ZERO),
            "hedge",
        ),
        (
            wrong(|settings| settings.hedge_delay = settings.timeout),
            "delay",
        ),
    ] {
        assert!(error.contains(expected), "{error}");
    }
}
