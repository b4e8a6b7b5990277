//! A carrier: `orders shipping-provider`.

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
use super::ledger::{Books, Ledger};
use super::serve::run_program;
use crate::problem::Problem;

/// Settings of the program.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8093)]
    pub port: u16,
    /// Address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub host: IpAddr,
    /// Name of the carrier; tracking numbers begin with it.
    #[arg(long, default_value = "swift")]
    pub carrier: String,
    /// The book: one file for all carriers.
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
    let name = format!("shipping provider, carrier {}", args.carrier);
    run_program(args.host, args.port, &name, router(ledger, &args.carrier)).await
}

/// Its routes, over a book.
pub fn router(ledger: Ledger, carrier: &str) -> Router {
    let script = Script::new();
    let provider = Provider {
        ledger,
        carrier: carrier.to_owned(),
        script: script.clone(),
    };
    let work = Router::new()
        .route("/shipments", post(ship))
        .with_state(provider.clone());
    let book = Router::new()
        .route("/ledger", get(books))
        .with_state(provider);
    script.around(work).merge(book)
}

#[derive(Clone)]
struct Provider {
    ledger: Ledger,
    carrier: String,
    script: Script,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShipRequest {
    shipment_id: Uuid,
    order_id: Uuid,
}

async fn ship(
    State(provider): State<Provider>,
    Json(asked): Json<ShipRequest>,
) -> Result<Response, Problem> {
    let refused = provider.script.declines(asked.shipment_id);
    let parcel = provider.ledger.ship(
        asked.shipment_id,
        asked.order_id,
        &provider.carrier,
        refused.then_some("nobody delivers to this address"),
    );
    match parcel.await? {
        Ok(number) => {
            let body = json!({ "shipment_id": asked.shipment_id, "tracking_number": number });
            Ok((StatusCode::CREATED, Json(body)).into_response())
        }
        Err(reason) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
            reason,
        )),
    }
}

async fn books(State(provider): State<Provider>) -> Result<Json<Books>, Problem> {
    Ok(Json(provider.ledger.books().await?))
}
