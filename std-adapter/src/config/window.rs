//! The table that says which kind of window: `{ time = "60s", slots = 6 }`, `{ count = 100 }`, `{ consecutive = 5 }`, `{ decay = "30s" }`.

use crate::config::setting::Misfit;
use crate::config::tree::{Node, Value};
use crate::config::value::{self, Wrong};
use fuseboard_core::{Nanos, Window};

/// Slots of a time window, and calls of a count window, in the breakers of this crate.
pub(super) const SLOTS_MAX: u64 = 10;
pub(super) const COUNT_MAX: u64 = 240;
pub(super) const CONSECUTIVE_MAX: u64 = 100_000;

/// The keys, each with what it means.
pub(super) const KEYS: [(&str, &str); 5] = [
    ("time", "the last calls of this span"),
    (
        "slots",
        "pieces in which a time window moves on; 10 if not given",
    ),
    ("count", "the last so many calls"),
    ("consecutive", "so many failures in a row"),
    (
        "decay",
        "all calls, one that is this much older weighing half as much",
    ),
];

const EXPECTED: &str = "must be a table with one of time, count, consecutive and decay, such as { count = 100 } or { time = \"60s\" }";

/// Reads the table.
pub(super) fn read(node: &Node) -> Result<Window, Misfit<'_>> {
    let whole = |wrong| Misfit {
        below: "",
        node,
        wrong,
    };
    let Value::Map(entries) = &node.value else {
        return Err(whole(Wrong::Kind(EXPECTED.to_owned())));
    };
    let (mut window, mut slots) = (None, None);
    for entry in entries {
        let Some((key, _)) = KEYS.iter().find(|(key, _)| *key == entry.key) else {
            return Err(whole(Wrong::Kind(format!(
                "has no {:?}: it {EXPECTED}",
                entry.key
            ))));
        };
        let node = &entry.node;
        let part = |wrong| Misfit {
            below: key,
            node,
            wrong,
        };
        let length = || value::span(node, false).map(Nanos::from).map_err(part);
        let calls = |most| value::count(node, 1, most).map_err(part);
        let of_kind = match *key {
            "slots" => {
                slots = Some((calls(SLOTS_MAX)? as u32, part));
                continue;
            }
            "time" => Window::Time {
                length: length()?,
                slots: SLOTS_MAX as u32,
            },
            "count" => Window::Count(calls(COUNT_MAX)? as u32),
            "consecutive" => Window::Consecutive(calls(CONSECUTIVE_MAX)? as u32),
            _ => Window::Decay {
                half_life: length()?,
            },
        };
        if window.replace(of_kind).is_some() {
            return Err(whole(Wrong::Range(EXPECTED.to_owned())));
        }
    }
    match (window, slots) {
        (None, _) => Err(whole(Wrong::Kind(EXPECTED.to_owned()))),
        (Some(Window::Time { length, .. }), Some((slots, _))) => Ok(Window::Time { length, slots }),
        (Some(_), Some((_, part))) => Err(part(Wrong::Range(
            "goes with time only; remove it".to_owned(),
        ))),
        (Some(window), None) => Ok(window),
    }
}
