//! The gateway, over real sockets: who is let in, how often, how much, how long; what goes on and what comes back.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use fuseboard::CircuitBreakerConfig;
use fuseboard::redis::{Engine, EngineOptions};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method};
use orders::auth::{NewToken, Scope, Tokens};
use orders::edge::Endpoint;
use orders::engine::RedisEngine;
use orders::gateway::{Gateway, GatewaySettings};
use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::place::Server;

type Seen = (Method, String, HeaderMap, Bytes);

/// A service that notes what it is asked, and answers as it is told.
#[derive(Clone, Default)]
struct Service {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The next answers; then 200.
    statuses: Arc<Mutex<VecDeque<u16>>>,
    /// Releases the second half of `/orders/streamed`.
    go_on: Arc<Notify>,
}

impl Service {
    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    fn then(&self, statuses: impl IntoIterator<Item = u16>) {
        *self.statuses.lock().unwrap() = statuses.into_iter().collect();
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.to_string();
    // A body that breaks off is no request.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let seen = (parts.method, path.clone(), parts.headers, body);
    service.seen.lock().unwrap().push(seen);
    match path.as_str() {
        "/orders/hang" | "/orders/hang/pay" => std::future::pending().await,
        "/orders/streamed" => {
            let rest = async move {
                service.go_on.notified().await;
                Ok::<_, std::io::Error>(Bytes::from_static(b"second"))
            };
            let first = async { Ok(Bytes::from_static(b"first")) };
            let pieces = futures_util::stream::once(first).chain(futures_util::stream::once(rest));
            Body::from_stream(pieces).into_response()
        }
        _ => {
            let status = service.statuses.lock().unwrap().pop_front().unwrap_or(200);
            let headers = [
                ("connection", "x-inner"),
                ("x-inner", "1"),
                ("x-outer", "2"),
            ];
            // Above 1000 it says when to come back.
            let mut answer = (headers, "answered").into_response();
            *answer.status_mut() = StatusCode::from_u16(status % 1_000).unwrap();
            if status > 1_000 {
                let later = HeaderValue::from_static("1");
                answer.headers_mut().insert("retry-after", later);
            }
            answer
        }
    }
}

struct World {
    url: String,
    gateway: Gateway,
    command: Service,
    query: Service,
    alice: String,
    bob: String,
    _servers: Vec<Server>,
}

impl World {
    async fn new(change: impl FnOnce(&mut GatewaySettings)) -> Self {
        Self::sharing(None, change).await
    }

