//! [`PostgresEventStore`]. An append is one statement, and so one way to the server and back; what it relies on is said there.

mod horizon;
mod row;
mod snapshots;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::{Appended, CommandResult, Heads, NewEvent, StoreError, StoredEvent};
use super::failure::{Violated, store_error, violated};
use super::number::{from_sql, to_sql};
use super::{EventStore, SnapshotStore};
use horizon::Horizon;
use row::{StoredRow, metadata_value};

/// Events in PostgreSQL, 12 or newer. A clone shares connections and horizon.
///
/// Readers must ask the primary: a replica knows nothing of transactions under way.
#[derive(Debug, Clone)]
pub struct PostgresEventStore {
    pool: PgPool,
    horizon: Arc<Horizon>,
}

/// First the stream is moved on, if it is where it should be; this is also what gives the transaction its id, before any position is given
/// out (which [`Horizon`] needs). Only what it returns has events and an answer appended, so all of it happens or nothing.
macro_rules! append {
    ($moved:literal) => {
        concat!(
            "WITH moved AS (",
            $moved,
            " RETURNING stream), appended AS (
                INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata)
                SELECT moved.stream, $2 + new.place, new.event_id, new.kind, new.schema_version, new.payload, new.metadata
                FROM moved, UNNEST($4::uuid[], $5::text[], $6::integer[], $7::jsonb[], $8::jsonb[])
                    WITH ORDINALITY AS new (event_id, kind, schema_version, payload, metadata, place)
                ORDER BY new.place
                RETURNING position
            ), answered AS (
                INSERT INTO command_results (key, request_sha256, status, body, position)
                SELECT $9, $10, $11, $12, (SELECT max(position) FROM appended) FROM moved WHERE $9::text IS NOT NULL
            )
            SELECT max(position) FROM appended"
        )
    };
}

const CREATE: &str = append!(
    "INSERT INTO streams (stream, version) SELECT $1, $3 WHERE $2::bigint = 0 ON CONFLICT DO NOTHING"
);
const APPEND: &str =
    append!("UPDATE streams SET version = $3 WHERE stream = $1 AND version = $2::bigint");

impl PostgresEventStore {
    /// On a database that [`super::Database::migrate`] has been at.
    pub fn new(pool: PgPool) -> Self {
        Self {
            pool,
            horizon: Arc::new(Horizon::default()),
        }
    }

    async fn conflict(&self, expected: u64, result: Option<&CommandResult>) -> StoreError {
        let Some(result) = result else {
            return StoreError::Conflict { expected };
        };
        // Whoever moved the stream on may have been the same command.
        match self.command_result(&result.key).await {
            Ok(Some(answered)) => StoreError::Answered(Box::new(answered)),
            Ok(None) => StoreError::Conflict { expected },
            Err(error) => error,
        }
    }
}

#[async_trait]
impl EventStore for PostgresEventStore {
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        let version = expected_version + events.len() as u64;
        let statement = if expected_version == 0 {
            CREATE
        } else {
            APPEND
        };
        let position: Result<Option<i64>, sqlx::Error> = sqlx::query_scalar(statement)
            .bind(stream)
            .bind(to_sql(expected_version))
            .bind(to_sql(version))
            .bind(events.iter().map(|new| new.event_id).collect::<Vec<Uuid>>())
            .bind(events.iter().map(|new| new.kind).collect::<Vec<&str>>())
            .bind(
                events
                    .iter()
                    .map(|new| new.schema_version.cast_signed())
                    .collect::<Vec<i32>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|new| &new.payload)
                    .collect::<Vec<&Value>>(),
            )
            .bind(
                events
                    .iter()
                    .map(|new| metadata_value(&new.metadata))
                    .collect::<Vec<Value>>(),
            )
            .bind(result.map(|result| &result.key))
            .bind(result.map(|result| &result.request_sha256[..]))
            .bind(result.map(|result| i32::from(result.status)))
            .bind(result.map(|result| &result.body))
            .fetch_one(&self.pool)
            .await;
        match position {
            Ok(Some(position)) => Ok(Appended {
                version,
                position: from_sql("position", position)?,
            }),
            Ok(None) => Err(self.conflict(expected_version, result).await),
            Err(error) => match violated(&error) {
                Some(Violated::Version | Violated::Key) => {
                    Err(self.conflict(expected_version, result).await)
                }
                None => Err(store_error(error)),
            },
        }
    }

    async fn load(
        &self,
        stream: Uuid,
        after_version: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT position, stream, version, event_id, kind, schema_version, payload, metadata, recorded_at
             FROM events WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3",
        )
        .bind(stream)
        .bind(to_sql(after_version))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let safe = self
            .horizon
            .advance(&self.pool)
            .await
            .map_err(store_error)?;
        if safe <= after_position {
            return Ok(Vec::new());
        }
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT position, stream, version, event_id, kind, schema_version, payload, metadata, recorded_at
             FROM events WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
        )
        .bind(to_sql(after_position))
        .bind(to_sql(safe))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn unfinished(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let safe = self
            .horizon
            .advance(&self.pool)
            .await
            .map_err(store_error)?;
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT position, events.stream, version, event_id, kind, schema_version, payload, metadata, recorded_at
             FROM unfinished JOIN events USING (position) WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
        )
        .bind(to_sql(after_position))
        .bind(to_sql(safe))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        let safe = self
            .horizon
            .advance(&self.pool)
            .await
            .map_err(store_error)?;
        let head = horizon::last_position(&self.pool)
            .await
            .map_err(store_error)?;
        // Of all databases of the server: any of them holds the horizon.
        let seconds: f64 = sqlx::query_scalar(
            "SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - min(xact_start)), 0)::float8
             FROM pg_stat_activity WHERE backend_xid IS NOT NULL",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(Heads {
            head,
            safe,
            oldest_transaction: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        })
    }

    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError> {
        let found: Option<(Vec<u8>, i32, Value, i64)> = sqlx::query_as(
            "SELECT request_sha256, status, body, position FROM command_results WHERE key = $1",
        )
        .bind(key)
        .fetch_optional(&self.pool)
        .await
        .map_err(store_error)?;
        found
            .map(|(digest, status, body, position)| {
                CommandResult::stored(key, &digest, i64::from(status), body, position)
            })
            .transpose()
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // What another process is at is left to it.
        let forgotten = sqlx::query(
            "DELETE FROM command_results WHERE key IN (
                 SELECT key FROM command_results AS old WHERE recorded_at < $1
                     AND NOT EXISTS (SELECT FROM unfinished WHERE unfinished.position = old.position)
                 ORDER BY recorded_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(before)
        .bind(i64::from(limit))
        .execute(&self.pool)
        .await
        .map_err(store_error)?;
        Ok(forgotten.rows_affected())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(store_error)
    }
}
