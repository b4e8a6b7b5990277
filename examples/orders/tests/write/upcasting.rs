//! Events that older programs stored are read for ever. The files hold what each version wrote, and are never changed.

use orders::order::{OrderEvent, SCHEMA_VERSION, decode, encode};
use serde_json::{Value, json};

const VERSIONS: [&str; 2] = [
    include_str!("golden/events-1.json"),
    include_str!("golden/events-2.json"),
];

/// Kinds and payloads of one version.
fn stored(version: u32) -> Vec<(String, Value)> {
    let rows: Vec<Value> = serde_json::from_str(VERSIONS[version as usize - 1]).unwrap();
    rows.into_iter()
        .map(|mut row| {
            (
                row["kind"].as_str().unwrap().to_owned(),
                row["payload"].take(),
            )
        })
        .collect()
}

fn read(version: u32) -> Vec<OrderEvent> {
    stored(version)
        .iter()
        .map(|(kind, payload)| decode(kind, version, payload).unwrap())
        .collect()
}

#[test]
fn every_event_of_every_version_reads_as_todays() {
    assert_eq!(VERSIONS.len(), SCHEMA_VERSION as usize);
    let today = read(SCHEMA_VERSION);
    assert_eq!(today.len(), 11);
    for version in 1..SCHEMA_VERSION {
        assert_eq!(read(version), today, "version {version}");
    }
}

#[test]
fn todays_events_are_written_as_the_file_says() {
    for (event, (kind, payload)) in read(SCHEMA_VERSION).iter().zip(stored(SCHEMA_VERSION)) {
        assert_eq!((event.kind(), encode(event)), (kind.as_str(), payload));
    }
}

#[test]
fn what_cannot_be_read_is_said_and_not_guessed() {
    let payload = &stored(SCHEMA_VERSION)[2].1;
    // Of tomorrow, of no time, unknown, damaged; and what version 1 could leave out, version 2 cannot.
    let mut damaged = payload.clone();
    damaged["amount"] = json!("750");
    for (kind, version, payload) in [
        ("OrderPaid", SCHEMA_VERSION + 1, payload),
        ("OrderPaid", 0, payload),
        ("OrderPraised", SCHEMA_VERSION, payload),
        ("OrderPaid", SCHEMA_VERSION, &damaged),
        ("OrderPaid", SCHEMA_VERSION, &stored(1)[2].1),
        ("OrderPaid", SCHEMA_VERSION, &Value::Null),
    ] {
        let unknown = decode(kind, version, payload).unwrap_err();
        assert_eq!(
            (unknown.kind.as_str(), unknown.schema_version),
            (kind, version)
        );
        assert!(!unknown.problem.is_empty());
    }
}
