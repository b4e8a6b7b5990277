//! Everything that the service needs, as real processes, and the service itself.

use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use uuid::Uuid;

use super::program::Program;
use crate::auth::{NewToken, Scope, Tokens};
use crate::engine::{PostgresEngine, RedisEngine};

/// Regions of the payment provider, in the order in which they are asked.
pub(super) const REGIONS: [&str; 2] = ["primary", "secondary"];

/// Customers who order.
const CUSTOMERS: usize = 8;

/// Real processes.
pub(super) struct World {
    pub(super) postgres: Option<PostgresEngine>,
    pub(super) redis: Option<RedisEngine>,
    pub(super) payments: Vec<Program>,
    pub(super) shipping: Program,
    pub(super) service: Program,
    payment_urls: Vec<String>,
    shipping_url: String,
    /// Where the gateway listens.
    pub(super) base: String,
    pub(super) customers: Vec<String>,
    pub(super) clerk: String,
    pub(super) http: reqwest::Client,
}

/// Where things are below the storm's folder.
pub(super) fn ledger(folder: &Path) -> PathBuf {
    folder.join("payments.db")
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port of loopback is free")?;
    Ok(listener.local_addr()?.port())
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

impl World {
    /// Starts everything, on free ports, with its data in `folder`.
    pub(super) async fn start(folder: &Path, is_embedded: bool) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let (mut postgres, mut redis) = (None, None);
        if !is_embedded {
            postgres = Some(PostgresEngine::start().await?);
            redis = Some(RedisEngine::start().await?);
        }
        let (mut payments, mut payment_urls) = (Vec::new(), Vec::new());
        for region in REGIONS {
            let port = free_port()?;
            let url = format!("http://127.0.0.1:{port}");
            let mut arguments = words(&["payment-provider", "--region", region]);
            arguments.extend(words(&["--port", &port.to_string(), "--ledger"]));
            arguments.push(ledger(folder).into());
            let name = if region == "primary" {
                "payments primary"
            } else {
                "payments secondary"
            };
            payments.push(Program::new(
                name,
                arguments,
                folder,
                format!("{url}/health"),
            ));
            payment_urls.push(url);
        }
        let port = free_port()?;
        let shipping_url = format!("http://127.0.0.1:{port}");
        let mut arguments = words(&["shipping-provider", "--port", &port.to_string(), "--ledger"]);
        arguments.push(folder.join("shipments.db").into());
        let shipping = Program::new(
            "shipping",
            arguments,
            folder,
            format!("{shipping_url}/health"),
        );

        let customers: Vec<NewToken> = (0..CUSTOMERS)
            .map(|number| {
                let scopes = [Scope::OrdersRead, Scope::OrdersWrite];
                NewToken::random(&format!("customer-{number}"), Some(Uuid::new_v4()), scopes)
            })
            .collect();
        let clerk = NewToken::random("clerk", None, [Scope::OrdersFulfil, Scope::OrdersReadAll]);
        let (clerk_token, customer_tokens) = (
            clerk.token.clone(),
            customers.iter().map(|new| new.token.clone()).collect(),
        );
        let all: Vec<NewToken> = customers.into_iter().chain([clerk]).collect();
        let tokens = folder.join("tokens.json");
        std::fs::write(&tokens, Tokens::file_text(&all)).context("cannot write the tokens")?;

        let (port, operations) = (free_port()?, free_port()?);
        let mut arguments = words(&["serve", "--port", &port.to_string()]);
        arguments.extend(words(&["--operations-port", &operations.to_string()]));
        for (region, url) in REGIONS.iter().zip(&payment_urls) {
            arguments.extend(words(&["--payment-provider", &format!("{region}={url}")]));
        }
        arguments.extend(words(&["--shipping-provider", &shipping_url, "--data"]));
        arguments.push(folder.into());
        arguments.push("--tokens".into());
        arguments.push(tokens.into());
        if let (Some(postgres), Some(redis)) = (&postgres, &redis) {
            arguments.extend(words(&[
                "--postgres",
                &postgres.url(),
                "--redis",
                &redis.url(),
            ]));
        }
        let ready = format!("http://127.0.0.1:{operations}/readyz");
        let service = Program::new("service", arguments, folder, ready);
        let mut world = Self {
            postgres,
            redis,
            payments,
            shipping,
            service,
            payment_urls,
            shipping_url,
            base: format!("http://127.0.0.1:{port}"),
            customers: customer_tokens,
            clerk: clerk_token,
            http,
        };
        for region in 0..REGIONS.len() {
            world.start_payments(region).await?;
        }
        world.shipping.start(&world.http).await?;
        world.calm_shipping().await?;
        world.service.start(&world.http).await?;
        Ok(world)
    }

    /// Starts a region, also again.
    pub(super) async fn start_payments(&mut self, region: usize) -> anyhow::Result<()> {
        self.payments[region].start(&self.http).await?;
        self.calm_payments(region).await
    }

    /// Some cards are declined, by all regions alike; else it works.
    pub(super) async fn calm_payments(&self, region: usize) -> anyhow::Result<()> {
        self.payments_do(region, json!({})).await
    }

    /// Some parcels are refused; else it works.
    pub(super) async fn calm_shipping(&self) -> anyhow::Result<()> {
        self.shipping_do(json!({})).await
    }

    /// A region behaves so from now on.
    pub(super) async fn payments_do(&self, region: usize, mut faults: Value) -> anyhow::Result<()> {
        faults["decline_rate"] = 0.05.into();
        self.set(&self.payment_urls[region], &faults).await
    }

    /// The carrier behaves so from now on.
    pub(super) async fn shipping_do(&self, mut faults: Value) -> anyhow::Result<()> {
        faults["decline_rate"] = 0.1.into();
        self.set(&self.shipping_url, &faults).await
    }

    async fn set(&self, url: &str, faults: &Value) -> anyhow::Result<()> {
        let asked = self.http.post(format!("{url}/faults")).json(faults);
        let answer = asked.send().await.context("a provider's faults")?;
        answer.error_for_status().context("a provider's faults")?;
        Ok(())
    }
}
