use ::axum::body::Body;
use ::axum::http::{Request, StatusCode};
use ::axum::response::Response;
use ::axum::routing::get;
use ::axum::{Extension, Router};
use fuseboard::axum::{AnswerLayer, RateLimited, RequestLimit, RequestLimitLayer};
use fuseboard::tower::{BreakerLayer, ConcurrencyLayer, TimeoutLayer};
use fuseboard::{
    ByHttpStatus, CircuitBreaker, CircuitBreakerConfig, ConcurrencyQueue, Rate, Timeout, TokioClock,
};
use http_body_util::BodyExt;
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt};

fn request(key: Option<&str>) -> Request<Body> {
    let builder = Request::builder().uri("/");
    let builder = match key {
        Some(key) => builder.header("x-api-key", key),
        None => builder,
    };
    builder.body(Body::empty()).unwrap()
}

async fn ask(app: &Router, key: Option<&str>) -> Response {
    app.clone().oneshot(request(key)).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// One in an hour and two at once, for each key.
fn limit() -> RequestLimit {
    let key = |parts: &::axum::http::request::Parts| {
        let key = parts.headers.get("x-api-key")?;
        Some(key.to_str().ok()?.to_owned())
    };
    RequestLimit::for_each("api", Rate::per_hour(1), 2, 100, key).unwrap()
}

async fn check_limit(app: Router) {
    for left in [1, 0] {
        let response = ask(&app, Some("ada")).await;
        assert_eq!(response.status(), StatusCode::OK);
        if !header(&response, "ratelimit").is_empty() {
            assert_eq!(header(&response, "ratelimit"), format!("\"api\";r={left}"));
            assert_eq!(header(&response, "ratelimit-policy"), "\"api\";q=2;w=7200");
        }
    }
    let response = ask(&app, Some("ada")).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = header(&response, "retry-after").parse().unwrap();
    assert!((3_590..=3_600).contains(&wait), "{wait}");
    assert_eq!(
        header(&response, "ratelimit"),
        format!("\"api\";r=0;t={wait}")
    );
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], 429);
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    // Another client has its own; those without a key share one.
    assert_eq!(ask(&app, Some("bob")).await.status(), StatusCode::OK);
    assert_eq!(ask(&app, None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_limit_as_a_layer_says_what_is_left() {
    let app = Router::new()
        .route("/", get(async || "hello"))
        .layer(RequestLimitLayer::new(limit()));
    check_limit(app).await;
}

#[tokio::test]
async fn a_limit_as_an_extractor_limits_the_handlers_that_ask_for_it() {
    async fn limited(admitted: RateLimited) -> String {
        admitted.remaining().to_string()
    }
    let app = Router::new().route("/", get(limited));
    let forgotten = ask(&app, None).await;
    assert_eq!(forgotten.status(), StatusCode::INTERNAL_SERVER_ERROR);
    check_limit(app.layer(Extension(limit()))).await;
}

#[tokio::test(start_paused = true)]
async fn what_policies_say_becomes_503_and_504_with_the_time_to_come_back() {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let breaker = CircuitBreaker::with_clock("slow", config, TokioClock).unwrap();
    let queue = ConcurrencyQueue::new(1).unwrap();
    let layers = ServiceBuilder::new()
        .layer(AnswerLayer)
        .layer(BreakerLayer::new(breaker.clone()).classify(ByHttpStatus))
        .layer(ConcurrencyLayer::new(queue.clone()))
        .layer(TimeoutLayer::new(
            Timeout::new(Duration::from_secs(1)).unwrap(),
        ));
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(9)).await;
        "late"
    };
    let app = Router::new()
        .route("/", get(slow))
        .route("/broken", get(async || StatusCode::BAD_GATEWAY))
        .layer(layers);
    assert_eq!(ask(&app, None).await.status(), StatusCode::GATEWAY_TIMEOUT);
    let held = queue.try_acquire().unwrap();
    let full = ask(&app, None).await;
    assert_eq!(
        (full.status(), header(&full, "retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "")
    );
    drop(held);
    // The handler's own 502 passes, and is the second failure.
    let broken = Request::builder()
        .uri("/broken")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        app.clone().oneshot(broken).await.unwrap().status(),
        StatusCode::BAD_GATEWAY
    );
    let open = ask(&app, None).await;
    assert_eq!(
        (open.status(), header(&open, "retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "30")
    );
    let body = open.into_body().collect().await.unwrap().to_bytes();
    assert!(
        String::from_utf8_lossy(&body).contains("Come back in 30 s."),
        "{body:?}"
    );
    assert_eq!(queue.in_flight(), 0);
}
