//! Providers to test against: in this process, and as programs that can be killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use axum::Router;
use orders::gateway::Gateway;
use orders::provider::{self, Faults, Ledger};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// A server of this process; gone when it is dropped.
pub struct Server {
    pub url: String,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let serve = provider::serve(listener, router, std::future::pending());
            serve.await.unwrap();
        });
        Self { url, task }
    }

    pub async fn gateway(gateway: &Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = gateway.routes();
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, task }
    }

    pub async fn payment(ledger: &Ledger, region: &str) -> Self {
        Self::start(provider::payment::router(ledger.clone(), region)).await
    }

    pub async fn carrier(ledger: &Ledger, carrier: &str) -> Self {
        Self::start(provider::shipping::router(ledger.clone(), carrier)).await
    }

    pub async fn fails(&self, faults: Faults) {
        set_faults(&self.url, &faults).await;
    }

    /// Requests for work so far.
    pub async fn received(&self) -> u64 {
        let stats = reqwest::get(format!("{}/stats", self.url)).await.unwrap();
        let stats: Value = stats.json().await.unwrap();
        stats["received"].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn set_faults(url: &str, faults: &Faults) {
    let request = reqwest::Client::new().post(format!("{url}/faults"));
    let answer = request.json(faults).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// A book in a folder of its own.
pub async fn ledger() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db"))
        .await
        .unwrap();
    (folder, ledger)
}

/// A program of its own; killed when it is dropped.
pub struct Program {
    pub url: String,
    child: Child,
}

impl Program {
    pub async fn payment(ledger: &Path, port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_orders"))
            .args(["payment-provider", "--port", &port.to_string(), "--ledger"])
            .arg(ledger)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("its address");
        let (_, url) = line.split_once(": ").expect("its address");
        Self {
            url: url.to_owned(),
            child,
        }
    }

    pub fn port(&self) -> u16 {
        let (_, port) = self.url.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// As `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
