//! The JSON Schema of configuration files, from the same tables that the reader goes by.

use crate::breaker::CircuitBreakerConfig;
use crate::config::attempts::{HedgeSettings, RetrySettings, TimeoutSettings};
use crate::config::overload::{
    AdaptiveSettings, QueueSettings, SheddingSettings, ThrottleSettings,
};
use crate::config::policy::{ConcurrencyConfig, Kind, RateLimitConfig};
use crate::config::reader::VERSION;
use crate::config::setting::{Setting, Take};
use crate::config::window::{CONSECUTIVE_MAX, COUNT_MAX, KEYS, SLOTS_MAX};
use serde_json::{Map, Value, json};

/// A percentage from 0 % on; the reader says more about how much is too much.
const PERCENT: &str = r"^(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?)\s*%$";
/// Numbers with units, as the reader of durations takes them.
const DURATION: &str = r"^(\s*[0-9][0-9 ]*(\.[0-9]+)?\s*(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w|months?|M|years?|yrs?|y))+\s*$";
const RATE: &str = r"^\s*[0-9]*[1-9][0-9]*\s*(/| per )\s*[0-9.\sa-zA-Zµ]+$";

/// The JSON Schema (draft 2020-12) of configuration files, with which editors complete and check them.
///
/// It knows every setting with its meaning, default and range; what depends on several settings at once only
/// [`Config::from_path`](super::Config::from_path) knows.
pub fn schema() -> String {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fuseboard configuration",
        "description": "Circuit breakers, limits and other policies by name.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "$schema": { "type": "string", "description": "Where this schema is, for editors." },
            "version": { "const": VERSION, "description": "Version of the format.", "default": VERSION },
            "board": {
                "type": "string",
                "pattern": "^/",
                "description": "Absolute path of the board in shared memory on which the policies live, such as \"/dev/shm/shop\" (Linux). Left out, they live in this process alone.",
            },
            "defaults": {
                "type": ["object", "null"],
                "description": "Settings for every policy of a kind that does not give them itself.",
                "additionalProperties": false,
                "properties": {
                    "breakers": settings::<CircuitBreakerConfig>(false),
                    "rate_limits": settings::<RateLimitConfig>(false),
                    "concurrency": settings::<ConcurrencyConfig>(false),
                    "timeouts": settings::<TimeoutSettings>(false),
                    "retries": settings::<RetrySettings>(false),
                    "hedges": settings::<HedgeSettings>(false),
                    "queues": settings::<QueueSettings>(false),
                    "adaptive": settings::<AdaptiveSettings>(false),
                    "shedding": settings::<SheddingSettings>(false),
                    "throttles": settings::<ThrottleSettings>(false),
                },
            },
            "breakers": named::<CircuitBreakerConfig>(),
            "rate_limits": named::<RateLimitConfig>(),
            "concurrency": named::<ConcurrencyConfig>(),
            "timeouts": named::<TimeoutSettings>(),
            "retries": named::<RetrySettings>(),
            "hedges": named::<HedgeSettings>(),
            "queues": named::<QueueSettings>(),
            "adaptive": named::<AdaptiveSettings>(),
            "shedding": named::<SheddingSettings>(),
            "throttles": named::<ThrottleSettings>(),
        },
    });
    format!("{schema:#}\n")
}

/// A table of names.
fn named<T: Kind>() -> Value {
    json!({
        "type": ["object", "null"],
        "description": T::SECTION.about,
        "propertyNames": { "minLength": 1, "maxLength": 64, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$" },
        "additionalProperties": settings::<T>(true),
    })
}

/// The settings of one policy. What must be given may stand in `defaults`, so that none is required here.
fn settings<T: Kind>(is_policy: bool) -> Value {
    let section = T::SECTION;
    let properties: Map<_, _> = section
        .settings
        .iter()
        .map(|row| (row.name.to_owned(), property(row)))
        .collect();
    let mut schema = json!({
        "type": ["object", "null"],
        "description": if is_policy { section.about } else { "For all of this kind." },
        "additionalProperties": false,
        "properties": properties,
    });
    let pairs: Vec<_> = section
        .settings
        .iter()
        .filter_map(|row| Some(json!([row.name, row.excludes?])))
        .take(1)
        .map(|pair| json!({ "type": "object", "required": pair }))
        .collect();
    if !pairs.is_empty() {
        schema["not"] = json!({ "anyOf": pairs });
    }
    schema
}

fn property<T>(row: &Setting<T>) -> Value {
    let mut schema = match &row.take {
        Take::Share { from_zero, .. } => {
            let least = if *from_zero {
                "minimum"
            } else {
                "exclusiveMinimum"
            };
            json!({ "anyOf": [
                { "type": "number", least: 0, "maximum": 1 },
                { "type": "string", "pattern": PERCENT },
            ] })
        }
        Take::Factor { least, most, .. } => {
            json!({ "type": "number", "minimum": least, "maximum": most })
        }
        Take::Count { least, most, .. } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Take::Span { .. } => duration(),
        Take::Switch { .. } => json!({ "type": "boolean" }),
        Take::Word { words, .. } => json!({ "enum": words }),
        Take::Rate { .. } => json!({ "type": "string", "pattern": RATE }),
        Take::Window { .. } => window(),
    };
    schema["description"] = json!(match row.default {
        Some(default) => format!("{} Default: {default}.", row.about),
        None => row.about.to_owned(),
    });
    schema
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": DURATION })
}

fn window() -> Value {
    let calls = |most: u64| json!({ "type": "integer", "minimum": 1, "maximum": most });
    let mut kinds = Vec::new();
    for (key, about) in KEYS {
        let with = |mut of: Value| {
            of["description"] = json!(about);
            let mut properties = Map::from_iter([(key.to_owned(), of)]);
            if key == "time" {
                let mut slots = calls(SLOTS_MAX);
                slots["description"] = json!("Pieces in which it moves on; 10 if not given.");
                properties.insert("slots".to_owned(), slots);
            }
            json!({ "type": "object", "additionalProperties": false, "required": [key], "properties": properties })
        };
        kinds.push(match key {
            "time" | "decay" => with(duration()),
            "count" => with(calls(COUNT_MAX)),
            "consecutive" => with(calls(CONSECUTIVE_MAX)),
            _ => continue,
        });
    }
    json!({ "anyOf": kinds })
}
