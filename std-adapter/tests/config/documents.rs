//! `docs/configuration.md` has every setting and every lint, as the tables say.

use super::{committed, root};
use fuseboard::config::{Format, LINTS, schema};
use serde_json::Value;
use std::fmt::Write;

/// How a value is written, in a few words.
fn takes(property: &Value) -> String {
    if let Some(words) = property["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(" or ");
    }
    let range = |noun: &str| match (&property["minimum"], &property["maximum"]) {
        (least, most) if most.as_u64() == Some(i64::MAX as u64) => {
            format!("{noun}, {least} to 2^63 - 1")
        }
        (least, most) => format!("{noun}, {least} to {most}"),
    };
    match property["type"].as_str() {
        Some("integer") => range("whole number"),
        Some("number") => range("number").replace(".0", ""),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ if property["pattern"]
            .as_str()
            .is_some_and(|pattern| pattern.contains("per")) =>
        {
            "rate".to_owned()
        }
        _ if property["pattern"].is_string() => "duration".to_owned(),
        _ if property["anyOf"][0]["maximum"] == 1 => {
            let from = property["anyOf"][0]["minimum"].is_number();
            if from {
                "share, 0 to 1"
            } else {
                "share, above 0, at most 1"
            }
            .to_owned()
        }
        _ => "table".to_owned(),
    }
}

fn table(schema: &Value, section: &str) -> String {
    let mut table = "| setting | takes | default | meaning |\n|---|---|---|---|\n".to_owned();
    let all = &schema["properties"][section]["additionalProperties"]["properties"];
    for (name, property) in all.as_object().unwrap() {
        let about = property["description"].as_str().unwrap();
        let (about, default) = match about.split_once(" Default: ") {
            Some((about, default)) => (about, default.trim_end_matches('.').replace('"', "")),
            None => (about, "must be given".to_owned()),
        };
        writeln!(
            table,
            "| `{name}` | {} | {default} | {about} |",
            takes(property)
        )
        .unwrap();
    }
    table
}

fn lints() -> String {
    let mut table =
        "| id | found when | why it does harm | what to do |\n|---|---|---|---|\n".to_owned();
    for lint in LINTS {
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            lint.id, lint.when, lint.reason, lint.help
        )
        .unwrap();
    }
    table
}

/// Between `<!-- NAME -->` and `<!-- /NAME -->` stands what the tables say.
#[test]
fn every_setting_and_lint_is_documented() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let file = "docs/configuration.md";
    let mut text = std::fs::read_to_string(root().join(file)).unwrap();
    let parts = super::settings::SECTIONS
        .map(|section| (section, table(&schema, section)))
        .into_iter()
        .chain([("lints", lints())]);
    for (name, made) in parts {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let (before, rest) = text
            .split_once(&start)
            .unwrap_or_else(|| panic!("{file} has no {start}"));
        let (_, after) = rest
            .split_once(&end)
            .unwrap_or_else(|| panic!("{file} has no {end}"));
        text = format!("{before}{start}{made}{end}{after}");
    }
    committed(file, &text);
}

/// The examples of the guide are read as it says.
#[test]
fn the_blocks_of_the_guide_are_right() {
    let text = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut seen = 0;
    for (language, format) in [
        ("toml", Format::Toml),
        ("yaml", Format::Yaml),
        ("json", Format::Json),
    ] {
        for block in text.split(&format!("```{language}\n")).skip(1) {
            let block = block.split("```").next().unwrap();
            let read = fuseboard::config::Config::from_text(block, format);
            assert!(read.is_ok(), "{block}\n{}", read.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}
