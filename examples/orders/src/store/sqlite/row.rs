//! A row of `events`.

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::super::event::{Metadata, StoreError, StoredEvent};
use super::super::number::from_sql;

/// As the table has it.
#[derive(Debug, sqlx::FromRow)]
pub struct StoredRow {
    position: i64,
    stream: String,
    version: i64,
    event_id: String,
    kind: String,
    schema_version: i64,
    payload: Json<Value>,
    metadata: Json<Metadata>,
    recorded_at: String,
}

impl StoredRow {
    /// As readers want it.
    pub fn event(self) -> Result<StoredEvent, StoreError> {
        let corrupt = |what: &str| {
            StoreError::Corrupt(format!("{what} of the event at position {}", self.position))
        };
        Ok(StoredEvent {
            position: from_sql("position", self.position)?,
            stream: Uuid::parse_str(&self.stream).map_err(|_| corrupt("stream"))?,
            version: from_sql("version", self.version)?,
            event_id: Uuid::parse_str(&self.event_id).map_err(|_| corrupt("event_id"))?,
            schema_version: u32::try_from(self.schema_version)
                .map_err(|_| corrupt("schema_version"))?,
            recorded_at: OffsetDateTime::parse(&self.recorded_at, &Rfc3339)
                .map_err(|_| corrupt("recorded_at"))?,
            kind: self.kind,
            payload: self.payload.0,
            metadata: self.metadata.0,
        })
    }
}
