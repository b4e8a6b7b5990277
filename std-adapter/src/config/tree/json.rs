//! JSON, through raw values: each is a piece of the text, and so knows where it stands.

use super::{DEPTH_MAX, Entry, Keys, NODES_MAX, Node, Number, Refused, Span, Value, too_deep};
use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

pub(super) fn parse(text: &str) -> Result<Node, Refused> {
    let refused = |error: &serde_json::Error| {
        let at = offset(text, error.line(), error.column());
        let message = error.to_string();
        // The place stands before the message already.
        let message = message.split(" at line ").next().unwrap_or_default();
        Refused::syntax(Span::new(at, at), message)
    };
    let root: &RawValue = serde_json::from_str(text).map_err(|error| refused(&error))?;
    let mut left = NODES_MAX;
    node(text, root, 0, &mut left)
}

/// The byte at `line` and `column`, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len())
}

fn span(text: &str, raw: &RawValue) -> Span {
    let piece = raw.get();
    let start = (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Span::new(start, start + piece.len())
}

fn node(text: &str, raw: &RawValue, depth: usize, left: &mut usize) -> Result<Node, Refused> {
    let span = span(text, raw);
    if depth > DEPTH_MAX {
        return Err(too_deep(span));
    }
    *left = left
        .checked_sub(1)
        .ok_or_else(|| Refused::syntax(span, format!("more than {NODES_MAX} values")))?;
    let piece = raw.get();
    let wrong = |error: serde_json::Error| Refused::syntax(span, error.to_string());
    let value = match piece.as_bytes().first() {
        Some(b'{') => {
            let (mut entries, mut keys) = (Vec::new(), Keys::default());
            for (key, value) in pairs(piece).map_err(wrong)? {
                let key_span = self::span(text, key);
                let key: String = serde_json::from_str(key.get()).map_err(wrong)?;
                keys.add(&key, key_span)?;
                let node = node(text, value, depth + 1, left)?;
                entries.push(Entry {
                    key,
                    key_span,
                    node,
                });
            }
            Value::Map(entries)
        }
        Some(b'[') => Value::List,
        Some(b'"') => Value::Text(serde_json::from_str(piece).map_err(wrong)?),
        Some(b't') => Value::Switch(true),
        Some(b'f') => Value::Switch(false),
        Some(b'n') => Value::Nothing,
        _ => {
            let number = Number::of(piece);
            Value::Number(number.ok_or_else(|| Refused::syntax(span, "no number"))?)
        }
    };
    Ok(Node { value, span })
}

/// Keys and values of an object in their order, those that stand twice included.
fn pairs(object: &str) -> serde_json::Result<Vec<(&RawValue, &RawValue)>> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(&'de RawValue, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                if pairs.len() == NODES_MAX {
                    return Err(A::Error::custom("too many keys"));
                }
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Pairs)
}