    async fn sharing(engine: Option<&Engine>, change: impl FnOnce(&mut GatewaySettings)) -> Self {
        let (command, query) = (Service::default(), Service::default());
        let servers = [
            Server::start(command.router()).await,
            Server::start(query.router()).await,
        ];
        let [to_command, to_query] = &servers;
        let mut settings = GatewaySettings {
            requests_per_second: 1_000,
            burst: 1_000,
            ..GatewaySettings::new(
                Endpoint::new("command", &to_command.url),
                Endpoint::new("query", &to_query.url),
            )
        };
        change(&mut settings);
        let token = |name| {
            let scopes = [Scope::OrdersRead, Scope::OrdersWrite];
            NewToken::random(name, Some(Uuid::new_v4()), scopes)
        };
        let made = [token("alice"), token("bob")];
        let tokens = Arc::new(Tokens::parse(&Tokens::file_text(&made)).unwrap());
        let gateway = Gateway::new(&settings, tokens, engine).unwrap();
        let server = Server::gateway(&gateway).await;
        let [alice, bob] = made.map(|new| new.token);
        Self {
            url: server.url.clone(),
            gateway,
            command,
            query,
            alice,
            bob,
            _servers: servers.into_iter().chain([server]).collect(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        Client::new().request(method, url).bearer_auth(&self.alice)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn kind(answer: reqwest::Response) -> String {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = answer.json().await.unwrap();
    let kind = body["type"].as_str().unwrap();
    kind.trim_start_matches("/problems/").to_owned()
}

#[tokio::test]
async fn each_route_leads_to_its_service_and_no_other() {
    let world = World::new(|_| {}).await;
    let id = Uuid::new_v4();
    for verb in ["", "/pay", "/ship", "/deliver", "/cancel", "/refund"] {
        let path = if verb.is_empty() {
            "/orders".to_owned()
        } else {
            format!("/orders/{id}{verb}")
        };
        assert_eq!(status(world.post(&path)).await, 200, "{path}");
        assert_ne!(status(world.get(&path)).await, 200, "{path}");
    }
    assert_eq!((world.command.seen(), world.query.seen()), (6, 0));
    for path in [
        format!("/orders/{id}?min_position=3"),
        format!("/users/{id}/orders?limit=2"),
    ] {
        assert_eq!(status(world.get(&path)).await, 200, "{path}");
        assert_eq!(status(world.post(&path)).await, 405, "{path}");
        assert_eq!(world.query.seen.lock().unwrap().last().unwrap().1, path);
    }
    assert_eq!((world.command.seen(), world.query.seen()), (6, 2));
    for path in ["/", "/orders/a/b/c", "/orders/a/steal", "/metrics"] {
        let answer = world.get(path).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &*kind(answer).await),
            (404, "no-route"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_client_over_its_limit_is_told_when_to_come_back_and_others_are_not_touched() {
    let world = World::new(|settings| {
        settings.requests_per_second = 1;
        settings.burst = 5;
    })
    .await;
    let (mut admitted, mut limited) = (0, None);
    while limited.is_none() {
        let answer = world.get("/orders/a").send().await.unwrap();
        assert_eq!(answer.headers()["ratelimit-policy"], "\"client\";q=5;w=5");
        let left = answer.headers()["ratelimit"].to_str().unwrap().to_owned();
        match answer.status().as_u16() {
            200 => {
                admitted += 1;
                assert!(left.starts_with("\"client\";r="), "{left}");
            }
            _ => limited = Some((answer, left)),
        }
    }
    let (answer, left) = limited.unwrap();
    assert!(admitted >= 5, "{admitted}");
    assert_eq!(
        (answer.status().as_u16(), &*left),
        (429, "\"client\";r=0;t=1")
    );
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(kind(answer).await, "too-many-requests");
    let bob = Client::new().get(format!("{}/orders/a", world.url));
    assert_eq!(status(bob.bearer_auth(&world.bob)).await, 200);
    assert_eq!(world.gateway.snapshot().limited, 1);
}

#[tokio::test]
async fn nobody_can_try_tokens_without_end() {
    let world = World::new(|settings| {
        settings.requests_per_second = 1;
        settings.burst = 3;
    })
    .await;
    let client = Client::new();
    let guess = |token: &str| {
        client
            .get(format!("{}/orders/a", world.url))
            .bearer_auth(token)
    };
    let mut seen = 401;
    for _ in 0..10 {
        seen = seen.max(status(guess("guess")).await);
    }
    assert_eq!(seen, 429);
    assert!(world.query.seen() == 0 && world.gateway.snapshot().unauthenticated >= 3);
    // Who has a token is known by it, and not by the address.
    assert_eq!(status(world.get("/orders/a")).await, 200);
    if !cfg!(target_os = "linux") {
        // Elsewhere a machine has one address of its own only.
        return;
    }
    // Nor does one who tries keep others from being told why they are refused.
    let elsewhere = Client::builder().local_address(IpAddr::from([127, 0, 0, 2]));
    let elsewhere = elsewhere.build().unwrap();
    let other = elsewhere.get(format!("{}/orders/a", world.url));
    assert_eq!(status(other).await, 401);
}

#[tokio::test]
async fn what_is_too_large_does_not_reach_the_service() {
    let world = World::new(|settings| {
        settings.max_body = 1_000;
        settings.max_headers = 2_000;
    })
    .await;
    let answer = world
        .post("/orders")
        .body(vec![b'x'; 1_001])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &*kind(answer).await),
        (413, "body-too-large")
    );
    // Without a length, as it comes; with a key it is read whole first.
    for key in [false, true] {
        let pieces = (0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100]));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let mut request = world.post("/orders").body(body);
        if key {
            request = request.header("idempotency-key", "k");
        }
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &*kind(answer).await),
            (413, "body-too-large"),
            "{key}"
        );
    }
    assert_eq!(world.command.seen(), 0);
    assert_eq!(
        status(world.post("/orders").body(vec![b'x'; 1_000])).await,
        200
    );
    let answer = world
        .get("/orders/a")
        .header("x-long", "x".repeat(2_000))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &*kind(answer).await),
        (431, "headers-too-large")
    );
    let many = (0..65).fold(world.get("/orders/a"), |request, number| {
        request.header(format!("x-{number}"), "1")
    });
    assert_eq!(status(many).await, 431);
    assert_eq!(
        (world.query.seen(), world.gateway.snapshot().too_large),
        (0, 5)
    );
    // None of it says anything against the service.
    assert_eq!(
        world.gateway.snapshot().services[0].2,
        fuseboard::CircuitState::Closed
    );
}

