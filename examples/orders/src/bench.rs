//! `orders bench`: what the write side costs, on both stores, and the policies' share of it there, at the gateway and before the providers. Everything in one run, so that the numbers
//! can be compared with each other.

mod append;
mod commands;
mod edges;
mod load;
mod policies;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use tempfile::TempDir;
use uuid::Uuid;

use crate::command::CommandContext;
use crate::engine::PostgresEngine;
use crate::money::{Currency, Money};
use crate::order::{CreateOrder, OrderCommand, OrderEvent, OrderItem, SCHEMA_VERSION, encode};
use crate::store::{
    Database, EventStore, Metadata, NewEvent, PostgresEventStore, SnapshotStore, SqliteEventStore,
};
use report::{Report, Row};

/// What is measured, and how long.
#[derive(Debug, Clone, Args)]
pub struct BenchSettings {
    /// How long each throughput is measured, in seconds (1 to 600).
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measures these alone, and not all of them.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
}

/// A group of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Events a second, stored with one statement and with many.
    Append,
    /// How long a long order takes to read.
    Load,
    /// Commands a second over HTTP.
    Commands,
    /// The policies' share of a request at each edge; measures commands too.
    Policies,
}

/// A store to measure, with what keeps it there.
struct Measured<S> {
    name: &'static str,
    store: Arc<S>,
    database: Database,
}

/// Measures, and prints a table in Markdown. `PostgreSQL` is started for it, with its data on disk as in production.
///
/// # Errors
/// A server is not installed, or fails.
pub async fn run(settings: BenchSettings) -> Result<()> {
    let length = Duration::from_secs(settings.seconds);
    let folder = TempDir::new()?;
    let file = format!("sqlite:{}", folder.path().join("orders.db").display());
    let database = Database::open(&file, 32)?;
    database.migrate().await?;
    let Database::Sqlite { writer, reader } = database.clone() else {
        anyhow::bail!("{file} is no file");
    };
    let sqlite = Measured {
        name: "SQLite",
        store: Arc::new(SqliteEventStore::new(writer, reader)),
        database,
    };
    let engine = PostgresEngine::with(&["fsync=on", "synchronous_commit=on"])
        .await
        .context("PostgreSQL is needed")?;
    let database = Database::open(&engine.url(), 32)?;
    database.migrate().await?;
    let Database::Postgres(pool) = database.clone() else {
        anyhow::bail!("{} is no server", engine.url());
    };
    let postgres = Measured {
        name: "PostgreSQL",
        store: Arc::new(PostgresEventStore::new(pool)),
        database,
    };

    let wants = |part| settings.only.is_empty() || settings.only.contains(&part);
    let mut report = Report::default();
    if wants(Part::Append) {
        report.extend(append::measure(&postgres, length).await?);
        report.extend(append::measure(&sqlite, length).await?);
    }
    if wants(Part::Load) {
        report.extend(load::measure(&postgres, length).await?);
        report.extend(load::measure(&sqlite, length).await?);
    }
    if wants(Part::Commands) || wants(Part::Policies) {
        let commands = commands::measure(&postgres, length).await?;
        report.extend(commands.rows);
        report.extend(commands::measure(&sqlite, length).await?.rows);
        if wants(Part::Policies) {
            let (store, rows) = policies::measure(commands.single).await?;
            report.extend(rows);
            report.extend(edges::gateway_share(store, commands.through_gateway).await?);
            report.extend(edges::provider_shares(length).await?);
        }
    }
    report.push(Row::text(
        "memory",
        "resident, of this process: service and load generator",
        &resident()?,
    ));
    report.print(&postgres.database, &sqlite.database).await?;
    Ok(())
}

fn context() -> CommandContext {
    CommandContext {
        correlation_id: Uuid::now_v7(),
        causation_id: Uuid::now_v7(),
        actor: "bench".to_owned(),
        traceparent: None,
    }
}

fn create(order_id: Uuid) -> OrderCommand {
    OrderCommand::CreateOrder(CreateOrder {
        order_id,
        user_id: Uuid::nil(),
        items: vec![OrderItem {
            sku: "tea".to_owned(),
            quantity: 2,
            unit_price: Money::new(250, Currency::Eur),
        }],
    })
}

fn new_event(event: &OrderEvent) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        kind: event.kind(),
        schema_version: SCHEMA_VERSION,
        payload: encode(event),
        metadata: Metadata {
            correlation_id: Uuid::now_v7(),
            causation_id: Uuid::now_v7(),
            actor: "bench".to_owned(),
            traceparent: None,
        },
    }
}

/// As the kernel counts it, with what it was at its highest.
fn resident() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mebibytes = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes
            .context("no such line in /proc/self/status")?
            .parse::<f64>()?
            / 1024.0)
    };
    let (now, highest) = (mebibytes("VmRSS:")?, mebibytes("VmHWM:")?);
    Ok(format!("{now:.0} MiB (highest: {highest:.0} MiB)"))
}

/// Both traits.
trait Store: EventStore + SnapshotStore {}
impl<S: EventStore + SnapshotStore> Store for S {}
