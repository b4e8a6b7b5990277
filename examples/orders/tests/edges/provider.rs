//! The providers: what was answered stands, whatever happens to them.

use std::time::Duration;

use orders::context::REQUEST_TIMEOUT;
use orders::money::{Currency, Money};
use orders::provider::{Faults, Ledger};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::place::{Program, Server, ledger, set_faults};

fn charge(payment_id: Uuid, order_id: Uuid, amount_minor: i64) -> Value {
    let amount = Money::new(amount_minor, Currency::Eur);
    json!({ "payment_id": payment_id, "order_id": order_id, "amount": amount })
}

async fn post(url: &str, path: &str, body: &Value) -> Result<StatusCode, reqwest::Error> {
    let request = Client::new().post(format!("{url}{path}")).json(body);
    Ok(request.send().await?.status())
}

#[tokio::test]
async fn the_same_id_takes_the_money_once_in_whichever_region() {
    let (_folder, ledger) = ledger().await;
    let near = Server::payment(&ledger, "near").await;
    let far = Server::payment(&ledger, "far").await;
    let (payment_id, order_id) = (Uuid::new_v4(), Uuid::new_v4());
    let asked = charge(payment_id, order_id, 1250);
    let ask = |url: String| {
        let asked = asked.clone();
        tokio::spawn(async move { post(&url, "/charges", &asked).await.unwrap() })
    };
    let both = [&near, &far].into_iter().cycle().take(20);
    let all: Vec<_> = both.map(|region| ask(region.url.clone())).collect();
    for answer in all {
        assert_eq!(answer.await.unwrap(), StatusCode::CREATED);
    }
    let other = charge(payment_id, order_id, 1251);
    let status = post(&far.url, "/charges", &other).await.unwrap();
    assert_eq!(status, StatusCode::CONFLICT);
    let books = ledger.books().await.unwrap();
    assert_eq!(
        (books.charges, books.taken_minor[&Currency::Eur]),
        (1, 1250)
    );
}

#[tokio::test]
async fn no_more_is_given_back_than_was_taken() {
    let (_folder, ledger) = ledger().await;
    let near = Server::payment(&ledger, "near").await;
    let payment_id = Uuid::new_v4();
    let asked = charge(payment_id, Uuid::new_v4(), 100);
    let refund = |refund_id: Uuid, amount: i64| {
        let amount = Money::new(amount, Currency::Eur);
        json!({ "refund_id": refund_id, "payment_id": payment_id, "amount": amount })
    };
    let nothing = post(&near.url, "/refunds", &refund(Uuid::new_v4(), 60))
        .await
        .unwrap();
    assert_eq!(nothing, StatusCode::UNPROCESSABLE_ENTITY);
    post(&near.url, "/charges", &asked).await.unwrap();
    let first = Uuid::new_v4();
    for (refund, expected) in [
        (refund(first, 60), StatusCode::CREATED),
        (refund(first, 60), StatusCode::CREATED),
        (refund(first, 50), StatusCode::CONFLICT),
        (refund(Uuid::new_v4(), 41), StatusCode::UNPROCESSABLE_ENTITY),
        (refund(Uuid::new_v4(), 40), StatusCode::CREATED),
    ] {
        assert_eq!(
            post(&near.url, "/refunds", &refund).await.unwrap(),
            expected,
            "{refund}"
        );
    }
    let books = ledger.books().await.unwrap();
    assert_eq!(books.refunded_minor[&Currency::Eur], 100);
}