#[tokio::test]
async fn when_it_gets_tight_reads_go_first_and_health_never() {
    let world = World::new(|settings| settings.max_in_flight = 8).await;
    let hanging: Vec<_> = (0..6)
        .map(|_| tokio::spawn(world.post("/orders/hang/pay").send()))
        .collect();
    while world.gateway.snapshot().in_flight < 6 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Six of eight places are taken: three quarters.
    let answer = world.get("/orders/a").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        (answer.status().as_u16(), &*kind(answer).await),
        (503, "shed")
    );
    assert_eq!(status(world.post("/orders")).await, 200);
    let more: Vec<_> = (0..2)
        .map(|_| tokio::spawn(world.post("/orders/hang/pay").send()))
        .collect();
    while world.gateway.snapshot().in_flight < 8 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(status(world.post("/orders")).await, 503);
    assert_eq!(
        status(Client::new().get(format!("{}/health", world.url))).await,
        200
    );
    for task in hanging.into_iter().chain(more) {
        task.abort();
    }
    // Who goes away gives the place back.
    while world.gateway.snapshot().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(status(world.get("/orders/a")).await, 200);
    assert_eq!(world.gateway.snapshot().shed, 2);
}

#[tokio::test]
async fn no_request_takes_longer_than_it_may_and_the_service_knows_how_long_that_is() {
    let world = World::new(|settings| settings.timeout = Duration::from_millis(500)).await;
    let answer = world.get("/orders/hang").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &*kind(answer).await),
        (504, "timed-out")
    );
    // A client may have less patience, and no more.
    for (asked, most) in [("100", 100), ("60000", 500)] {
        let answer = world
            .get("/orders/hang")
            .header("x-request-timeout-ms", asked);
        assert_eq!(status(answer).await, 504);
        let told =
            world.query.seen.lock().unwrap().last().unwrap().2["x-request-timeout-ms"].clone();
        let told: u64 = told.to_str().unwrap().parse().unwrap();
        assert!(told <= most, "{told}");
    }
    // An answer that has begun and does not end is cut off.
    let answer = world.get("/orders/streamed").send().await.unwrap();
    assert!(answer.text().await.is_err());
    assert_eq!(world.gateway.snapshot().in_flight, 0);
}

#[tokio::test]
async fn a_service_that_hangs_or_fails_is_left_alone_and_the_other_one_is_not_touched() {
    let open_for = Duration::from_secs(600);
    for path in ["/orders/hang", "/orders/a"] {
        let world = World::new(|settings| {
            settings.timeout = Duration::from_millis(100);
            settings.breaker = CircuitBreakerConfig {
                minimum_requests: 4,
                open_timeout: open_for,
                ..CircuitBreakerConfig::default()
            };
        })
        .await;
        world.query.then([500; 100]);
        let mut answer = world.get(path).send().await.unwrap();
        while answer.status() != 503 {
            assert!(
                matches!(answer.status().as_u16(), 500 | 504),
                "{path}: {}",
                answer.status()
            );
            answer = world.get(path).send().await.unwrap();
        }
        let seen = world.query.seen();
        let answer = world.get(path).send().await.unwrap();
        let wait: u64 = answer.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((100..=600).contains(&wait), "{wait}");
        assert_eq!(
            (answer.status().as_u16(), &*kind(answer).await),
            (503, "unavailable")
        );
        assert_eq!(world.query.seen(), seen);
        assert_eq!(status(world.post("/orders")).await, 200);
    }
}

#[tokio::test]
async fn neither_slow_clients_nor_a_service_that_says_when_open_a_breaker() {
    let world = World::new(|settings| {
        settings.timeout = Duration::from_millis(400);
        settings.breaker.minimum_requests = 2;
    })
    .await;
    for _ in 0..4 {
        let hanging = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let slow = world
            .post("/orders")
            .body(reqwest::Body::wrap_stream(hanging));
        let answer = slow.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &*kind(answer).await),
            (408, "body-too-slow")
        );
    }
    assert_eq!(world.command.seen(), 0);
    world.command.then([1_503; 6]);
    for _ in 0..6 {
        let answer = world.post("/orders").send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &HeaderValue::from_static("1"))
        );
    }
    assert_eq!(status(world.post("/orders")).await, 200);
    assert_eq!(world.command.seen(), 7);
}

