//! `ResilientHttpClient` against a real server on the loopback interface.
#![cfg(feature = "reqwest")]

use fuseboard::{
    CircuitBreakerConfig, CircuitBreakerError, CircuitState, ResilientHttpClient, Window,
};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test)
}

/// A server that answers each request with the status that its path names, and `/hang` never.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap().trim_start_matches('/');
                if path == "hang" {
                    return std::future::pending().await;
                }
                let body = format!("status {path}");
                let head = format!("HTTP/1.1 {path} X\r\nconnection: close\r\n");
                let reply = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(reply.as_bytes()).await.unwrap();
            });
        }
    });
    format!("http://{address}")
}

fn client() -> ResilientHttpClient {
    let config = CircuitBreakerConfig {
        window: Some(Window::Consecutive(2)),
        ..Default::default()
    };
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    ResilientHttpClient::with_config("test", config)
        .unwrap()
        .client(direct)
}

#[test]
fn a_body_is_returned_and_counted() {
    run(async {
        let (server, client) = (server().await, client());
        assert_eq!(
            client.get(&format!("{server}/200")).await.unwrap(),
            "status 200"
        );
        assert_eq!(client.breaker().snapshot().totals.calls, 1);
    });
}

#[test]
fn server_errors_open_it_and_the_next_request_is_not_sent() {
    run(async {
        let (server, client) = (server().await, client());
        for _ in 0..2 {
            let error = client.get(&format!("{server}/503")).await.unwrap_err();
            assert_eq!(error.into_inner().unwrap().status().unwrap(), 503);
        }
        assert_eq!(client.circuit_state(), CircuitState::Open);
        let error = client.get(&format!("{server}/200")).await.unwrap_err();
        assert!(matches!(error, CircuitBreakerError::CircuitOpen { .. }));
        assert!(error.retry_after().is_some());
    });
}

#[test]
fn client_errors_are_the_callers_and_a_bad_url_counts_nowhere() {
    run(async {
        let (server, client) = (server().await, client());
        for _ in 0..3 {
            let error = client.get(&format!("{server}/404")).await.unwrap_err();
            assert_eq!(error.into_inner().unwrap().status().unwrap(), 404);
        }
        for _ in 0..3 {
            assert!(client.get("no url").await.is_err());
        }
        let totals = client.breaker().snapshot().totals;
        assert_eq!((totals.calls, totals.failures, totals.ignored), (3, 0, 3));
        assert_eq!(client.circuit_state(), CircuitState::Closed);
    });
}

#[test]
fn a_closed_port_and_a_timeout_are_failures() {
    run(async {
        let client = client().timeout(Duration::from_millis(20));
        let unused = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(client.get(&format!("http://{unused}/")).await.is_err());
        let error = client
            .get(&format!("{}/hang", server().await))
            .await
            .unwrap_err();
        assert!(error.into_inner().unwrap().is_timeout());
        assert_eq!(client.circuit_state(), CircuitState::Open);
    });
}

#[test]
fn p6_a_cancelled_request_counts_nowhere() {
    run(async {
        let (server, client) = (server().await, client());
        let url = format!("{server}/hang");
        tokio::select! {
            biased;
            _ = client.get(&url) => unreachable!("the server never answers"),
            () = tokio::task::yield_now() => {}
        }
        let totals = client.breaker().snapshot().totals;
        assert_eq!((totals.calls, totals.ignored), (0, 1));
    });
}
