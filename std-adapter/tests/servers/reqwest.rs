use fuseboard::{
    Backoff, ByReqwest, CallError, CircuitBreaker, CircuitBreakerConfig, Hedge, Pipeline,
    PipelineMiddleware, PolicyKind, RetryConfig,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Answers each request with the next of these heads, the last for ever.
fn server(heads: &'static [&'static str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            for line in reader
                .by_ref()
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
            {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let served = count.fetch_add(1, Ordering::SeqCst);
            let head = heads[served.min(heads.len() - 1)];
            let _ = write!(
                stream,
                "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi"
            );
        }
    });
    (address, served)
}

fn client(pipeline: Pipeline<ByReqwest>) -> ClientWithMiddleware {
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    ClientBuilder::new(direct)
        .with(PipelineMiddleware::new(pipeline))
        .build()
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: Backoff::constant(Duration::from_nanos(1)),
        ..Default::default()
    }
}

fn breaker() -> CircuitBreaker {
    let config = CircuitBreakerConfig {
        minimum_requests: 3,
        ..Default::default()
    };
    CircuitBreaker::new("server", config)
}

#[tokio::test]
async fn a_get_is_repeated_and_the_breaker_rejects_when_it_is_open() {
    let (address, served) = server(&["503 Busy", "200 OK", "500 Broken"]);
    let breaker = breaker();
    let pipeline = Pipeline::builder()
        .classify(ByReqwest)
        .retry(retry())
        .breaker(breaker.clone());
    let client = client(pipeline.build().unwrap());
    let url = format!("http://{address}/");
    let response = client.get(&url).send().await.unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.text().await.unwrap().as_str()
        ),
        (200, "hi")
    );
    assert_eq!(served.load(Ordering::SeqCst), 2);
    let error = client.get(&url).send().await.unwrap_err();
    let Error::Middleware(error) = error else {
        panic!("{error}");
    };
    let refused: &CallError<Infallible> = error.downcast_ref().unwrap();
    assert!(
        matches!(
            refused,
            CallError::Rejected {
                policy: PolicyKind::Breaker,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(
        (
            served.load(Ordering::SeqCst),
            breaker.snapshot().totals.failures
        ),
        (3, 2)
    );
}

#[tokio::test]
async fn a_post_is_made_once_by_retries_and_hedges_alike() {
    let (address, served) = server(&["503 Busy"]);
    let hedge = Hedge::new(Duration::from_nanos(1)).unwrap();
    let pipeline = Pipeline::builder()
        .classify(ByReqwest)
        .retry(retry())
        .hedge(hedge);
    let client = client(pipeline.build().unwrap());
    let response = client
        .post(format!("http://{address}/"))
        .body("pay")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(served.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    let (address, served) = server(&["503 Busy\r\nretry-after: 3600", "200 OK"]);
    let pipeline = Pipeline::builder()
        .classify(ByReqwest)
        .retry(retry())
        .build()
        .unwrap();
    // An hour is longer than anybody waits: its answer is the answer.
    let response = client(pipeline)
        .get(format!("http://{address}/"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), served.load(Ordering::SeqCst)),
        (503, 1)
    );
}
