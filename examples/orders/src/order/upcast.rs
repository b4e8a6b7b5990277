//! Events as they are stored, and how old ones are read: each version of a schema is turned into the next until it is today's.

use serde_json::{Value, json};

use super::event::OrderEvent;

/// The version that [`encode`] writes.
pub const SCHEMA_VERSION: u32 = 2;

/// Something stored that this program cannot read: a newer program wrote it, or it is damaged. It is parked, never skipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {kind} of schema version {schema_version} cannot be read: {problem}")]
pub struct UnknownEvent {
    /// The stored word.
    pub kind: String,
    /// The stored version.
    pub schema_version: u32,
    /// What is wrong.
    pub problem: String,
}

/// What is stored of an event.
pub fn encode(event: &OrderEvent) -> Value {
    // An enum of structs of strings and integers always has a JSON form.
    serde_json::to_value(event)
        .ok()
        .and_then(|mut whole| whole.get_mut("data").map(Value::take))
        .unwrap_or(Value::Null)
}

/// The event that was stored as these.
pub fn decode(
    kind: &str,
    schema_version: u32,
    payload: &Value,
) -> Result<OrderEvent, UnknownEvent> {
    let unknown = |problem: String| UnknownEvent {
        kind: kind.to_owned(),
        schema_version,
        problem,
    };
    let mut payload = payload.clone();
    match schema_version {
        1 => version_2(kind, &mut payload),
        SCHEMA_VERSION => {}
        _ => {
            return Err(unknown(format!("versions 1 to {SCHEMA_VERSION} are known")));
        }
    }
    serde_json::from_value(json!({ "type": kind, "data": payload }))
        .map_err(|error| unknown(error.to_string()))
}

/// Version 1 had one region, and did not name it.
fn version_2(kind: &str, payload: &mut Value) {
    if kind == "OrderPaid"
        && let Value::Object(fields) = payload
    {
        fields
            .entry("region")
            .or_insert_with(|| Value::from("primary"));
    }
}
