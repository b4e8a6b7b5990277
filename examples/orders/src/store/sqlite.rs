//! [`SqliteEventStore`]: one file, one writer at a time, so positions are in order of commit and every position that is seen is final.

mod row;
mod snapshots;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::event::{Appended, CommandResult, Heads, NewEvent, StoreError, StoredEvent};
use super::failure::{Violated, store_error, violated};
use super::number::{from_sql, to_sql};
use super::{EventStore, SnapshotStore};
use row::StoredRow;

/// Events in a file. A clone shares its connections.
#[derive(Debug, Clone)]
pub struct SqliteEventStore {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl SqliteEventStore {
    /// On a database that [`super::Database::migrate`] has been at.
    pub fn new(writer: SqlitePool, reader: SqlitePool) -> Self {
        Self { writer, reader }
    }

    async fn try_append(
        &self,
        stream: Uuid,
        expected_version: u64,
        events: &[NewEvent],
        result: Option<&CommandResult>,
    ) -> Result<Option<i64>, sqlx::Error> {
        let stream = stream.to_string();
        let version = to_sql(expected_version + events.len() as u64);
        // The file's lock is taken here: what is looked at below cannot change any more.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let moved = if expected_version == 0 {
            sqlx::query(
                "INSERT INTO streams (stream, version) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )
            .bind(&stream)
            .bind(version)
        } else {
            sqlx::query("UPDATE streams SET version = ?2 WHERE stream = ?1 AND version = ?3")
                .bind(&stream)
                .bind(version)
                .bind(to_sql(expected_version))
        };
        if moved.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let new: Vec<Value> = events
            .iter()
            .map(|new| {
                json!({
                    "event_id": new.event_id,
                    "kind": new.kind,
                    "schema_version": new.schema_version,
                    "payload": new.payload,
                    "metadata": new.metadata,
                })
            })
            .collect();
        let position = sqlx::query(
            "INSERT INTO events (stream, version, event_id, kind, schema_version, payload, metadata, recorded_at)
             SELECT ?1, ?2 + 1 + new.key, new.value ->> 'event_id', new.value ->> 'kind', new.value ->> 'schema_version',
                 new.value -> 'payload', new.value -> 'metadata', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             FROM json_each(?3) AS new ORDER BY new.key",
        )
        .bind(&stream)
        .bind(to_sql(expected_version))
        .bind(Json(new))
        .execute(&mut *transaction)
        .await?
        .last_insert_rowid();
        if let Some(result) = result {
            sqlx::query(
                "INSERT INTO command_results (key, request_sha256, status, body, position, recorded_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
            )
            .bind(&result.key)
            .bind(&result.request_sha256[..])
            .bind(result.status)
            .bind(&result.body)
            .bind(position)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Some(position))
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
        match self
            .try_append(stream, expected_version, events, result)
            .await
        {
            Ok(Some(position)) => Ok(Appended {
                version: expected_version + events.len() as u64,
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
