//! A row of `events`.

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::event::{Metadata, StoreError, StoredEvent};
use super::super::number::from_sql;

/// As the table has it.
#[derive(Debug, sqlx::FromRow)]
pub struct StoredRow {
    position: i64,
    stream: Uuid,
    version: i64,
    event_id: Uuid,
    kind: String,
    schema_version: i32,
    payload: Value,
    metadata: Json<Metadata>,
    recorded_at: OffsetDateTime,
}

impl StoredRow {
    /// As readers want it.
    pub fn event(self) -> Result<StoredEvent, StoreError> {
        Ok(StoredEvent {
            position: from_sql("position", self.position)?,
            stream: self.stream,
            version: from_sql("version", self.version)?,
            event_id: self.event_id,
            kind: self.kind,
            schema_version: self.schema_version.cast_unsigned(),
            payload: self.payload,
            metadata: self.metadata.0,
            recorded_at: self.recorded_at,
        })
    }
}

/// Metadata as JSON.
pub fn metadata_value(metadata: &Metadata) -> Value {
    // A struct of strings always has a JSON form.
    serde_json::to_value(metadata).unwrap_or(Value::Null)
}
