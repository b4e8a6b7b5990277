//! A configuration through serde: embedded in a program's own, and written in any format.

use crate::breaker::CircuitBreakerConfig;
use crate::config::Config;
use crate::config::attempts::{HedgeSettings, RetrySettings, TimeoutSettings};
use crate::config::overload::{
    AdaptiveSettings, QueueSettings, SheddingSettings, ThrottleSettings,
};
use crate::config::policy::{ConcurrencyConfig, Kind, Placed, Policy, RateLimitConfig};
use crate::config::reader;
use crate::config::source::Source;
use crate::config::tree::{Entry, Node, Number, Span, Value};
use crate::config::value::{Given, rate_text, span_text};
use fuseboard_core::Window;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Writes what was given, `defaults` worked in; what was left out stays out.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &reader::VERSION)?;
        if let Some(board) = &self.board {
            map.serialize_entry("board", board)?;
        }

        section::<_, CircuitBreakerConfig>(&mut map, self)?;
        section::<_, RateLimitConfig>(&mut map, self)?;
        section::<_, ConcurrencyConfig>(&mut map, self)?;
        section::<_, TimeoutSettings>(&mut map, self)?;
        section::<_, RetrySettings>(&mut map, self)?;
        section::<_, HedgeSettings>(&mut map, self)?;
        section::<_, QueueSettings>(&mut map, self)?;
        section::<_, AdaptiveSettings>(&mut map, self)?;
        section::<_, SheddingSettings>(&mut map, self)?;
        section::<_, ThrottleSettings>(&mut map, self)?;
        map.end()
    }
}

fn section<M: SerializeMap, T: Kind>(map: &mut M, config: &Config) -> Result<(), M::Error> {
    let named = T::of(config);
    if named.is_empty() {
        return Ok(());
    }
    map.serialize_entry(T::SECTION.name, named)
}

impl<T> Serialize for Policy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let given = |(name, placed): (_, &Placed)| (name, placed.given);
        serializer.collect_map(self.given.iter().map(given))
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Share(number) | Self::Factor(number) => serializer.serialize_f64(number),
            Self::Count(count) => serializer.serialize_u64(count),
            Self::Switch(is_on) => serializer.serialize_bool(is_on),
            Self::Word(word) => serializer.serialize_str(word),
            Self::Span(span) => serializer.collect_str(&humantime::format_duration(span)),
            Self::Rate(rate) => serializer.serialize_str(&rate_text(rate)),
            Self::Window(window) => {
                let mut map = serializer.serialize_map(None)?;
                match window {
                    Window::Time { length, slots } => {
                        map.serialize_entry("time", &span_text(length))?;
                        map.serialize_entry("slots", &slots)?;
                    }
                    Window::Count(calls) => map.serialize_entry("count", &calls)?,
                    Window::Consecutive(calls) => map.serialize_entry("consecutive", &calls)?,
                    Window::Decay { half_life } => {
                        map.serialize_entry("decay", &span_text(half_life))?;
                    }
                }
                map.end()
            }
        }
    }
}

/// As part of a program's own configuration. An error names all findings with their settings; it knows no lines.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Node::deserialize(deserializer)?;
        reader::read(&tree, Source::default()).map_err(|findings| {
            let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
            D::Error::custom(lines.join("\n"))
        })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(AnyValue)?;
        let span = Span::default();
        Ok(Self { value, span })
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, a text, a number, true or false")
    }

    fn visit_bool<E>(self, is_on: bool) -> Result<Value, E> {
        Ok(Value::Switch(is_on))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(whole(number.into()))
    }

    fn visit_f64<E>(self, decimal: f64) -> Result<Value, E> {
        let (written, integer) = (decimal.to_string(), None);
        Ok(Value::Number(Number {
            written,
            decimal,
            integer,
        }))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Value::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry()? {
            entries.push(Entry {
                key,
                key_span: Span::default(),
                node,
            });
        }
        Ok(Value::Map(entries))
    }
}

fn whole(integer: i128) -> Value {
    Value::Number(Number {
        written: integer.to_string(),
        decimal: integer as f64,
        integer: Some(integer),
    })
}
