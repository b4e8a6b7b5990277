//! The routes over real HTTP, with providers that do as they are told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use orders::auth::{Identity, Scope};
use orders::command::{CommandHandler, CommandService, routes};
use orders::context::in_context;
use orders::engine::PostgresEngine;
use orders::money::Money;
use orders::payment::{Charged, PaymentError, Payments};
use orders::shipping::{Shipping, ShippingError};
use orders::store::{Database, GuardedStore, PostgresEventStore, StoreGuard};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Stand, Store, on_both, sqlite};

on_both!(
    the_way_of_an_order,
    every_status_that_is_promised,
    twenty_send_one_payment,
);

const ANN: &str = "00000000-0000-0000-0000-00000000000a";
const BOB: &str = "00000000-0000-0000-0000-00000000000b";

/// What a provider does.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Works,
    Refuses,
    Away,
    Hangs,
}

struct Provider {
    mood: Mutex<Mood>,
    charged: Mutex<BTreeSet<Uuid>>,
    asked: AtomicU32,
}

impl Provider {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(Mood::Works),
            charged: Mutex::default(),
            asked: AtomicU32::new(0),
        })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn act(&self) -> Mood {
        // Relaxed: a number on its own.
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mood = *self.mood.lock().unwrap();
        if mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        mood
    }
}

const AWAY: Duration = Duration::from_millis(1_500);

#[async_trait]
impl Payments for Provider {
    async fn charge(&self, payment: Uuid, _: Uuid, _: Money) -> Result<Charged, PaymentError> {
        match self.act().await {
            Mood::Works | Mood::Hangs => {
                self.charged.lock().unwrap().insert(payment);
                Ok(Charged {
                    region: "north".to_owned(),
                })
            }
            Mood::Refuses => Err(PaymentError::Declined("no money".to_owned())),
            Mood::Away => Err(PaymentError::Unavailable { retry_after: AWAY }),
        }
    }

    async fn refund(&self, _: Uuid, _: Uuid, _: Money) -> Result<(), PaymentError> {
        match self.act().await {
            Mood::Works | Mood::Hangs => Ok(()),
            Mood::Refuses => Err(PaymentError::Declined("no such payment".to_owned())),
            Mood::Away => Err(PaymentError::Unavailable { retry_after: AWAY }),
        }
    }
}

#[async_trait]
impl Shipping for Provider {
    async fn ship(&self, _: Uuid, _: Uuid) -> Result<String, ShippingError> {
        match self.act().await {
            Mood::Works | Mood::Hangs => Ok("T1".to_owned()),
            Mood::Refuses => Err(ShippingError::Refused("too large".to_owned())),
            Mood::Away => Err(ShippingError::Unavailable { retry_after: AWAY }),
        }
    }
}

/// A running service.
struct Service {
    url: String,
    client: Client,
    provider: Arc<Provider>,
}

impl Service {
    async fn start(service: CommandService) -> Self {
        let provider = Provider::new();
        let handler = CommandHandler::new(
            service,
            provider.clone(),
            provider.clone(),
            Duration::from_secs(3),
        );
        let app = in_context(routes(handler).layer(from_fn(identify)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            client: Client::new(),
            provider,
        }
    }

    fn post(&self, who: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url));
        request.header("x-who", who).json(body)
    }

    /// Status, body, and what it said of coming back.
    async fn ask(&self, who: &str, path: &str, body: &Value) -> (u16, Value) {
        answer(self.post(who, path, body).send().await.unwrap()).await
    }

    async fn created(&self) -> String {
        let (status, body) = self.ask("ann", "/orders", &order()).await;
        assert_eq!(status, 201, "{body}");
        body["order"]["order_id"].as_str().unwrap().to_owned()
    }

    async fn step(&self, who: &str, id: &str, step: &str) -> (u16, Value) {
        self.ask(who, &format!("/orders/{id}/{step}"), &json!({}))
            .await
    }

    async fn expect(&self, who: &str, id: &str, step: &str, status: u16, word: &str) {
        let (found, body) = self.step(who, id, step).await;
        let said = body["order"]["status"].as_str();
        let said = said.or_else(|| body["type"].as_str()?.strip_prefix("/problems/"));
        assert_eq!((found, said), (status, Some(word)), "{step}: {body}");
    }
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status();
    let headers = response.headers().clone();
    let body: Value = response.json().await.unwrap_or_default();
    let kind = headers["content-type"].to_str().unwrap();
    if status.is_success() {
        assert_eq!(kind, "application/json");
        let is_unfinished = status == StatusCode::CREATED || status == StatusCode::ACCEPTED;
        assert_eq!(headers.contains_key("location"), is_unfinished);
    } else {
        assert_eq!(kind, "application/problem+json");
        assert_eq!(body["status"], status.as_u16());
    }
    let waits = matches!(status.as_u16(), 202 | 503);
    assert_eq!(
        headers.contains_key("retry-after"),
        waits,
        "{status} {body}"
    );
    (status.as_u16(), body)
}

