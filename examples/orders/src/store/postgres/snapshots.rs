//! Snapshots in PostgreSQL.

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::super::event::StoreError;
use super::super::failure::store_error;
use super::super::number::{from_sql, to_sql};
use super::super::snapshot::Snapshot;
use super::{PostgresEventStore, SnapshotStore};

#[async_trait]
impl SnapshotStore for PostgresEventStore {
    async fn save(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO snapshots (stream, version, schema, state) VALUES ($1, $2, $3, $4)
             ON CONFLICT (stream) DO UPDATE SET version = EXCLUDED.version, schema = EXCLUDED.schema,
                 state = EXCLUDED.state, recorded_at = EXCLUDED.recorded_at
             WHERE snapshots.version < EXCLUDED.version",
        )
        .bind(snapshot.stream)
        .bind(to_sql(snapshot.version))
        .bind(&snapshot.schema)
        .bind(&snapshot.state)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(store_error)
    }

    async fn find(&self, stream: Uuid) -> Result<Option<Snapshot>, StoreError> {
        let found: Option<(i64, String, Value)> =
            sqlx::query_as("SELECT version, schema, state FROM snapshots WHERE stream = $1")
                .bind(stream)
                .fetch_optional(&self.pool)
                .await
                .map_err(store_error)?;
        found
            .map(|(version, schema, state)| {
                Ok(Snapshot {
                    stream,
                    version: from_sql("version", version)?,
                    schema,
                    state,
                })
            })
            .transpose()
    }

    async fn forget(&self, stream: Uuid) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM snapshots WHERE stream = $1")
            .bind(stream)
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(store_error)
    }
}
