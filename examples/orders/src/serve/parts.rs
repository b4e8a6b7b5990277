//! What works in the background of one process, and how it ends.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use reqwest::Url;
use tokio::task::JoinSet;

use super::listen::{address_of, listen};
use super::shutdown::Stop;
use crate::bus::EventBus;
use crate::observe::lane::Lane;
use crate::store::EventStore;

/// How often what must be asked for over a socket is asked for.
const SAMPLE: Duration = Duration::from_secs(1);

type Last = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The parts of the service in this process.
pub struct Parts {
    /// The way of events.
    pub bus: Arc<dyn EventBus>,
    stop: Stop,
    tasks: JoinSet<()>,
    last: Vec<Last>,
}

impl Parts {
    /// None yet.
    pub fn new(bus: Arc<dyn EventBus>, stop: Stop) -> Self {
        Self {
            bus,
            stop,
            tasks: JoinSet::new(),
            last: Vec::new(),
        }
    }

    /// Runs `part` until everybody is told to stop; it may be dropped at any point.
    pub fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = part => tracing::error!(part = name, "ended by itself"),
                () = stop.stopped() => {}
            }
        });
    }

    /// Serves routes for the gateway of this process, and says where.
    pub async fn serve_inside(&mut self, routes: Router) -> anyhow::Result<Url> {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "").await?;
        let url = format!("http://{}", address_of(&listener)?);
        let stop = self.stop.clone().stopped();
        self.tasks.spawn(async move {
            // By then the gateway has none of its requests under way.
            let served = axum::serve(listener, routes).with_graceful_shutdown(stop);
            if let Err(error) = served.await {
                tracing::error!(%error, "a service ended by itself");
            }
        });
        Ok(url.parse()?)
    }

    /// Runs `part` until it has ended in order, once everybody is told to stop.
    pub fn spawn_ending<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        part: impl FnOnce(Stop) -> F,
    ) {
        self.tasks.spawn(part(self.stop.clone()));
    }

    /// Runs `last` when all parts have stopped, in the order in which it was said.
    pub fn at_end(&mut self, last: impl Future<Output = ()> + Send + 'static) {
        self.last.push(Box::pin(last));
    }

    /// Asks the store for its heads again and again.
    pub fn watch_store(&mut self, store: Arc<dyn EventStore>, lane: &Arc<Lane>) {
        let lane = Arc::clone(lane);
        self.spawn("store watch", async move {
            loop {
                // A store that does not answer shows by its silence.
                if let Ok(heads) = store.heads().await {
                    lane.heads(heads);
                }
                tokio::time::sleep(SAMPLE).await;
            }
        });
    }

    /// Asks the bus how a group stands, again and again.
    pub fn watch_group(&mut self, group: String, lane: &Arc<Lane>) {
        let (bus, lane) = (Arc::clone(&self.bus), Arc::clone(lane));
        self.spawn("group watch", async move {
            loop {
                match bus.lag(&group).await {
                    Ok(lag) => lane.group(&group, lag),
                    Err(error) => {
                        tracing::debug!(%error, group, "how the group stands is not known");
                    }
                }
                tokio::time::sleep(SAMPLE).await;
            }
        });
    }

    /// Waits until all have stopped, which they must have been told, and does what comes last.
    pub async fn end(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the service ended badly");
            }
        }
        for last in self.last {
            last.await;
        }
    }
}