/// Stands for the layer that reads tokens.
async fn identify(mut request: Request, next: Next) -> axum::response::Response {
    let who = request.headers().get("x-who").cloned();
    let (user, scopes) = match who.as_ref().map(|who| who.to_str().unwrap()) {
        Some("ann") => (Some(ANN), vec![Scope::OrdersWrite, Scope::OrdersRead]),
        Some("bob") => (Some(BOB), vec![Scope::OrdersWrite, Scope::OrdersRead]),
        Some("reader") => (Some(ANN), vec![Scope::OrdersRead, Scope::OrdersReadAll]),
        Some("clerk") => (None, vec![Scope::OrdersFulfil, Scope::OrdersWrite]),
        _ => return next.run(request).await,
    };
    request.extensions_mut().insert(Identity {
        subject: who.unwrap().to_str().unwrap().to_owned(),
        user_id: user.map(|user| user.parse().unwrap()),
        scopes: scopes.into_iter().collect(),
    });
    next.run(request).await
}

fn order() -> Value {
    json!({ "items": [{
        "sku": "tea", "quantity": 2, "unit_price": { "amount_minor": 250, "currency": "EUR" }
    }] })
}

async fn the_way_of_an_order<S: Store>(stand: Stand<S>) {
    let store = stand.store.clone();
    let service = Service::start(CommandService::with_snapshots(store.clone(), store)).await;
    let id = service.created().await;
    service.expect("ann", &id, "pay", 200, "paid").await;
    service.expect("clerk", &id, "ship", 200, "shipped").await;
    service
        .expect("clerk", &id, "deliver", 200, "delivered")
        .await;
    service
        .expect("ann", &id, "cancel", 409, "wrong-status")
        .await;
    let (_, body) = service.step("clerk", &id, "refund").await;
    assert_eq!(body["detail"], "cannot refund an order that is delivered");

    // Before it is paid it is given up; then it is refunded.
    let id = service.created().await;
    service.expect("ann", &id, "cancel", 200, "cancelled").await;
    for (who, step) in [("ann", "cancel"), ("clerk", "refund")] {
        let id = service.created().await;
        service.expect("ann", &id, "pay", 200, "paid").await;
        service.expect(who, &id, step, 200, "refunded").await;
    }

    // The carrier will not have it: the money is to be given back.
    let id = service.created().await;
    service.expect("ann", &id, "pay", 200, "paid").await;
    service.provider.set(Mood::Refuses);
    service
        .expect("clerk", &id, "ship", 409, "shipment-refused")
        .await;
    let stored = stand.store.load(id.parse().unwrap(), 0, 10).await.unwrap();
    assert_eq!(stored.last().unwrap().kind, "RefundRequested");

    // Declined, it can be paid again.
    let id = service.created().await;
    service
        .expect("ann", &id, "pay", 402, "payment-declined")
        .await;
    service.provider.set(Mood::Works);
    service.expect("ann", &id, "pay", 200, "paid").await;

    // Nobody knows: it is so recorded, and the answer says where to look.
    for mood in [Mood::Away, Mood::Hangs] {
        service.provider.set(Mood::Works);
        let id = service.created().await;
        service.provider.set(mood);
        service
            .expect("ann", &id, "pay", 202, "payment_requested")
            .await;
        service.expect("ann", &id, "pay", 409, "wrong-status").await;
    }

    // What follows from a request carries its correlation, and each event the one that caused it.
    service.provider.set(Mood::Works);
    let id = service.created().await;
    let correlation = Uuid::now_v7();
    let pay = service.post("ann", &format!("/orders/{id}/pay"), &json!({}));
    let pay = pay.header("x-correlation-id", correlation.to_string());
    answer(pay.send().await.unwrap()).await;
    let stored = stand.store.load(id.parse().unwrap(), 1, 10).await.unwrap();
    let [requested, paid] = &stored[..] else {
        panic!("{stored:?}");
    };
    assert_eq!(requested.metadata.correlation_id, correlation);
    assert_eq!(paid.metadata.correlation_id, correlation);
    assert_eq!(paid.metadata.causation_id, requested.event_id);
    assert_eq!(paid.metadata.actor, "ann");
}

