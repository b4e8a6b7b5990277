//! Commands a second over HTTP, each making an order, behind all policies of the store's edge.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use axum::Extension;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::report::{Row, millis, percentiles};
use super::{Measured, Store, edges};
use crate::auth::{Identity, NewToken, Scope, Tokens};
use crate::command::{CommandHandler, CommandService, routes};
use crate::money::Money;
use crate::payment::{Charged, PaymentError, Payments};
use crate::shipping::{Shipping, ShippingError};
use crate::store::{GuardedStore, StoreGuard};

/// Clients at once.
const CLIENTS: [usize; 3] = [1, 8, 32];

/// What came of it.
pub struct Commands {
    /// For the table.
    pub rows: Vec<Row>,
    /// A request of one client, in the middle.
    pub single: Duration,
    /// The same through a gateway.
    pub through_gateway: Duration,
}

/// Nobody is charged here.
struct NoProvider;

#[async_trait]
impl Payments for NoProvider {
    async fn charge(&self, _: Uuid, _: Uuid, _: Money) -> Result<Charged, PaymentError> {
        Err(PaymentError::Declined("no provider".to_owned()))
    }

    async fn refund(&self, _: Uuid, _: Uuid, _: Money) -> Result<(), PaymentError> {
        Err(PaymentError::Declined("no provider".to_owned()))
    }
}

#[async_trait]
impl Shipping for NoProvider {
    async fn ship(&self, _: Uuid, _: Uuid) -> Result<String, ShippingError> {
        Err(ShippingError::Refused("no provider".to_owned()))
    }
}

/// Measures with each number of clients.
pub async fn measure<S: Store>(measured: &Measured<S>, length: Duration) -> Result<Commands> {
    let store = Arc::new(GuardedStore::new(
        Arc::clone(&measured.store),
        StoreGuard::default(),
    )?);
    let service = CommandService::with_snapshots(store.clone(), store);
    let provider = Arc::new(NoProvider);
    let patience = Duration::from_secs(10);
    let handler = CommandHandler::new(service, provider.clone(), provider, patience);
    let identity = Identity {
        subject: "bench".to_owned(),
        user_id: Some(Uuid::nil()),
        scopes: [Scope::OrdersWrite].into(),
    };
    let app = routes(handler).layer(Extension(identity));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut rows = Vec::new();
    let mut single = Duration::ZERO;
    for clients in CLIENTS {
        let what = format!("{}, {clients} at once", measured.name);
        let times = load(&format!("{url}/orders"), "", clients, length).await?;
        let middle = row(&mut rows, &what, times, length);
        if clients == 1 {
            single = middle;
        }
    }
    let new = NewToken::random("bench", Some(Uuid::nil()), [Scope::OrdersWrite]);
    let tokens = Tokens::parse(&Tokens::file_text(std::slice::from_ref(&new)))?;
    let gateway = edges::gateway(&url, Arc::new(tokens))?.routes();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    let gateway = gateway.into_make_service_with_connect_info::<SocketAddr>();
    let before = tokio::spawn(async move { axum::serve(listener, gateway).await });
    let times = load(&url, &new.token, 1, length).await?;
    let what = format!("{}, 1 at once, through the gateway", measured.name);
    let through_gateway = row(&mut rows, &what, times, length);
    before.abort();
    serving.abort();
    Ok(Commands {
        rows,
        single,
        through_gateway,
    })
}

/// Adds a row, and says what the middle one took.
fn row(rows: &mut Vec<Row>, what: &str, mut times: Vec<Duration>, length: Duration) -> Duration {
    let rate = times.len() as f64 / length.as_secs_f64();
    let (middle, slow) = percentiles(&mut times);
    let value = format!("{rate:.0}/s ({}, p99 {})", millis(middle), millis(slow));
    rows.push(Row::text("commands", what, &value));
    middle
}

async fn load(url: &str, token: &str, clients: usize, length: Duration) -> Result<Vec<Duration>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let body = json!({ "items": [{
        "sku": "tea", "quantity": 2, "unit_price": { "amount_minor": 250, "currency": "EUR" }
    }] });
    let begin = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let request = client.post(url).bearer_auth(token).json(&body);
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < length {
                    let one = Instant::now();
                    let Some(request) = request.try_clone() else {
                        break;
                    };
                    let response = request.send().await?;
                    ensure!(response.status() == 201, "{}", response.status());
                    response.bytes().await?;
                    times.push(one.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}
