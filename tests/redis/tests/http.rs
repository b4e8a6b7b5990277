//! Servers on real sockets, each a host of its own, whose clients are limited through one engine.

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use fuseboard::axum::{AnswerLayer, RateLimited, RequestLimit, RequestLimitLayer};
use fuseboard::redis::{
    Engine, EngineOptions, FailurePolicy, FixedWindow, Lease, LimiterOptions, RateLimiter,
    SlidingCounter, SlidingWindow, TokenBucket,
};
use fuseboard::tower::LimiterLayer;
use fuseboard::{Keyed, Limiter, Nanos, Rate};
use fuseboard_redis::server::Server;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: u64 = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// What a client gets.
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// One request over a connection of its own.
async fn ask(address: SocketAddr, key: &str) -> Result<Response> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    Ok(Response {
        status: status.context("no status")?.parse()?,
        headers: lines.filter_map(header).collect(),
        body: body.to_owned(),
    })
}

async fn serve(app: Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

fn api_key(parts: &Parts) -> Option<String> {
    Some(parts.headers.get("x-api-key")?.to_str().ok()?.to_owned())
}

/// A host whose clients `limiter` limits.
async fn host(limiter: Arc<dyn Limiter>) -> Result<SocketAddr> {
    let limit = RequestLimit::with_limiter("api", limiter)?
        .keyed_by(api_key)
        .with_old_headers();
    let handler = async || "hello";
    serve(
        Router::new()
            .route("/", get(handler))
            .layer(RequestLimitLayer::new(limit)),
    )
    .await
}

fn engine(server: &Server) -> Result<Engine> {
    let deadline = Duration::from_secs(5);
    Ok(Engine::with_options(
        &server.url(),
        EngineOptions { deadline },
    )?)
}

/// A limiter of each algorithm, on an engine of its own: as another host has it.
fn each(server: &Server) -> Result<[Arc<dyn Limiter>; 4]> {
    let engine = engine(server)?;
    let options = || LimiterOptions::new(FailurePolicy::Closed);
    let bucket = TokenBucket::new(Rate::new(LIMIT, Nanos::from(HOUR)), LIMIT)?;
    let window = SlidingWindow::new(LIMIT, HOUR)?;
    let counter = SlidingCounter::new(LIMIT, HOUR)?;
    let fixed = FixedWindow::new(LIMIT, HOUR)?;
    Ok([
        Arc::new(RateLimiter::on(&engine, &bucket, options())?),
        Arc::new(RateLimiter::on(&engine, &window, options())?),
        Arc::new(RateLimiter::on(&engine, &counter, options())?),
        Arc::new(RateLimiter::on(&engine, &fixed, options())?),
    ])
}

#[tokio::test]
async fn l1_two_servers_share_a_limit_of_each_algorithm_and_say_what_is_left() -> Result<()> {
    let server = Server::start()?;
    for (first, second) in each(&server)?.into_iter().zip(each(&server)?) {
        let hosts = [host(first).await?, host(second).await?];
        for (request, left) in (0..LIMIT).rev().enumerate() {
            let response = ask(hosts[request % 2], "ada").await?;
            assert_eq!((response.status, response.body.as_str()), (200, "hello"));
            assert_eq!(
                response.header("ratelimit-policy"),
                Some("\"api\";q=3;w=3600")
            );
            let said = format!("\"api\";r={left}");
            assert_eq!(response.header("ratelimit"), Some(said.as_str()));
            assert_eq!(response.header("x-ratelimit-limit"), Some("3"));
            let said = left.to_string();
            assert_eq!(
                response.header("x-ratelimit-remaining"),
                Some(said.as_str())
            );
            assert_eq!(response.header("retry-after"), None);
        }
        for address in hosts {
            let denied = ask(address, "ada").await?;
            assert_eq!(denied.status, 429);
            let wait: u64 = denied
                .header("retry-after")
                .context("no Retry-After")?
                .parse()?;
            assert!(wait > 0 && wait <= 2 * HOUR.as_secs(), "{wait}");
            let said = format!("\"api\";r=0;t={wait}");
            assert_eq!(denied.header("ratelimit"), Some(said.as_str()));
            let reset: u64 = denied
                .header("x-ratelimit-reset")
                .context("no reset")?
                .parse()?;
            assert!(
                reset >= wait,
                "all of it is not there before some: {reset}, {wait}"
            );
            assert!(denied.body.contains("quota-exceeded"), "{}", denied.body);
        }
        assert_eq!(
            ask(hosts[0], "bob").await?.status,
            200,
            "each client for itself"
        );
    }
    Ok(())
}

#[tokio::test]
async fn l2_the_same_server_with_a_limiter_of_its_own_or_with_a_lease() -> Result<()> {
    let server = Server::start()?;
    let rate = Rate::new(LIMIT, Nanos::from(HOUR));
    let local = Keyed::token_buckets(rate, LIMIT, 100)?;
    let options = LimiterOptions::new(FailurePolicy::Closed).lease(Lease::up_to(2));
    let leased = RateLimiter::on(&engine(&server)?, &TokenBucket::new(rate, LIMIT)?, options)?;
    for limiter in [Arc::new(local) as Arc<dyn Limiter>, Arc::new(leased)] {
        let address = host(limiter).await?;
        for status in [200, 200, 200, 429, 429] {
            assert_eq!(ask(address, "ada").await?.status, status);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_whose_engine_is_away_answers_as_its_policy_says_and_comes_back() -> Result<()> {
    let mut server = Server::start()?;
    let engine = Engine::new(&server.url())?;
    let rate = Rate::new(LIMIT, Nanos::from(HOUR));
    let bucket = TokenBucket::new(rate, LIMIT)?;
    let mut hosts = Vec::new();
    for policy in [
        FailurePolicy::Closed,
        FailurePolicy::Open,
        FailurePolicy::LocalShare(1.0),
    ] {
        let options = LimiterOptions::new(policy).prefix(format!("{policy:?}"));
        hosts.push(host(Arc::new(RateLimiter::on(&engine, &bucket, options)?)).await?);
    }
    until_engine_decides(hosts[0]).await?;
    server.kill()?;
    for (address, expected) in hosts
        .iter()
        .zip([[503; 5], [200; 5], [200, 200, 200, 503, 503]])
    {
        for status in expected {
            let begin = Instant::now();
            let response = ask(*address, "ada").await?;
            // A busy machine adds to it; without a deadline it would be seconds.
            assert!(begin.elapsed() < engine.deadline() + Duration::from_millis(400));
            assert_eq!(response.status, status);
            assert_eq!(
                response.header("ratelimit"),
                None,
                "nobody knows what is left"
            );
            assert_eq!(
                response.header("retry-after").is_some(),
                response.status != 200
            );
        }
    }
    server.restart()?;
    for address in hosts {
        until_engine_decides(address).await?;
    }
    Ok(())
}

/// It says again what is left.
async fn until_engine_decides(address: SocketAddr) -> Result<()> {
    let begin = Instant::now();
    while ask(address, "recovery")
        .await?
        .header("ratelimit")
        .is_none()
    {
        ensure!(begin.elapsed() < Duration::from_secs(20), "not back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test]
async fn l1_a_limiter_as_an_extractor_and_as_a_layer_of_tower() -> Result<()> {
    let server = Server::start()?;
    let [bucket, window, ..] = each(&server)?;
    let limit = RequestLimit::with_limiter("api", bucket)?.keyed_by(api_key);
    let handler = async |limited: RateLimited| {
        let decision = limited.decision();
        format!("{} {:?}", limited.remaining(), decision.source)
    };
    let app = Router::new().route("/", get(handler));
    let extracted = serve(app.layer(axum::Extension(limit))).await?;
    let key = |request: &axum::extract::Request| {
        let key = request.headers().get("x-api-key");
        let key = key.and_then(|key| key.to_str().ok());
        key.unwrap_or_default().to_owned()
    };
    // Within `AnswerLayer` a rejection is a response.
    let layers = (AnswerLayer, LimiterLayer::new(window, key));
    let handler = async || "hello";
    let layered = serve(Router::new().route("/", get(handler)).layer(layers)).await?;
    assert_eq!(ask(extracted, "ada").await?.body, "2 Engine");
    for (address, before) in [(extracted, 2), (layered, 3)] {
        for _ in 0..before {
            assert_eq!(ask(address, "ada").await?.status, 200);
        }
        let denied = ask(address, "ada").await?;
        assert_eq!(denied.status, 429);
        assert!(denied.header("retry-after").is_some());
        assert_eq!(ask(address, "bob").await?.status, 200);
    }
    Ok(())
}
