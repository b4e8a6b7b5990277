//! [`SqliteEventStore`]: one file, one writer at a time, so positions are in order of commit and every position that is seen is final. Appends that come at
//! the same time are committed together.

mod append;
mod row;
mod snapshots;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::SqlitePool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::{Appended, CommandResult, Heads, NewEvent, StoreError, StoredEvent};
use super::failure::store_error;
use super::number::{from_sql, to_sql};
use super::{EventStore, SnapshotStore};
use append::{Appends, Outcome};
use row::StoredRow;

/// Events in a file. A clone shares its connections.
#[derive(Debug, Clone)]
pub struct SqliteEventStore {
    writer: SqlitePool,
    reader: SqlitePool,
    appends: Appends,
}

impl SqliteEventStore {
    /// On a database that [`super::Database::migrate`] has been at.
    pub fn new(writer: SqlitePool, reader: SqlitePool) -> Self {
        let appends = Appends::new(writer.clone());
        Self {
            writer,
            reader,
            appends,
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

    async fn head(&self) -> Result<u64, StoreError> {
        let head: i64 = sqlx::query_scalar("SELECT COALESCE(max(position), 0) FROM events")
            .fetch_one(&self.reader)
            .await
            .map_err(store_error)?;
        from_sql("position", head)
    }
}

#[async_trait]
impl EventStore for SqliteEventStore {
    async fn append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Appended, StoreError> {
        let outcome = self
            .appends
            .store(stream, expected_version, events, result)
            .await?;
        match outcome {
            Outcome::Stored(position) => Ok(Appended {
                version: expected_version + events.len() as u64,
                position: from_sql("position", position)?,
            }),
            Outcome::Late => Err(self.conflict(expected_version, result).await),
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
             FROM events WHERE stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3",
        )
        .bind(stream.to_string())
        .bind(to_sql(after_version))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT position, stream, version, event_id, kind, schema_version, payload, metadata, recorded_at
             FROM events WHERE position > ?1 ORDER BY position LIMIT ?2",
        )
        .bind(to_sql(after_position))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn unfinished(
        &self,
        after_position: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<StoredRow> = sqlx::query_as(
            "SELECT position, events.stream, version, event_id, kind, schema_version, payload, metadata, recorded_at
             FROM unfinished JOIN events USING (position) WHERE position > ?1 ORDER BY position LIMIT ?2",
        )
        .bind(to_sql(after_position))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(StoredRow::event).collect()
    }

    async fn heads(&self) -> Result<Heads, StoreError> {
        let head = self.head().await?;
        Ok(Heads {
            head,
            safe: head,
            oldest_transaction: Duration::ZERO,
        })
    }

    async fn command_result(&self, key: &str) -> Result<Option<CommandResult>, StoreError> {
        let found: Option<(Vec<u8>, i64, Value, i64)> = sqlx::query_as(
            "SELECT request_sha256, status, body, position FROM command_results WHERE key = ?1",
        )
        .bind(key)
        .fetch_optional(&self.reader)
        .await
        .map_err(store_error)?;
        found
            .map(|(digest, status, body, position)| {
                CommandResult::stored(key, &digest, status, body, position)
            })
            .transpose()
    }

    async fn forget_command_results(
        &self,
        before: OffsetDateTime,
        limit: u32,
    ) -> Result<u64, StoreError> {
        // As the rows have it: in milliseconds.
        let milliseconds = before.unix_timestamp_nanos() / 1_000_000;
        let forgotten = sqlx::query(
            "DELETE FROM command_results WHERE rowid IN (
                 SELECT old.rowid FROM command_results AS old
                 WHERE recorded_at < strftime('%Y-%m-%dT%H:%M:%fZ', ?1 / 1000.0, 'unixepoch')
                     AND NOT EXISTS (SELECT 1 FROM unfinished WHERE unfinished.position = old.position)
                 ORDER BY recorded_at LIMIT ?2)",
        )
        .bind(i64::try_from(milliseconds).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(forgotten.rows_affected())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.head().await.map(drop)
    }
}
