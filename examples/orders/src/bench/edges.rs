//! What the policies of the gateway and of the providers' edges take: calls through them that are answered at once, less the same answers without
//! them; beside what a whole request takes there.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fuseboard::Timeout;
use http_body_util::BodyExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::policies::{extra, micros, share};
use super::report::{Row, percentiles};
use crate::auth::Tokens;
use crate::edge::{Answer, Endpoint};
use crate::gateway::{Gateway, GatewaySettings, without};
use crate::money::{Currency, Money};
use crate::payment::{PaymentEdge, PaymentSettings, Payments};
use crate::provider::{self, Ledger};
use crate::shipping::{Shipping, ShippingEdge, ShippingSettings};

/// Nobody is limited while it is measured.
const NO_LIMIT: u64 = 1_000_000;

/// A gateway before a command service, whose limits nobody reaches.
pub fn gateway(command: &str, tokens: Arc<Tokens>) -> Result<Gateway> {
    let command = Endpoint::new("command", command);
    let query = Endpoint::new("query", "http://127.0.0.1:9");
    let settings = GatewaySettings {
        requests_per_second: NO_LIMIT,
        burst: NO_LIMIT,
        ..GatewaySettings::new(command, query)
    };
    Gateway::new(&settings, tokens, None)
}

/// The gateway's policies, and those with the store's (`store`) against a whole request through it.
pub async fn gateway_share(store: Duration, request: Duration) -> Result<Vec<Row>> {
    let gateway = gateway("http://127.0.0.1:9", Arc::new(Tokens::parse("[]")?))?;
    let answer = || reqwest::Response::from(http::Response::new("{}"));
    let whole = async |response: axum::response::Response| {
        response.into_body().collect().await?;
        anyhow::Ok(())
    };
    let policies = extra(
        async || whole(without(answer())).await,
        async || {
            let answered = gateway.through("subject:bench", answer).await;
            whole(answered.context("a policy of the gateway kept it away")?).await
        },
    );
    let policies = policies.await?;
    let what = "gateway: rate of a client, shedding, timeouts, retry with budget, breaker, places";
    let both = "gateway's and store's: their share of a request of one client, PostgreSQL";
    Ok(vec![
        Row::text("policies", what, &micros(policies)),
        share(both, policies + store, request),
    ])
}

/// The policies of both providers' edges, and their share of what is asked of a provider beside them, which keeps it on the disk.
pub async fn provider_shares(length: Duration) -> Result<Vec<Row>> {
    let folder = TempDir::new()?;
    let ledger = Ledger::open(&folder.path().join("ledger.db")).await?;
    let region = Provider::start(provider::payment::router(ledger.clone(), "near")).await?;
    let carrier = Provider::start(provider::shipping::router(ledger, "swift")).await?;
    let settings = PaymentSettings::new(vec![Endpoint::new("near", &region.url)]);
    let limit = Timeout::new(settings.timeout)?;
    let payments = PaymentEdge::new(settings)?;
    let shipping = ShippingEdge::new(&ShippingSettings::new(vec![Endpoint::new(
        "swift",
        &carrier.url,
    )]))?;
    let answer = || Answer::at_once("near", json!({ "region": "near" }));
    let of_payment = extra(
        async || {
            black_box(answer());
            anyhow::Ok(())
        },
        async || {
            payments
                .through(limit.clone(), |_| std::future::ready(Ok(answer())))
                .await?;
            anyhow::Ok(())
        },
    );
    let of_payment = of_payment.await?;
    let of_shipping = extra(
        async || {
            black_box(answer());
            anyhow::Ok(())
        },
        async || {
            shipping
                .through(|_| std::future::ready(Ok(answer())))
                .await?;
            anyhow::Ok(())
        },
    );
    let of_shipping = of_shipping.await?;
    let price = Money::new(250, Currency::Eur);
    let charge = async || {
        let charging = payments.charge(Uuid::now_v7(), Uuid::now_v7(), price);
        charging.await.map(drop).context("a charge")
    };
    let charge = middle(length, charge).await?;
    let ship = async || {
        let shipping = shipping.ship(Uuid::now_v7(), Uuid::now_v7());
        shipping.await.map(drop).context("a parcel")
    };
    let ship = middle(length, ship).await?;
    let payment =
        "payment edge: timeouts, retry and hedge with budgets, bulkhead, failover, breaker";
    let carrier = "carrier edge: timeouts, retry with budget, breaker, places";
    Ok(vec![
        Row::text("policies", payment, &micros(of_payment)),
        share(
            "their share of a charge, the provider beside it",
            of_payment,
            charge,
        ),
        Row::text("policies", carrier, &micros(of_shipping)),
        share(
            "their share of a parcel, the carrier beside it",
            of_shipping,
            ship,
        ),
    ])
}

/// The time of one, in the middle.
async fn middle(length: Duration, operation: impl AsyncFn() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < length {
        let one = Instant::now();
        operation().await?;
        times.push(one.elapsed());
    }
    Ok(percentiles(&mut times).0)
}

/// A provider in this process.
struct Provider {
    url: String,
    task: JoinHandle<()>,
}

impl Provider {
    async fn start(routes: axum::Router) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            let served = provider::serve(listener, routes, std::future::pending()).await;
            if let Err(error) = served {
                eprintln!("a provider ended: {error:#}");
            }
        });
        Ok(Self { url, task })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}
