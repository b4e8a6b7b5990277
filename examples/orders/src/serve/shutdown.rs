//! The end, in order: not ready, requests under way finished, then what works in the background, then the last telemetry.

use std::time::Duration;

use fuseboard::telemetry::Health;
use tokio::sync::watch;

/// Told to everything that works in the background: stop when what is under way is done.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Who tells.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Nobody has been told yet.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Tells everybody.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Ends when they are told, or when there is nobody left to tell them.
    pub async fn stopped(mut self) {
        // An error: the one who tells is gone, which is an end too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// The same as a value that changes, for those who look at it in between.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}

/// Waits for the signal to end, says so on `/readyz`, and keeps serving for `drain`.
pub async fn told_to_end(health: Health, drain: Duration) {
    signal().await;
    health.set_draining();
    tracing::info!(drain_ms = drain.as_millis() as u64, "told to end: draining");
    tokio::time::sleep(drain).await;
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(error) => {
            tracing::warn!(%error, "no handler of SIGTERM; only Ctrl-C ends it in order");
            // An error here: nobody can tell it to end, so it serves on.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