#[expect(clippy::too_many_lines, reason = "one table")]
async fn every_status_that_is_promised<S: Store>(stand: Stand<S>) {
    let service = Service::start(CommandService::new(stand.store.clone())).await;
    let id = service.created().await;
    let nobody = Uuid::now_v7().to_string();
    let own = json!({ "order_id": id, "items": order()["items"] });
    let nothing = json!({ "items": [] });
    let text = json!({ "items": "tea" });
    let more = json!({ "items": order()["items"], "discount": 5 });
    let loud = json!({ "reason": "a\u{7}" });
    let pay = |id: &str| format!("/orders/{id}/pay");
    for (who, path, body, status, kind) in [
        ("", "/orders".to_owned(), &order(), 401, "unauthenticated"),
        (
            "nobody",
            "/orders".to_owned(),
            &order(),
            401,
            "unauthenticated",
        ),
        ("reader", "/orders".to_owned(), &order(), 403, "forbidden"),
        ("clerk", "/orders".to_owned(), &order(), 403, "forbidden"),
        ("ann", "/orders".to_owned(), &own, 409, "exists"),
        ("bob", "/orders".to_owned(), &own, 409, "exists"),
        ("ann", "/orders".to_owned(), &nothing, 422, "invalid"),
        ("ann", "/orders".to_owned(), &text, 422, "invalid"),
        ("ann", "/orders".to_owned(), &more, 422, "invalid"),
        ("bob", pay(&id), &json!({}), 403, "not-yours"),
        ("clerk", pay(&id), &json!({}), 403, "forbidden"),
        ("reader", pay(&id), &json!({}), 403, "forbidden"),
        ("ann", pay(&nobody), &json!({}), 404, "not-found"),
        ("ann", pay("7"), &json!({}), 400, "malformed"),
        ("ann", pay(&id), &json!({ "amount": 1 }), 422, "invalid"),
        (
            "ann",
            format!("/orders/{id}/ship"),
            &json!({}),
            403,
            "forbidden",
        ),
        (
            "ann",
            format!("/orders/{id}/deliver"),
            &json!({}),
            403,
            "forbidden",
        ),
        (
            "ann",
            format!("/orders/{id}/refund"),
            &json!({}),
            403,
            "forbidden",
        ),
        (
            "bob",
            format!("/orders/{id}/cancel"),
            &json!({}),
            403,
            "not-yours",
        ),
        ("ann", format!("/orders/{id}/cancel"), &loud, 422, "invalid"),
        (
            "clerk",
            format!("/orders/{id}/ship"),
            &json!({}),
            409,
            "wrong-status",
        ),
    ] {
        let (found, said) = service.ask(who, &path, body).await;
        let expected = format!("/problems/{kind}");
        assert_eq!(
            (found, said["type"].as_str()),
            (status, Some(&*expected)),
            "{who} {path} {body}"
        );
        assert!(
            said["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 10)
        );
    }
    // Nobody waits for it any more.
    let late = service.post("ann", "/orders", &order());
    let late = late.header("x-request-timeout-ms", "0");
    assert_eq!(answer(late.send().await.unwrap()).await.0, 504);
    // None of it did anything.
    assert_eq!(stand.store.heads().await.unwrap().head, 1);

    let raw = |body: String, kind: &'static str, key: &'static str| {
        let request = service.client.post(format!("{}/orders", service.url));
        let request = request.header("x-who", "ann").header("content-type", kind);
        let request = if key.is_empty() {
            request
        } else {
            request.header("idempotency-key", key)
        };
        async move { answer(request.body(body).send().await.unwrap()).await.0 }
    };
    let json = "application/json";
    assert_eq!(raw("{".to_owned(), json, "").await, 400);
    assert_eq!(raw(String::new(), json, "").await, 400);
    assert_eq!(raw(order().to_string(), json, "a b").await, 400);
    assert_eq!(raw(order().to_string(), "text/plain", "").await, 415);
    assert_eq!(raw("x".repeat(300 * 1024), json, "").await, 413);
    let kind = "Application/JSON; charset=utf-8";
    assert_eq!(raw(order().to_string(), kind, "k").await, 201);
    assert_eq!(raw(order().to_string(), json, "k").await, 201);
    assert_eq!(raw(own.to_string(), json, "k").await, 422);
    assert_eq!(stand.store.heads().await.unwrap().head, 2);
}

async fn twenty_send_one_payment<S: Store>(stand: Stand<S>) {
    let service = Arc::new(Service::start(CommandService::new(stand.store.clone())).await);
    let id = service.created().await;
    let send = |key: &'static str, id: &str| {
        let request = service.post("ann", &format!("/orders/{id}/pay"), &json!({}));
        let request = request.header("idempotency-key", key);
        tokio::spawn(async move { answer(request.send().await.unwrap()).await })
    };
    let sent: Vec<_> = (0..20).map(|_| send("k", &id)).collect();
    let mut answers = Vec::new();
    for one in sent {
        answers.push(one.await.unwrap());
    }
    assert_eq!(
        (answers[0].0, &answers[0].1["order"]["status"]),
        (200, &json!("paid"))
    );
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(service.provider.charged.lock().unwrap().len(), 1);
    assert_eq!(
        stand
            .store
            .load(id.parse().unwrap(), 0, 10)
            .await
            .unwrap()
            .len(),
        3
    );
    // Also after the order has gone on.
    service.expect("clerk", &id, "ship", 200, "shipped").await;
    assert_eq!(send("k", &id).await.unwrap(), answers[0]);
    assert_eq!(send("l", &id).await.unwrap().0, 409);

    // Declined is an answer like any other, and is not asked for again.
    let id = service.created().await;
    service.provider.set(Mood::Refuses);
    assert_eq!(send("m", &id).await.unwrap().0, 402);
    service.provider.set(Mood::Works);
    assert_eq!(send("m", &id).await.unwrap().0, 402);
    // Unknown is none: whoever asks again takes it up, with the same payment.
    service.provider.set(Mood::Away);
    let (status, body) = send("n", &id).await.unwrap();
    assert_eq!(status, 202);
    service.provider.set(Mood::Works);
    let (status, after) = send("n", &id).await.unwrap();
    assert_eq!((status, &after["order"]["status"]), (200, &json!("paid")));
    assert_eq!(after["order"]["payment"], body["order"]["payment"]);
    assert_eq!(service.provider.charged.lock().unwrap().len(), 2);
}

