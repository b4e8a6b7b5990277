//! The payment provider: `orders payment-provider`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::faults::Script;
use super::ledger::{Books, Charge, Ledger, LedgerError};
use super::serve::run_program;
use crate::money::Money;
use crate::problem::Problem;

/// Settings of the program.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8091)]
    pub port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Name of this region; stands in its answers.
    #[arg(long, default_value = "primary")]
    pub region: String,
    /// The book: one file for all regions.
    #[arg(long, value_name = "FILE")]
    pub ledger: PathBuf,
}

/// Runs until it is killed or interrupted, and prints where it listens.
///
/// # Errors
/// The book cannot be opened, or the port is taken.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let ledger = Ledger::open(&args.ledger)
        .await
        .with_context(|| format!("{}", args.ledger.display()))?;
    let name = format!("payment provider, region {}", args.region);
    run_program(args.host, args.port, &name, router(ledger, &args.region)).await
}

/// Its routes, over a book.
pub fn router(ledger: Ledger, region: &str) -> Router {
    let script = Script::new();
    let provider = Provider {
        ledger,
        region: region.to_owned(),
        script: script.clone(),
    };
    let work = Router::new()
        .route("/charges", post(charge))
        .route("/refunds", post(refund))
        .with_state(provider.clone());
    let book = Router::new()
        .route("/ledger", get(books))
        .with_state(provider);
    script.around(work).merge(book)
}

#[derive(Clone)]
struct Provider {
    ledger: Ledger,
    region: String,
    script: Script,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChargeRequest {
    payment_id: Uuid,
    order_id: Uuid,
    amount: Money,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundRequest {
    refund_id: Uuid,
    payment_id: Uuid,
    amount: Money,
}

async fn charge(
    State(provider): State<Provider>,
    Json(asked): Json<ChargeRequest>,
) -> Result<Response, Problem> {
    let declined = provider.script.declines(asked.payment_id);
    let taken = provider.ledger.charge(
        asked.payment_id,
        asked.order_id,
        asked.amount,
        &provider.region,
        declined.then_some("the card was declined"),
    );
    match taken.await? {
        Charge::Taken { region } => {
            let body = json!({ "payment_id": asked.payment_id, "region": region });
            Ok((StatusCode::CREATED, Json(body)).into_response())
        }
        Charge::Declined { reason } => Err(Problem::new(
            StatusCode::PAYMENT_REQUIRED,
            "declined",
            reason,
        )),
    }
}

async fn refund(
    State(provider): State<Provider>,
    Json(asked): Json<RefundRequest>,
) -> Result<Response, Problem> {
    let given = provider
        .ledger
        .refund(asked.refund_id, asked.payment_id, asked.amount);
    given.await?;
    let body = json!({ "refund_id": asked.refund_id, "region": provider.region });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn books(State(provider): State<Provider>) -> Result<Json<Books>, Problem> {
    Ok(Json(provider.ledger.books().await?))
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Store(error) => {
                tracing::error!(%error, "the ledger does not answer");
                let detail = "The book does not answer; nothing is known about what was asked for.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "book-away", detail)
            }
            LedgerError::Taken(_) => Self::new(StatusCode::CONFLICT, "id-taken", error.to_string()),
            LedgerError::NothingToRefund => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, "nothing-to-refund", error.to_string())
            }
        }
    }
}
