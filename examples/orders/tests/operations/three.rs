//! Gateway, command and query service as processes of their own, on a PostgreSQL and a Redis.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use orders::engine::{PostgresEngine, RedisEngine};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::program::{Service, orders, pay_with};

const TOKEN: &str = "a-customer-with-this-token";

struct Provider(Child, String);

impl Provider {
    fn start(kind: &str, ledger: &Path) -> Result<Self> {
        let mut command = orders();
        command.args([kind, "--port=0", "--ledger"]).arg(ledger);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().context("it is piped")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default();
        Ok(Self(child, url.to_owned()))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_three_processes_are_one_service() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = PostgresEngine::shared().await?;
    let postgres = server.fresh_database().await?;
    let engine = RedisEngine::start().await?;
    let redis = engine.url();
    let payment = Provider::start("payment-provider", &folder.path().join("payments.db"))?;
    let shipping = Provider::start("shipping-provider", &folder.path().join("shipments.db"))?;
    let digest = Sha256::digest(TOKEN);
    let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let (tokens, user) = (folder.path().join("tokens.json"), Uuid::now_v7());
    let holder = json!([{
        "token_sha256": digest.concat(),
        "subject": "carol",
        "user_id": user,
        "scopes": ["orders-read", "orders-write"],
    }]);
    fs::write(&tokens, holder.to_string())?;

    let command = Service::start_as("command", |command| {
        command.args(["--postgres", &postgres, "--redis", &redis]);
        command.arg("--payment-provider");
        command.arg(format!("only={}", payment.1));
        command.args(["--shipping-provider", &shipping.1]);
        command.arg("--tokens").arg(&tokens);
    });
    let query = Service::start_as("query", |command| {
        command.args(["--postgres", &postgres, "--redis", &redis]);
        command.arg("--tokens").arg(&tokens);
    });
    let gateway = Service::start_as("gateway", |process| {
        process.args(["--redis", &redis, "--command-url", &command.clients]);
        process.args(["--query-url", &query.clients]);
        process.arg("--tokens").arg(&tokens);
    });
    assert!(
        !gateway.said.iter().any(|line| line.contains("events in")),
        "{:?}",
        gateway.said
    );

    let paid = pay_with(&gateway, TOKEN).await;
    let (id, position) = (&paid["order"]["order_id"], &paid["position"]);
    let id = id.as_str().context("an id")?;
    let url = format!("{}/orders/{id}?min_position={position}", gateway.clients);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let read = client.get(&url).bearer_auth(TOKEN).send().await?;
    assert_eq!(read.status(), 200);
    let read: Value = read.json().await?;
    assert_eq!(read["order"]["status"], "paid");
    // Behind the gateway a token is asked for again.
    let past = format!("{}/orders/{id}", query.clients);
    assert_eq!(client.get(&past).send().await?.status(), 401);

    // Without the query service commands go on.
    let (status, log) = query.end();
    assert!(status.success(), "{log}");
    let gone = client.get(&url).bearer_auth(TOKEN).send().await?;
    assert!(gone.status().is_server_error(), "{}", gone.status());
    pay_with(&gateway, TOKEN).await;
    for service in [gateway, command] {
        let (status, log) = service.end();
        assert!(status.success(), "{log}");
    }
    Ok(())
}
