//! The messages, whole, as users see them.

use super::committed;
use fuseboard::config::{Config, Format};
use std::fmt::Write;

/// Everything that can be wrong, in the three formats: `broken.toml`, `broken.yaml`, `broken.json`.
#[test]
fn the_messages_are_those_that_were_committed() {
    let folder = "std-adapter/tests/config";
    let mut told = String::new();
    for name in [
        "broken.toml",
        "broken.yaml",
        "broken.json",
        "syntax.toml",
        "syntax.yaml",
        "syntax.json",
    ] {
        let text = std::fs::read_to_string(super::root().join(folder).join(name)).unwrap();
        let format = Format::of(name).unwrap();
        let error = Config::from_text(&text, format).unwrap_err();
        for line in error.to_string().lines() {
            writeln!(told, "{name}:{line}").unwrap();
        }
    }
    committed("std-adapter/tests/config/broken.txt", &told);
}

#[test]
fn a_file_is_named_with_line_and_column() {
    let path = std::env::temp_dir().join(format!("fuseboard-config-{}.toml", std::process::id()));
    std::fs::write(
        &path,
        "version = 1\n\n[breakers.payments]\n  failure_threshold = 1.5\n",
    )
    .unwrap();
    let error = Config::from_path(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let expected = format!(
        "{}:4:23: breakers.payments.failure_threshold = 1.5: must be above 0 and at most 1 (100%)",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    // What a `main` that returns it prints.
    assert_eq!(format!("Error: {error:?}"), format!("Error: \n{expected}"));
}

#[test]
fn what_cannot_be_read_says_why() {
    let message = |path: &str| Config::from_path(path).unwrap_err().to_string();
    assert!(message("/nowhere/shop.toml").starts_with("/nowhere/shop.toml: cannot be read: "));
    assert!(message("shop.ini").contains("extension must be toml, yaml, yml or json"));
    assert!(message("shop").contains("extension"));
    let binary = std::env::temp_dir().join(format!("fuseboard-config-{}.yaml", std::process::id()));
    std::fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
    let told = message(binary.to_str().unwrap());
    std::fs::remove_file(&binary).unwrap();
    assert!(told.contains("is no UTF-8 text"), "{told}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    for (text, format) in [
        ("\u{feff}version = 2", Format::Toml),
        ("\u{feff}{\"version\":2}", Format::Json),
    ] {
        let error = Config::from_text(text, format).unwrap_err();
        let place = error.findings()[0].place.clone().unwrap();
        assert_eq!(&error.text().unwrap()[place.span], "2");
    }
}

#[test]
fn columns_count_characters_and_lines_count_from_one() {
    let text = "{\"breakers\": {\"größe\": {\"ramp_up\": 1}}}";
    let error = Config::from_text(text, Format::Json).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1:36: breakers.größe.ramp_up = 1: must be a duration with its unit, such as \"1s\""
    );
}

/// The window goes by two names, one of which may stand in the defaults.
#[test]
fn a_clash_points_at_the_setting_as_it_was_given() {
    let text = "[defaults.breakers]\nwindow_size = \"1us\"\n[breakers.a]\n[breakers.b]";
    let error = Config::from_text(text, Format::Toml).unwrap_err();
    let [finding] = error.findings() else {
        panic!("told twice: {error}");
    };
    assert_eq!(finding.path, "defaults.breakers.window_size");
    assert_eq!(finding.place.as_ref().unwrap().line, 2);
}
