//! The edge to the carriers.

use std::time::Duration;

use fuseboard::CircuitState;
use orders::edge::Endpoint;
use orders::provider::{Faults, Ledger};
use orders::shipping::{Shipping, ShippingEdge, ShippingError, ShippingSettings};
use tempfile::TempDir;
use uuid::Uuid;

use crate::place::{Server, ledger};

struct World {
    swift: Server,
    tortoise: Server,
    ledger: Ledger,
    edge: ShippingEdge,
    _folder: TempDir,
}

impl World {
    async fn new(carriers: usize, change: impl FnOnce(&mut ShippingSettings)) -> Self {
        let (folder, ledger) = ledger().await;
        let swift = Server::carrier(&ledger, "swift").await;
        let tortoise = Server::carrier(&ledger, "tortoise").await;
        let endpoints = [
            Endpoint::new("swift", &swift.url),
            Endpoint::new("tortoise", &tortoise.url),
        ];
        let endpoints = endpoints.into_iter().take(carriers).collect();
        let mut settings = ShippingSettings {
            timeout: Duration::from_secs(20),
            attempt_timeout: Duration::from_secs(5),
            retries_per_second: 100,
            ..ShippingSettings::new(endpoints)
        };
        change(&mut settings);
        Self {
            edge: ShippingEdge::new(&settings).unwrap(),
            swift,
            tortoise,
            ledger,
            _folder: folder,
        }
    }

    async fn ship(&self) -> Result<String, ShippingError> {
        self.edge.ship(Uuid::new_v4(), Uuid::new_v4()).await
    }
}

fn one(change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    change(&mut faults);
    faults
}

#[tokio::test]
async fn each_fault_of_the_first_carrier_ends_with_one_parcel() {
    let world = World::new(2, |settings| {
        settings.attempt_timeout = Duration::from_millis(400);
        settings.breaker.minimum_requests = 1_000;
    })
    .await;
    for (faults, prefix) in [
        (one(|_| {}), "SWIF-"),
        (one(|faults| faults.error_rate = 1.0), "TORT-"),
        (
            one(|faults| (faults.error_rate, faults.error_status) = (1.0, 429)),
            "TORT-",
        ),
        (one(|faults| faults.refuse_rate = 1.0), "TORT-"),
        (one(|faults| faults.hang_rate = 1.0), "TORT-"),
        // The first one took it, and nobody heard: the second one knows.
        (one(|faults| faults.drop_rate = 1.0), "SWIF-"),
        (one(|faults| faults.answer_delay_ms = 60_000), "SWIF-"),
    ] {
        world.swift.fails(faults.clone()).await;
        let before = world.ledger.books().await.unwrap().shipments;
        let number = world.ship().await.unwrap();
        assert!(number.starts_with(prefix), "{number}, {faults:?}");
        let after = world.ledger.books().await.unwrap().shipments;
        assert_eq!(after - before, 1, "{faults:?}");
    }
    let snapshot = world.edge.snapshot();
    assert_eq!((snapshot.shipped, snapshot.shipped_elsewhere), (7, 6));
}

#[tokio::test]
async fn a_carriers_no_is_final() {
    let world = World::new(2, |_| {}).await;
    world
        .swift
        .fails(one(|faults| faults.decline_rate = 1.0))
        .await;
    let refused = world.ship().await.unwrap_err();
    let reason = "nobody delivers to this address".to_owned();
    assert_eq!(refused, ShippingError::Refused(reason));
    assert_eq!(
        (
            world.swift.received().await,
            world.tortoise.received().await
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn without_a_second_carrier_it_is_later_and_says_when() {
    let world = World::new(1, |settings| {
        settings.breaker.minimum_requests = 2;
        settings.breaker.open_timeout = Duration::from_secs(600);
        settings.breaker.open_timeout_max = Duration::from_secs(600);
    })
    .await;
    world
        .swift
        .fails(one(|faults| faults.error_rate = 1.0))
        .await;
    while world.edge.snapshot().carriers[0].3 == CircuitState::Closed {
        world.ship().await.unwrap_err();
    }
    let before = world.swift.received().await;
    match world.ship().await.unwrap_err() {
        ShippingError::Unavailable { retry_after } => {
            assert!(retry_after > Duration::from_secs(100), "{retry_after:?}");
        }
        refused @ ShippingError::Refused(_) => panic!("{refused:?}"),
    }
    assert_eq!(world.swift.received().await, before);
}

#[tokio::test]
async fn a_carrier_that_hangs_takes_no_more_places_than_its_own() {
    let world = World::new(2, |settings| {
        settings.max_in_flight = 2;
        settings.max_attempts = 1;
        settings.attempt_timeout = Duration::from_secs(2);
    })
    .await;
    world
        .swift
        .fails(one(|faults| faults.hang_rate = 1.0))
        .await;
    // One after the other: those that find the first carrier full go to the second at once.
    let hanging = futures_util::future::join_all([world.ship(), world.ship()]);
    let others = async {
        while world.edge.snapshot().carriers[0].2 < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let number = world.ship().await.unwrap();
        assert!(number.starts_with("TORT-"), "{number}");
        world.swift.received().await
    };
    let (numbers, received) = tokio::join!(hanging, others);
    assert_eq!(received, 2);
    assert!(numbers.into_iter().all(|number| number.is_ok()));
}
