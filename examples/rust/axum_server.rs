//! An axum server: a limit for each client as an extractor, and answers for the policies around its routes.

use axum::body::Body;
use axum::http::{HeaderMap, Request, request::Parts};
use axum::{Extension, Router, routing::get};
use fuseboard::axum::{AnswerLayer, RateLimited, RequestLimit};
use fuseboard::tower::BreakerLayer;
use fuseboard::{ByHttpStatus, CircuitBreaker, CircuitBreakerConfig, Rate};
use tower::{ServiceBuilder, ServiceExt};

async fn protected_handler(_: RateLimited) -> &'static str {
    "Success"
}

fn api_key(parts: &Parts) -> Option<String> {
    Some(parts.headers.get("x-api-key")?.to_str().ok()?.to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limit = RequestLimit::for_each("api", Rate::per_minute(1), 2, 10_000, api_key)?;
    let breaker = CircuitBreaker::new("orders", CircuitBreakerConfig::default());
    let policies = ServiceBuilder::new()
        .layer(AnswerLayer)
        .layer(BreakerLayer::new(breaker.clone()).classify(ByHttpStatus));
    let app = Router::new()
        .route("/orders", get(protected_handler))
        .layer(policies)
        .layer(Extension(limit));

    let ask = async || {
        let request = Request::get("/orders").header("x-api-key", "ada");
        let response = app.clone().oneshot(request.body(Body::empty())?).await?;
        let header = |headers: &HeaderMap, name| headers.get(name).cloned();
        let wait = header(response.headers(), "retry-after");
        println!("{} retry-after: {wait:?}", response.status());
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    for _ in 0..3 {
        ask().await?;
    }
    breaker.force_open();
    ask().await
}
