//! The published JSON Schema: current, and of one mind with the reader.

use super::{committed, read, root};
use boon::{Compiler, Schemas};
use fuseboard::config::{Config, Format, schema};
use serde_json::{Value, json};

fn judge() -> impl Fn(&Value) -> bool {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler
        .compile("schema.json", &mut schemas)
        .expect("a schema of its draft");
    move |document| schemas.validate(document, index).is_ok()
}

#[test]
fn the_committed_schema_is_current() {
    committed("docs/fuseboard.schema.json", &schema());
}

#[test]
fn the_examples_say_the_same_in_every_format_and_fit_the_schema() {
    let is_fine = judge();
    let folder = root().join("examples/config");
    let mut meanings = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::from_path(&path).unwrap_or_else(|error| panic!("{error}"));
        let meaning = super::meaning(&config);
        assert!(is_fine(&meaning), "{}", path.display());
        if path.file_stem().unwrap() == "shop" {
            assert_eq!(config.warnings(), [], "{}", path.display());
            meanings.push(meaning);
        }
        let text = config.text().unwrap();
        match Format::of(&path).unwrap() {
            Format::Json => assert!(is_fine(&serde_json::from_str(text).unwrap())),
            Format::Toml => {
                let table: toml::Table = text.parse().unwrap();
                assert!(
                    is_fine(&serde_json::to_value(table).unwrap()),
                    "{}",
                    path.display()
                );
            }
            Format::Yaml => {}
        }
        seen += 1;
    }
    assert!(seen >= 5);
    assert_eq!(meanings.len(), 3);
    assert!(
        meanings.windows(2).all(|two| two[0] == two[1]),
        "{meanings:?}"
    );
}

/// What the schema refuses the reader refuses too, and the other way round where one setting alone is wrong.
#[test]
fn schema_and_reader_agree_on_single_values() {
    let is_fine = judge();
    let numbers = json!([
        0,
        1,
        -1,
        3,
        0.5,
        1.5,
        240,
        511,
        512,
        100_000,
        1_000_001,
        5.0,
        4_294_967_296_u64
    ]);
    let words = json!([
        "",
        "0",
        "5",
        "50%",
        "0.5%",
        "100%",
        "101%",
        "1s",
        "1m 30s",
        "1m30s",
        "1.5s",
        " 1s",
        "1s ",
        "1 x",
        "10 us",
        "s",
        "100/s",
        "5 per minute",
        "1000/10s",
        "/s",
        "0/s",
        "token_bucket",
        "sliding_window",
        "bucket",
        "true"
    ]);
    let others = json!([
        true, false, {}, [], {"count": 5}, {"count": 0}, {"time": "1s"}, {"time": "1s", "slots": 3}, {"slots": 3},
        {"count": 5, "slots": 3}, {"consecutive": 5, "count": 5}, {"decay": "5s"}, {"decay": 5}
    ]);
    let values: Vec<_> = [numbers, words, others]
        .into_iter()
        .flat_map(|values| values.as_array().cloned().unwrap())
        .collect();
    let tables: Value = serde_json::from_str(&schema()).unwrap();
    let (mut both, mut neither) = (0, 0);
    for section in super::settings::SECTIONS {
        let settings = &tables["properties"][section]["additionalProperties"]["properties"];
        for name in settings.as_object().unwrap().keys() {
            for value in &values {
                let mut document = json!({ section: { "x": { name: value } } });
                for (of, needed, usual) in super::settings::NEEDED {
                    if section == of && name != needed {
                        document[section]["x"][needed] = super::settings::plain(usual);
                    }
                }
                let by_reader = read(&document, Format::Json).unwrap();
                // What depends on other settings the schema cannot know, nor that 0 % is no threshold.
                let is_single = |finding: &fuseboard::config::Finding| {
                    matches!(finding.id, "kind" | "range" | "unknown")
                };
                let refused = by_reader
                    .err()
                    .is_some_and(|error| error.findings().iter().any(is_single));
                let knows = !(value == "0%" || value == "0.5ns");
                assert!(
                    !knows || refused != is_fine(&document),
                    "{document}: reader refuses: {refused}"
                );
                if refused {
                    neither += 1;
                } else {
                    both += 1;
                }
            }
        }
    }
    assert!(both > 100 && neither > 500, "{both} {neither}");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses_as_a_whole() {
    let is_fine = judge();
    for document in [
        json!({ "version": 2 }),
        json!({ "colour": "red" }),
        json!({ "board": "shm" }),
        json!({ "board": 5 }),
        json!({ "defaults": { "breaker": {} } }),
        json!({ "defaults": { "breakers": { "open_backoff": 0 } } }),
        json!({ "breakers": { "": {} } }),
        json!({ "breakers": { "a\n": {} } }),
        json!({ "breakers": { "x": { "failure_treshold": 0.5 } } }),
        json!({ "breakers": { "x": { "window": { "count": 5 }, "window_size": "5s" } } }),
        json!({ "breakers": { "x": 5 } }),
        json!({ "breakers": [] }),
        json!([]),
        json!("version"),
    ] {
        assert!(!is_fine(&document), "the schema takes {document}");
        assert!(
            read(&document, Format::Json).unwrap().is_err(),
            "the reader takes {document}"
        );
    }
    for document in [
        json!({}),
        json!({ "version": 1, "breakers": { "x": null } }),
        json!({ "$schema": "…" }),
    ] {
        assert!(is_fine(&document), "the schema refuses {document}");
        assert!(
            read(&document, Format::Json).unwrap().is_ok(),
            "the reader refuses {document}"
        );
    }
}