#[tokio::test]
async fn a_service_that_is_away_is_503_and_nothing_was_done() {
    let world =
        World::new(|settings| settings.query = Endpoint::new("query", "http://127.0.0.1:1")).await;
    let answer = world.get("/orders/a").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(
        (answer.status().as_u16(), &*kind(answer).await),
        (503, "unavailable")
    );
}

#[tokio::test]
async fn only_what_may_be_repeated_is() {
    let world = World::new(|_| {}).await;
    world.query.then([503]);
    assert_eq!(status(world.get("/orders/a")).await, 200);
    assert_eq!(world.query.seen(), 2);
    world.command.then([503]);
    assert_eq!(status(world.post("/orders").body("{}")).await, 503);
    assert_eq!(world.command.seen(), 1);
    world.command.then([503]);
    let keyed = world
        .post("/orders")
        .header("idempotency-key", "k")
        .body("{}");
    assert_eq!(status(keyed).await, 200);
    let seen = world.command.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(_, _, _, body)| body == "{}"));
}

#[tokio::test]
async fn headers_go_on_but_for_those_between_neighbours() {
    let world = World::new(|_| {}).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = world
        .get("/orders/a")
        .header("x-request-id", "client-7")
        .header("traceparent", trace)
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("x-forwarded-for", "10.1.1.1")
        .header("accept-language", "pt")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-request-id"], "client-7");
    assert_eq!(answer.headers()["x-outer"], "2");
    assert!(!answer.headers().contains_key("x-inner"));
    let bad = world
        .get("/orders/a")
        .header("x-request-id", "two words")
        .header("traceparent", "made up");
    let bad = bad.send().await.unwrap();
    let seen = world.query.seen.lock().unwrap();
    let [(.., first, _), (.., second, _)] = &seen[..] else {
        panic!("two requests")
    };
    assert_eq!(
        (&first["x-request-id"], &first["traceparent"]),
        (
            &HeaderValue::from_static("client-7"),
            &HeaderValue::from_static(trace)
        )
    );
    assert_eq!(first["x-forwarded-for"], "10.1.1.1, 127.0.0.1");
    assert_eq!(first["accept-language"], "pt");
    assert!(first.contains_key("authorization") && !first.contains_key("x-private"));
    assert_eq!(second["x-request-id"], bad.headers()["x-request-id"]);
    assert_eq!(second["x-request-id"].len(), 36);
    assert_eq!(
        (
            second["traceparent"].len(),
            second["traceparent"] == "made up"
        ),
        (55, false)
    );
}

#[tokio::test]
async fn an_answer_is_passed_on_as_it_comes() {
    let world = World::new(|_| {}).await;
    let answer = world.get("/orders/streamed").send().await.unwrap();
    let mut pieces = answer.bytes_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "first");
    // Only now is there more.
    assert_eq!(world.gateway.snapshot().in_flight, 1);
    world.query.go_on.notify_one();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "second");
    assert!(pieces.next().await.is_none());
    while world.gateway.snapshot().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn two_gateways_share_a_limit_through_redis_and_each_keeps_its_share_while_that_is_away() {
    let mut redis = RedisEngine::start().await.unwrap();
    let narrow = |settings: &mut GatewaySettings| {
        settings.requests_per_second = 1;
        settings.burst = 20;
        settings.local_share = 0.5;
    };
    // Patient, so that no answer of it comes too late on a busy machine.
    let deadline = Duration::from_secs(5);
    let engine = Engine::with_options(&redis.url(), EngineOptions { deadline }).unwrap();
    let worlds = [
        World::sharing(Some(&engine), narrow).await,
        World::sharing(Some(&engine), narrow).await,
    ];
    let count = async |token: fn(&World) -> &str| {
        let (mut admitted, began) = (0, std::time::Instant::now());
        for world in worlds.iter().cycle().take(80) {
            let request = Client::new().get(format!("{}/orders/a", world.url));
            let answer = request.bearer_auth(token(world)).send().await.unwrap();
            admitted += u64::from(answer.status() == 200);
        }
        (admitted, began.elapsed().as_secs() + 1)
    };
    // Together as many as one of them alone would admit.
    let (admitted, seconds) = count(|world| &world.alice).await;
    assert!(
        (20..=20 + seconds).contains(&admitted),
        "{admitted} in {seconds} s"
    );
    redis.kill().unwrap();
    // Somebody of whom no earlier no is remembered: half of it at each.
    let (admitted, seconds) = count(|world| &world.bob).await;
    assert!(
        (20..=2 * (10 + seconds)).contains(&admitted),
        "{admitted} in {seconds} s"
    );
}
