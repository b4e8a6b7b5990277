//! `fuseboard check` and `fuseboard schema`, as a user runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fuseboard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fuseboard"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("the program runs")
}

fn shown(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn a_file_that_can_be_used_is_fine() {
    let output = fuseboard(&["check", "--strict", "examples/config/shop.toml"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        shown(&output),
        "examples/config/shop.toml: fine: 3 breakers, 2 rate limits, 1 concurrency limit, 1 timeout, 1 retry policy, 1 hedge\n"
    );
}

#[test]
fn a_warning_fails_only_where_it_is_strict() {
    let file = "examples/config/harmful.toml";
    let output = fuseboard(&["check", file]);
    assert_eq!(output.status.code(), Some(0));
    let text = shown(&output);
    let warning = "\
warning[one_failure_opens]: breakers.payments.minimum_requests = 1: the first failed call opens the breaker
 --> examples/config/harmful.toml:6:20
  |
6 | minimum_requests = 1
  |                    ^
  |
  = note: every dependency fails once in a while, and a healthy one is cut off then
  = help: raise minimum_requests, so that a verdict rests on several failures
";
    assert!(text.contains(warning), "{text}");
    // Nobody reads colours in a pipe.
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.ends_with("harmful.toml: can be used, with 3 warnings: 1 breaker\n"));
    let strict = fuseboard(&["check", "--strict", file]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn an_error_is_shown_with_its_line_and_a_caret() {
    let file = "std-adapter/tests/config/broken.toml";
    let output = fuseboard(&["check", "examples/config/shop.yaml", file]);
    assert_eq!(output.status.code(), Some(1));
    let text = shown(&output);
    let error = "\
error[range]: breakers.payments.failure_threshold = 1.5: must be above 0 and at most 1 (100%)
  --> std-adapter/tests/config/broken.toml:13:21
   |
13 | failure_threshold = 1.5
   |                     ^^^
";
    assert!(text.contains(error), "{text}");
    assert!(
        text.starts_with("examples/config/shop.yaml: fine"),
        "{text}"
    );
}

#[test]
fn programs_read_json() {
    let output = fuseboard(&[
        "check",
        "--json",
        "examples/config/harmful.toml",
        "nowhere.toml",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["fine"], false);
    assert_eq!(report["files"][0]["fine"], true);
    let finding = &report["files"][0]["findings"][1];
    assert_eq!(finding["id"], "one_failure_opens");
    assert_eq!(finding["severity"], "warning");
    assert_eq!(finding["path"], "breakers.payments.minimum_requests");
    assert_eq!(
        (&finding["line"], &finding["column"]),
        (&6.into(), &20.into())
    );
    assert_eq!(report["files"][1]["findings"][0]["id"], "io");
    assert!(report["files"][1]["findings"][0]["line"].is_null());
}

#[test]
fn wrong_usage_is_told_apart() {
    assert_eq!(fuseboard(&["check"]).status.code(), Some(2));
}

#[test]
fn the_schema_is_the_published_one() {
    let output = fuseboard(&["schema"]);
    let published = std::fs::read_to_string(root().join("docs/fuseboard.schema.json")).unwrap();
    assert_eq!(shown(&output), published);
}
