//! Layers over real sockets: servers that stand in for each other, and equal requests that reach a server once.

use ::axum::body::{Body, Bytes};
use ::axum::http::{Method, Request, Response, StatusCode};
use ::axum::routing::get;
use ::axum::{Router, serve};
use fuseboard::axum::AnswerLayer;
use fuseboard::tower::{BoxError, CoalesceLayer, FailoverLayer};
use fuseboard::{CircuitBreaker, CircuitBreakerConfig, CircuitState, Failover, Verdict};
use http_body_util::BodyExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// Serves it on a port of its own.
async fn started(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener, app).await });
    address
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A server that always answers so, and how often it did.
async fn always(status: StatusCode) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let handler = move || {
        count.fetch_add(1, Ordering::SeqCst);
        async move { (status, "served") }
    };
    let address = started(Router::new().route("/users", get(handler))).await;
    (format!("http://{address}"), asked)
}

#[tokio::test]
async fn requests_go_on_to_a_server_that_answers_and_leave_the_others_alone() {
    let (broken, broken_asked) = always(StatusCode::BAD_GATEWAY).await;
    let (working, working_asked) = always(StatusCode::OK).await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);

    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let servers = Failover::new([away, broken, working], config)
        .unwrap()
        .max_ejected(0.7)
        .unwrap();
    let http = client();
    let judge = |result: Result<&reqwest::Response, &BoxError>| match result {
        Ok(response) => Verdict::from_http_status(response.status().as_u16()),
        Err(_) => Verdict::FAILURE,
    };
    let direct = |server: &String, path: &'static str| format!("{server}{path}");
    let service = ServiceBuilder::new()
        .layer(FailoverLayer::new(servers.clone(), direct).classify(judge))
        .service(service_fn(move |url: String| http.get(url).send()));
    for _ in 0..5 {
        let response = service.clone().oneshot("/users").await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.text().await.unwrap(), "served");
    }
    let states: Vec<_> = servers.breakers().map(CircuitBreaker::state).collect();
    assert_eq!(
        states,
        [CircuitState::Open, CircuitState::Open, CircuitState::Closed]
    );
    let asked = [broken_asked, working_asked].map(|asked| asked.load(Ordering::SeqCst));
    assert_eq!(asked, [2, 5]);
}

/// The body in memory, so that the response can be cloned.
async fn read(response: Response<Body>) -> Result<Response<Bytes>, BoxError> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

#[tokio::test]
async fn an_axum_server_makes_equal_gets_once() {
    let made = Arc::new(AtomicUsize::new(0));
    // Answers wait for it, so that all requests meet.
    let gate = Arc::new(Semaphore::new(0));
    let handler = {
        let (made, gate) = (Arc::clone(&made), Arc::clone(&gate));
        move || {
            let (made, gate) = (Arc::clone(&made), Arc::clone(&gate));
            async move {
                let call = made.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                (StatusCode::ACCEPTED, format!("call {call}"))
            }
        }
    };
    let arrived = Arc::new(AtomicUsize::new(0));
    let key = {
        let arrived = Arc::clone(&arrived);
        move |request: &Request<Body>| {
            arrived.fetch_add(1, Ordering::SeqCst);
            (request.method() == Method::GET).then(|| request.uri().clone())
        }
    };
    let layers = ServiceBuilder::new()
        .layer(AnswerLayer)
        .map_response(|response: Response<Bytes>| response.map(Body::from))
        .layer(CoalesceLayer::new(key))
        .and_then(|response: Response<Body>| read(response))
        .map_err(BoxError::from);
    let app = Router::new()
        .route("/report", get(handler.clone()).post(handler))
        .layer(layers);
    let url = format!("http://{}/report", started(app).await);
    let ask = |method: Method, requests: usize| {
        (0..requests)
            .map(|_| tokio::spawn(client().request(method.clone(), &url).send()))
            .collect::<Vec<_>>()
    };
    let all_here = async |requests| {
        while arrived.load(Ordering::SeqCst) < requests {
            tokio::task::yield_now().await;
        }
    };
    let gets = ask(Method::GET, 8);
    all_here(8).await;
    gate.add_permits(1);
    for get in gets {
        let response = get.await.unwrap().unwrap();
        assert_eq!(response.status().as_u16(), 202);
        assert_eq!(response.text().await.unwrap(), "call 0");
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
    // What changes something is made each time.
    let posts = ask(Method::POST, 3);
    all_here(8 + 3).await;
    gate.add_permits(3);
    for post in posts {
        assert_eq!(post.await.unwrap().unwrap().status().as_u16(), 202);
    }
    assert_eq!(made.load(Ordering::SeqCst), 1 + 3);
}
