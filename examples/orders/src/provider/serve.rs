//! A server that can close a connection instead of answering.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// In a response's extensions: it is not sent, and the connection is closed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Cut;

impl Cut {
    pub(super) fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

/// Prints where it listens, and answers until the program is interrupted.
pub(super) async fn run_program(
    host: IpAddr,
    port: u16,
    name: &str,
    router: Router,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("{host}:{port}"))?;
    println!("{name}: http://{}", listener.local_addr()?);
    let stop = async {
        // Without a handler for the signal, the signal itself ends the program.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(listener, router, stop).await?;
    Ok(())
}

/// Answers on a listener until `stop` is ready; what is under way then is dropped.
///
/// # Errors
/// The listener is broken.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return Ok(()),
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(TokioIo::new(stream), router.clone()));
            }
            // No descriptor is left, or the client has gone already: neither lasts.
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse(stream: TokioIo<tokio::net::TcpStream>, router: Router) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let answer = router.oneshot(request.map(Body::new)).await;
            let answer = answer.unwrap_or_else(|never| match never {});
            match answer.extensions().get::<Cut>() {
                Some(cut) => Err(*cut),
                None => Ok(answer),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(stream, service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}
