//! An event as an entry of a stream.

use ::redis::streams::StreamId;

use crate::bus::{BusError, Delivery};
use crate::store::StoredEvent;

/// The event, as JSON.
const EVENT: &str = "event";
/// The position before it.
const PREVIOUS: &str = "previous";

/// The id of the entry of an event.
pub(super) fn entry_id(position: u64) -> String {
    format!("{position}-0")
}

/// The position of the event with this id.
pub(super) fn position_of(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}

/// Names and values, one after the other.
pub(super) fn fields(event: &StoredEvent, previous: u64) -> Result<[String; 4], BusError> {
    let json =
        serde_json::to_string(event).map_err(|error| BusError::Corrupt(error.to_string()))?;
    Ok([
        EVENT.to_owned(),
        json,
        PREVIOUS.to_owned(),
        previous.to_string(),
    ])
}

/// The event of an entry, or what is wrong with that.
pub(super) fn delivery(entry: &StreamId, attempt: u32) -> Result<Delivery, String> {
    let event: String = entry.get(EVENT).ok_or("it has no event")?;
    Ok(Delivery {
        event: serde_json::from_str(&event).map_err(|error| error.to_string())?,
        previous: entry.get(PREVIOUS).ok_or("it has no previous position")?,
        attempt,
    })
}
