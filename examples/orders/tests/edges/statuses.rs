//! What a client is told, for each way in which a provider fails.

use orders::provider::Faults;
use reqwest::Client;
use serde_json::Value;

use crate::service::World;

fn one(change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    change(&mut faults);
    faults
}

/// The status, and where the order stands.
async fn ask(world: &World, path: &str, token: &str) -> (u16, String) {
    let request = Client::new().post(format!("{}{path}", world.gateway.url));
    let answer = request
        .bearer_auth(world.token(token))
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let must_wait = status == 202;
    assert_eq!(
        answer.headers().contains_key("retry-after"),
        must_wait,
        "{path}: {status}"
    );
    let body: Value = answer.json().await.unwrap();
    let word = body["order"]["status"].as_str();
    (status, word.unwrap_or("").to_owned())
}

#[tokio::test]
async fn a_payment_is_taken_refused_or_not_known_yet() {
    let world = World::new().await;
    let mut taken = 0;
    for (faults, expected, takes) in [
        (one(|_| {}), (200, "paid"), 1),
        (one(|faults| faults.latency_ms = 50), (200, "paid"), 1),
        (one(|faults| faults.decline_rate = 1.0), (402, ""), 0),
        (
            one(|faults| faults.error_rate = 1.0),
            (202, "payment_requested"),
            0,
        ),
        (
            one(|faults| (faults.error_rate, faults.error_status) = (1.0, 429)),
            (202, "payment_requested"),
            0,
        ),
        (
            one(|faults| (faults.error_rate, faults.error_status) = (1.0, 400)),
            (202, "payment_requested"),
            0,
        ),
        (
            one(|faults| faults.refuse_rate = 1.0),
            (202, "payment_requested"),
            0,
        ),
        (
            one(|faults| faults.hang_rate = 1.0),
            (202, "payment_requested"),
            0,
        ),
        // It was taken, and nobody knows: it stays asked for until somebody does.
        (
            one(|faults| faults.drop_rate = 1.0),
            (202, "payment_requested"),
            1,
        ),
        (
            one(|faults| faults.answer_delay_ms = 60_000),
            (202, "payment_requested"),
            1,
        ),
    ] {
        let order_id = world.order().await;
        world.near.fails(faults.clone()).await;
        let (status, word) = ask(&world, &format!("/orders/{order_id}/pay"), "alice").await;
        assert_eq!((status, &*word), expected, "{faults:?}");
        taken += takes;
        let books = world.ledger.books().await.unwrap();
        assert_eq!(
            (books.charges, books.charged_twice.len()),
            (taken, 0),
            "{faults:?}"
        );
    }
}

#[tokio::test]
async fn a_parcel_is_sent_refused_or_not_known_yet() {
    let world = World::new().await;
    for (faults, expected) in [
        (one(|_| {}), (200, "shipped")),
        // The money goes back.
        (one(|faults| faults.decline_rate = 1.0), (409, "")),
        (
            one(|faults| faults.error_rate = 1.0),
            (202, "shipment_requested"),
        ),
        (
            one(|faults| faults.refuse_rate = 1.0),
            (202, "shipment_requested"),
        ),
        (
            one(|faults| faults.hang_rate = 1.0),
            (202, "shipment_requested"),
        ),
        (
            one(|faults| faults.drop_rate = 1.0),
            (202, "shipment_requested"),
        ),
    ] {
        let order_id = world.order().await;
        let (status, _) = ask(&world, &format!("/orders/{order_id}/pay"), "alice").await;
        assert_eq!(status, 200);
        world.carrier.fails(faults.clone()).await;
        let (status, word) = ask(&world, &format!("/orders/{order_id}/ship"), "clerk").await;
        assert_eq!((status, &*word), expected, "{faults:?}");
    }
}

#[tokio::test]
async fn a_refund_is_given_or_not_known_yet() {
    let world = World::new().await;
    for (faults, expected) in [
        (one(|_| {}), (200, "refunded")),
        (
            one(|faults| faults.error_rate = 1.0),
            (202, "refund_requested"),
        ),
        (
            one(|faults| faults.drop_rate = 1.0),
            (202, "refund_requested"),
        ),
    ] {
        let order_id = world.order().await;
        world.near.fails(Faults::default()).await;
        let (status, _) = ask(&world, &format!("/orders/{order_id}/pay"), "alice").await;
        assert_eq!(status, 200);
        world.near.fails(faults.clone()).await;
        let (status, word) = ask(&world, &format!("/orders/{order_id}/refund"), "clerk").await;
        assert_eq!((status, &*word), expected, "{faults:?}");
    }
}