#[tokio::test]
async fn what_was_declined_stays_declined_and_takes_nothing() {
    let (_folder, ledger) = ledger().await;
    let near = Server::payment(&ledger, "near").await;
    near.fails(Faults {
        decline_rate: 1.0,
        ..Faults::default()
    })
    .await;
    let asked = charge(Uuid::new_v4(), Uuid::new_v4(), 100);
    assert_eq!(post(&near.url, "/charges", &asked).await.unwrap(), 402);
    near.fails(Faults::default()).await;
    assert_eq!(post(&near.url, "/charges", &asked).await.unwrap(), 402);
    let books = ledger.books().await.unwrap();
    assert_eq!((books.charges, books.declined), (0, 1));
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    let (_folder, ledger) = ledger().await;
    let near = Server::payment(&ledger, "near").await;
    let one = |change: fn(&mut Faults)| {
        let mut faults = Faults::default();
        change(&mut faults);
        faults
    };
    let patience = Duration::from_millis(300);
    // The fault, the answer (a status, none, or silence), and whether the money was taken.
    for (faults, expected, is_taken) in [
        (one(|faults| faults.error_rate = 1.0), "503", false),
        (
            one(|faults| (faults.error_rate, faults.error_status) = (1.0, 429)),
            "429",
            false,
        ),
        (one(|faults| faults.refuse_rate = 1.0), "closed", false),
        (one(|faults| faults.hang_rate = 1.0), "silence", false),
        (one(|faults| faults.latency_ms = 5_000), "silence", false),
        (one(|faults| faults.drop_rate = 1.0), "closed", true),
        (
            one(|faults| faults.answer_delay_ms = 5_000),
            "silence",
            true,
        ),
        (one(|_| {}), "201", true),
    ] {
        near.fails(faults.clone()).await;
        let before = ledger.books().await.unwrap().charges;
        let asked = charge(Uuid::new_v4(), Uuid::new_v4(), 100);
        let answer = tokio::time::timeout(patience, post(&near.url, "/charges", &asked)).await;
        let seen = match answer {
            Ok(Ok(status)) => status.as_str().to_owned(),
            Ok(Err(_)) => "closed".to_owned(),
            Err(_) => "silence".to_owned(),
        };
        assert_eq!(seen, expected, "{faults:?}");
        let taken = ledger.books().await.unwrap().charges - before;
        assert_eq!(taken, u64::from(is_taken), "{faults:?}");
    }
    let wrong = json!({ "hang_rate": 2 });
    assert_eq!(post(&near.url, "/faults", &wrong).await.unwrap(), 422);
}

#[tokio::test]
async fn who_comes_when_nobody_waits_any_more_is_not_charged() {
    let (_folder, ledger) = ledger().await;
    let near = Server::payment(&ledger, "near").await;
    near.fails(Faults {
        latency_ms: 50,
        ..Faults::default()
    })
    .await;
    let request = Client::new().post(format!("{}/charges", near.url));
    let request = request.header(REQUEST_TIMEOUT, "20");
    let asked = charge(Uuid::new_v4(), Uuid::new_v4(), 100);
    let answer = request.json(&asked).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ledger.books().await.unwrap().charges, 0);
}

#[tokio::test]
async fn killed_in_mid_charge_it_has_taken_each_payment_once_when_it_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let first = Program::payment(&path, 0).await;
    let port = first.port();
    // Each is taken, and the answer held back: so the kill comes in between.
    let slow = Faults {
        answer_delay_ms: 60_000,
        ..Faults::default()
    };
    set_faults(&first.url, &slow).await;
    let payments: Vec<_> = (0..40)
        .map(|_| charge(Uuid::new_v4(), Uuid::new_v4(), 100))
        .collect();
    let asking: Vec<_> = payments
        .iter()
        .cloned()
        .map(|asked| {
            let url = first.url.clone();
            tokio::spawn(async move { post(&url, "/charges", &asked).await })
        })
        .collect();
    let book = Ledger::open(&path).await.unwrap();
    while book.books().await.unwrap().charges < 10 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    first.kill().await;
    for answer in asking {
        assert!(answer.await.unwrap().is_err(), "nothing was answered");
    }
    let second = Program::payment(&path, port).await;
    for asked in &payments {
        assert_eq!(post(&second.url, "/charges", asked).await.unwrap(), 201);
    }
    let books = book.books().await.unwrap();
    assert_eq!(
        (books.charges, books.taken_minor[&Currency::Eur]),
        (40, 4_000)
    );
    assert!(books.charged_twice.is_empty());
}
