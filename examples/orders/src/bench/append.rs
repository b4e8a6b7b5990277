//! Ten events appended: with one statement, and with one for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;
use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

use super::report::Row;
use super::{Measured, Store, new_event};
use crate::order::OrderEvent;
use crate::store::{Database, NewEvent};

/// Events in one append.
const EVENTS: usize = 10;

/// Clients at once.
const CLIENTS: [usize; 2] = [1, 8];

/// Appends a second, both ways.
pub async fn measure<S: Store>(measured: &Measured<S>, length: Duration) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for clients in CLIENTS {
        let store = Arc::clone(&measured.store);
        let whole = rate(clients, length, move || {
            let store = Arc::clone(&store);
            async move {
                store.append(Uuid::now_v7(), 0, &events(), None).await?;
                Ok(())
            }
        });
        let whole = whole.await?;
        let database = measured.database.clone();
        let single = rate(clients, length, move || {
            let database = database.clone();
            async move {
                match database {
                    Database::Postgres(pool) => postgres_one_by_one(&pool, &events()).await,
                    Database::Sqlite { writer, .. } => sqlite_one_by_one(&writer, &events()).await,
                }
            }
        });
        let single = single.await?;
        let what = |how: &str| {
            format!(
                "{}, {EVENTS} events {how}, {clients} at once",
                measured.name
            )
        };
        let value = |rate: f64| format!("{rate:.0}/s ({:.0} events/s)", rate * EVENTS as f64);
        rows.push(Row::text(
            "append",
            &what("in one statement"),
            &value(whole),
        ));
        rows.push(Row::text("append", &what("one by one"), &value(single)));
        let ratio = format!("{:.2} times as many", whole / single);
        rows.push(
            Row::text("append", &what("in one statement: gain"), &ratio).target("more than 1"),
        );
    }
    Ok(rows)
}

/// How often a second so many clients can do it.
async fn rate<F: Future<Output = Result<()>> + Send>(
    clients: usize,
    length: Duration,
    operation: impl Fn() -> F + Clone + Send + 'static,
) -> Result<f64> {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let operation = operation.clone();
            tokio::spawn(async move {
                let mut done = 0_u32;
                while begin.elapsed() < length {
                    operation().await?;
                    done += 1;
                }
                anyhow::Ok(done)
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await??;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

fn events() -> Vec<NewEvent> {
    let shipped = || OrderEvent::OrderShipped {
        shipment_id: Uuid::now_v7(),
        tracking_number: "T1".to_owned(),
    };
    (0..EVENTS).map(|_| new_event(&shipped())).collect()
}

/// The same rows, as they are written where nobody thought of it.
async fn postgres_one_by_one(pool: &PgPool, events: &[NewEvent]) -> Result<()> {
    let stream = Uuid::now_v7();
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO streams (stream, version) VALUES ($1, $2)")
        .bind(stream)
        .bind(i64::try_from(events.len())?)
        .execute(&mut *transaction)
        .await?;
    for (version, event) in (1_i64..).zip(events) {
        sqlx::query(
            "INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(stream)
        .bind(version)
        .bind(event.event_id)
        .bind(event.kind)
        .bind(event.schema_version.cast_signed())
        .bind(&event.payload)
        .bind(serde_json::to_value(&event.metadata)?)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn sqlite_one_by_one(writer: &SqlitePool, events: &[NewEvent]) -> Result<()> {
    let stream = Uuid::now_v7().to_string();
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO streams (stream, version) VALUES (?1, ?2)")
        .bind(&stream)
        .bind(i64::try_from(events.len())?)
        .execute(&mut *transaction)
        .await?;
    for (version, event) in (1_i64..).zip(events) {
        let metadata: Value = serde_json::to_value(&event.metadata)?;
        sqlx::query(
            "INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata, recorded_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
        )
        .bind(&stream)
        .bind(version)
        .bind(event.event_id.to_string())
        .bind(event.kind)
        .bind(event.schema_version)
        .bind(&event.payload)
        .bind(metadata)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(())
}
