//! Configuration files: every setting in every format, findings, lints, schema, and texts that mean harm.
#![cfg(feature = "config")]

#[path = "config/documents.rs"]
mod documents;
#[path = "config/findings.rs"]
mod findings;
#[path = "config/formats.rs"]
mod formats;
#[path = "config/hostile.rs"]
mod hostile;
#[path = "config/lints.rs"]
mod lints;
#[path = "config/pipelines.rs"]
mod pipelines;
#[path = "config/reload.rs"]
mod reload;
#[path = "config/schema.rs"]
mod schema;
#[path = "config/settings.rs"]
mod settings;

use fuseboard::config::{Config, ConfigFileError, Format};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `document` in this format; `None` where the format cannot say it.
fn written(document: &Value, format: Format) -> Option<String> {
    match format {
        Format::Json => Some(document.to_string()),
        Format::Yaml => Some(yaml(document, 0)),
        Format::Toml => toml::to_string(document).ok(),
    }
}

/// In YAML's block style.
fn yaml(value: &Value, indent: usize) -> String {
    let Value::Object(map) = value else {
        return format!("{value}\n");
    };
    if map.is_empty() {
        return "{}\n".to_owned();
    }
    map.iter().fold(String::new(), |text, (key, value)| {
        let separator = if value.as_object().is_some_and(|map| !map.is_empty()) {
            "\n"
        } else {
            " "
        };
        let value = yaml(value, indent + 2);
        text + &format!("{:indent$}{:?}:{separator}{value}", "", key)
    })
}

fn read(document: &Value, format: Format) -> Option<Result<Config, ConfigFileError>> {
    written(document, format).map(|text| Config::from_text(&text, format))
}

/// The meaning of a configuration, without its places.
fn meaning(config: &Config) -> Value {
    serde_json::to_value(config).expect("a configuration can be written")
}

/// The committed `file` is `made`; with `FUSEBOARD_BLESS=1` it is written.
fn committed(file: &str, made: &str) {
    let path = root().join(file);
    if std::env::var_os("FUSEBOARD_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, made).expect(file);
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "{file} is out of date; update it with: FUSEBOARD_BLESS=1 cargo test -p fuseboard --features config --test config\n\
         It should be:\n{made}"
    );
}
