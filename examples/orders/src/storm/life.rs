//! A client's part: one order through its life, asking again until there is an answer, always with the same key for the same wish.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::client::{Client, Said};

/// What a client wants of an order in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Paid, shipped, delivered.
    Deliver,
    /// Given up before it is paid.
    Cancel,
    /// Given up by its user after it is paid.
    CancelPaid,
    /// Given back by a clerk.
    Refund,
}

impl Plan {
    pub(super) fn draw(random: &mut StdRng) -> Self {
        match random.random_range(0..100) {
            0..60 => Self::Deliver,
            60..75 => Self::Cancel,
            75..88 => Self::CancelPaid,
            _ => Self::Refund,
        }
    }
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Customer,
    Clerk,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Ask(&'static str, Who),
    /// The service is at work on it.
    Wait,
    /// An end.
    Done,
}

fn next(plan: Plan, status: &str) -> Next {
    match (status, plan) {
        ("pending", Plan::Cancel) | ("paid", Plan::CancelPaid) => {
            Next::Ask("cancel", Who::Customer)
        }
        ("pending", _) => Next::Ask("pay", Who::Customer),
        ("paid", Plan::Refund) => Next::Ask("refund", Who::Clerk),
        ("paid", _) => Next::Ask("ship", Who::Clerk),
        ("shipped", _) => Next::Ask("deliver", Who::Clerk),
        ("delivered" | "cancelled" | "refunded", _) => Next::Done,
        _ => Next::Wait,
    }
}

/// What a client knows of its order at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lived {
    pub(super) order_id: Uuid,
    /// The end that it was told.
    pub(super) status: String,
}

/// Between two looks at an order that the service is at work on.
const LOOK: Duration = Duration::from_millis(150);

/// How long the service may be at work on one order, with all that is done to it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Leads an order to its end.
pub(super) async fn live(
    client: &Client,
    user: usize,
    mut plan: Plan,
    order_id: Uuid,
    price: i64,
) -> anyhow::Result<Lived> {
    let body = json!({
        "order_id": order_id,
        "items": [{ "sku": "lamp", "quantity": 2, "unit_price": { "amount_minor": price, "currency": "EUR" } }],
    });
    let mut key = 0;
    let created = client
        .ask(
            Method::POST,
            "/orders",
            client.customer(user),
            Some((&name(order_id, key), &body)),
        )
        .await?;
    let mut told = match created {
        Said::Yes(order) => order,
        // The answer to the first try was lost together with its key's: it is there all the same.
        Said::No(StatusCode::CONFLICT, _) => look(client, user, order_id).await?,
        Said::No(status, detail) => anyhow::bail!("POST /orders: {status}: {detail}"),
    };
    let mut waiting = None;
    loop {
        let status = told.status();
        match next(plan, &status) {
            Next::Done => return Ok(Lived { order_id, status }),
            Next::Wait => {
                let since = *waiting.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    anyhow::bail!("order {order_id} has been {status} for {PATIENCE:?}");
                }
                sleep(LOOK).await;
                told = look(client, user, order_id).await?;
            }
            Next::Ask(verb, who) => {
                waiting = None;
                key += 1;
                let token = match who {
                    Who::Customer => client.customer(user),
                    Who::Clerk => client.clerk(),
                };
                let path = format!("/orders/{order_id}/{verb}");
                let (key, nothing) = (name(order_id, key), json!({}));
                let asked = client.ask(Method::POST, &path, token, Some((&key, &nothing)));
                told = match asked.await? {
                    Said::Yes(order) => order,
                    // The card was declined: give it up.
                    Said::No(StatusCode::PAYMENT_REQUIRED, _) => {
                        plan = Plan::Cancel;
                        look(client, user, order_id).await?
                    }
                    // It stands elsewhere by now.
                    Said::No(StatusCode::CONFLICT, _) => {
                        sleep(LOOK).await;
                        look(client, user, order_id).await?
                    }
                    Said::No(status, detail) => anyhow::bail!("POST {path}: {status}: {detail}"),
                };
            }
        }
    }
}

async fn look(client: &Client, user: usize, order_id: Uuid) -> anyhow::Result<Told> {
    let path = format!("/orders/{order_id}");
    loop {
        match client
            .ask(Method::GET, &path, client.customer(user), None)
            .await?
        {
            Said::Yes(order) => return Ok(order),
            // The read side has not come to it yet.
            Said::No(StatusCode::NOT_FOUND, _) => sleep(LOOK).await,
            Said::No(status, detail) => anyhow::bail!("GET {path}: {status}: {detail}"),
        }
    }
}

/// An answer's body.
#[derive(Debug)]
pub(super) struct Told(pub(super) Value);

impl Told {
    fn status(&self) -> String {
        self.0["order"]["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

fn name(order_id: Uuid, key: u32) -> String {
    format!("storm-{order_id}-{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_leads_from_every_status_to_an_end_or_waits_for_the_service() {
        let statuses = [
            "pending",
            "payment_requested",
            "paid",
            "shipment_requested",
            "shipped",
            "delivered",
            "cancelled",
            "refund_requested",
            "refunded",
        ];
        for plan in [Plan::Deliver, Plan::Cancel, Plan::CancelPaid, Plan::Refund] {
            for status in statuses {
                let step = next(plan, status);
                assert_eq!(
                    step == Next::Wait,
                    status.ends_with("requested"),
                    "{plan:?} {status}"
                );
                let is_end = matches!(status, "delivered" | "cancelled" | "refunded");
                assert_eq!(step == Next::Done, is_end, "{plan:?} {status}");
            }
        }
    }
}