/// A real server that is killed and started again: nothing but 503 meanwhile, and the same request with the same key is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_is_waited_for() {
    let mut engine = PostgresEngine::start().await.unwrap();
    let database = Database::open(&engine.url(), 4).unwrap();
    database.migrate().await.unwrap();
    let Database::Postgres(pool) = database else {
        panic!("a server was asked for");
    };
    let guard = StoreGuard {
        timeout: Duration::from_millis(500),
        open_timeout: Duration::from_millis(100),
        ..StoreGuard::default()
    };
    let store = Arc::new(PostgresEventStore::new(pool));
    let store = Arc::new(GuardedStore::new(store, guard).unwrap());
    let service = Service::start(CommandService::new(store.clone())).await;
    let id = service.created().await;
    let pay = async || {
        let request = service.post("ann", &format!("/orders/{id}/pay"), &json!({}));
        answer(request.header("idempotency-key", "k").send().await.unwrap()).await
    };
    engine.kill().unwrap();
    let mut asked = 0;
    while store.snapshot().rejected == 0 {
        asked += 1;
        assert!(asked < 40, "the breaker never opened");
        let (status, body) = pay().await;
        assert_eq!(
            (status, &body["type"]),
            (503, &json!("/problems/store-unavailable"))
        );
        let said = body.to_string();
        assert!(
            !said.contains("127.0.0.1") && !said.contains("refused"),
            "{said}"
        );
    }
    engine.restart().await.unwrap();
    let mut answers = Vec::new();
    while answers.last().is_none_or(|(status, _)| *status != 200) {
        assert!(answers.len() < 100, "{answers:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        answers.push(pay().await);
    }
    assert_eq!(pay().await, *answers.last().unwrap());
    assert_eq!(service.provider.charged.lock().unwrap().len(), 1);
}

/// A store that hangs: the client is told in time that nothing is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_hangs_is_not_waited_for() {
    let stand = sqlite().await;
    let Database::Sqlite { writer, .. } = &stand.database else {
        panic!("a file was asked for");
    };
    let service = Service::start(CommandService::new(stand.store.clone())).await;
    let id = service.created().await;
    // Another process writes, and does not end.
    let held = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (status, body) = service.step("ann", &id, "pay").await;
    assert!(matches!(status, 503 | 504), "{status} {body}");
    drop(held);
    service.expect("ann", &id, "pay", 200, "paid").await;
}
