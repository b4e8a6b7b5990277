//! tonic's services are tower services over `http`: the layers go around them, and around its channels.

use ::tonic::body::Body;
use ::tonic::{Code, Status};
use axum::http::{Request, Response};
use fuseboard::tower::{BreakerLayer, ConcurrencyLayer, refused};
use fuseboard::{
    ByGrpcStatus, CircuitBreaker, CircuitBreakerConfig, CircuitState, ConcurrencyQueue, Verdict,
};
use std::convert::Infallible;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn a_status_in_the_headers_is_what_the_breaker_counts() {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let breaker = CircuitBreaker::new("greeter", config);
    let layers = ServiceBuilder::new()
        .layer(BreakerLayer::new(breaker.clone()).classify(ByGrpcStatus))
        .layer(ConcurrencyLayer::new(ConcurrencyQueue::new(8).unwrap()));
    let answers = |code| {
        let service = service_fn(move |_: Request<Body>| async move {
            let response: Response<Body> = Status::new(code, "as asked").into_http();
            Ok::<_, Infallible>(response)
        });
        layers.clone().service(service)
    };
    let request = || Request::new(Body::empty());
    for _ in 0..3 {
        answers(Code::NotFound).oneshot(request()).await.unwrap();
    }
    assert_eq!(breaker.state(), CircuitState::Closed);
    for _ in 0..3 {
        answers(Code::Unavailable).oneshot(request()).await.unwrap();
    }
    assert_eq!(breaker.state(), CircuitState::Open);
    let error = answers(Code::Ok).oneshot(request()).await.unwrap_err();
    assert!(refused(&*error).unwrap().is_rejected());
}

#[test]
fn every_code_of_tonic_has_a_verdict() {
    let repeatable: Vec<_> = (0..17)
        .filter(|&code| Verdict::from_grpc_code(Code::from_i32(code) as i32).is_repeatable)
        .map(Code::from_i32)
        .collect();
    assert_eq!(
        repeatable,
        [Code::ResourceExhausted, Code::Aborted, Code::Unavailable]
    );
}
