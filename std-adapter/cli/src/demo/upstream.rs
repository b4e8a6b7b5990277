//! The upstream: a real HTTP server with few workers, whose faults follow the script.

use super::script::{Behaviour, Script};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests worked on at once; the others queue.
pub(crate) const WORKERS: usize = 16;

/// The server's state and its own counts.
pub(crate) struct Upstream {
    started: Instant,
    script: Script,
    workers: Semaphore,
    received: Box<[AtomicU64]>,
    holds: AtomicU64,
    most: AtomicU64,
    abandoned: AtomicU64,
}

/// What the server counted, read once it is quiet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Requests received.
    pub(crate) received: u64,
    /// Of these, while it was sick.
    pub(crate) received_sick: u64,
    /// Most requests held at once, queued or worked on.
    pub(crate) most: u64,
    /// Requests worked on for a caller who had gone.
    pub(crate) abandoned: u64,
}

// The counters order no other memory: Relaxed throughout.
impl Upstream {
    pub(crate) fn new(script: Script, started: Instant) -> Self {
        Self {
            started,
            script,
            workers: Semaphore::new(WORKERS),
            received: script.phases().iter().map(|_| AtomicU64::new(0)).collect(),
            holds: AtomicU64::new(0),
            most: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        let received = || self.script.phases().iter().zip(&*self.received);
        let sum = |sick_only: bool| {
            received()
                .filter(|(phase, _)| phase.sick || !sick_only)
                .map(|(_, count)| count.load(Ordering::Relaxed))
                .sum()
        };
        Counted {
            received: sum(false),
            received_sick: sum(true),
            most: self.most.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
        }
    }

    /// Requests held now.
    pub(crate) fn holds(&self) -> u64 {
        self.holds.load(Ordering::Relaxed)
    }

    /// Serves until dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: Arc<TcpListener>) {
        let mut connections = JoinSet::new();
        loop {
            // A connection that is gone before it is accepted concerns nobody else.
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let upstream = Arc::clone(&self);
            connections.spawn(async move {
                let service =
                    hyper::service::service_fn(|request| Arc::clone(&upstream).answer(request));
                // An error here is a caller who hung up.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(
        self: Arc<Self>,
        _: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        self.received[self.phase()].fetch_add(1, Ordering::Relaxed);
        let held = self.holds.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(held, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        // Like most servers it does not notice that a caller has gone until it has done the work.
        tokio::spawn(async move {
            let status = self.work().await;
            self.holds.fetch_sub(1, Ordering::Relaxed);
            if answer.send(status).is_err() {
                self.abandoned.fetch_add(1, Ordering::Relaxed);
            }
        });
        let status = answered.await.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Full::from(status.as_str().to_owned()));
        *response.status_mut() = status;
        Ok(response)
    }

    async fn work(&self) -> StatusCode {
        // The semaphore is never closed; without a worker the request fails.
        let Ok(_worker) = self.workers.acquire().await else {
            return StatusCode::INTERNAL_SERVER_ERROR;
        };
        let index = self.phase();
        match self.script.phases()[index].behaviour {
            Behaviour::Answer(after) => {
                tokio::time::sleep(after).await;
                StatusCode::OK
            }
            Behaviour::Fail(after) => {
                tokio::time::sleep(after).await;
                StatusCode::SERVICE_UNAVAILABLE
            }
            Behaviour::Hang => {
                let over = self.script.begins(index) + self.script.phases()[index].lasts;
                tokio::time::sleep_until(self.started + over).await;
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn phase(&self) -> usize {
        self.script.index_at(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
