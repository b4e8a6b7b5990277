//! `fuseboard doctor`: boards that are well, damaged ones, and files that are none.

use crate::traffic::{Said, Traffic, run};
use serde_json::Value;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

/// Status and report.
fn doctor(path: &str) -> (i32, Value) {
    let said = run(&["doctor", path, "--json"]);
    let report = serde_json::from_str(&said.out);
    (
        said.status,
        report.unwrap_or_else(|error| panic!("{error}: {said:?}")),
    )
}

/// The findings' subjects and what was found; each has advice.
fn findings(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().expect("a list").iter();
    findings
        .map(|finding| {
            assert!(!finding["advice"].as_str().expect("advice").is_empty());
            let text = |field: &str| finding[field].as_str().expect("a text").to_owned();
            (text("subject"), text("found"))
        })
        .collect()
}

/// That there is one finding, about this.
fn assert_one(path: &str, subject: &str, part: &str) {
    let (status, report) = doctor(path);
    let found = findings(&report);
    assert_eq!((status, found.len()), (1, 1), "{report}");
    assert!(
        found[0].0 == subject && found[0].1.contains(part),
        "{report}"
    );
}

fn write_at(path: &str, offset: u64, word: u64) {
    let file = OpenOptions::new()
        .write(true)
        .open(path)
        .expect("it is there");
    file.write_all_at(&word.to_ne_bytes(), offset)
        .expect("it can be written");
}

fn some_traffic() -> Traffic {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 3");
    traffic.does("hold reports 2");
    traffic
}

#[test]
fn of_a_board_that_is_well_nothing_is_found() {
    let traffic = some_traffic();
    let (status, report) = doctor(traffic.board());
    assert_eq!((status, findings(&report)), (0, vec![]), "{report}");
    let facts = &report["facts"];
    assert_eq!(
        (&facts["mode"], &facts["filesystem"]),
        (&"0600".into(), &"tmpfs".into())
    );
    assert_eq!(facts["clock"]["is_this_boot"], true);
    assert_eq!(facts["layout"]["slots"], 64);
    assert_eq!(facts["attached"][0]["process"], traffic.process());
    assert_eq!(facts["breakers"]["names"], 1);
    let text = run(&["doctor", traffic.board()]);
    assert_eq!(text.status, 0);
    for part in [
        "nothing found",
        "1 of 64 slots taken",
        "of this boot and time namespace",
        "traffic",
    ] {
        assert!(text.out.contains(part), "{part:?} is missing in {text:?}");
    }
}

#[test]
fn the_dead_and_what_they_hold_are_found() {
    let mut traffic = some_traffic();
    traffic.dies();
    let what = format!(
        "process {} died without leaving, and its places still count: 2 of reports",
        traffic.process()
    );
    assert_one(traffic.board(), "attached", &what);
    let text = run(&["doctor", traffic.board()]);
    assert!(
        text.out.contains("1 finding\n  attached: process"),
        "{text:?}"
    );
    assert!(
        text.out.contains("    → nothing: what it held comes back"),
        "{text:?}"
    );
}

#[test]
fn damage_is_found() {
    let sections = |traffic: &Traffic| {
        let bytes = fs::read(traffic.board()).unwrap();
        let place = |name: &[u8]| bytes.windows(name.len()).position(|part| part == name);
        place(b"payments").expect("its name") as u64
    };
    let damaged = some_traffic();
    // Behind the slot's word, the name: no text any more.
    write_at(damaged.board(), sections(&damaged), u64::MAX);
    assert_one(damaged.board(), "breakers", "1 taken slot without a name");

    // The slot's state and window take 256 bytes behind the 128 of its head; then the settings: shape, slot, slow, thresholds.
    let clamped = some_traffic();
    let thresholds = sections(&clamped) - 8 + 128 + 256 + 24;
    write_at(clamped.board(), thresholds, 0);
    assert_one(
        clamped.board(),
        "breakers",
        "payments: its settings are out of their ranges",
    );
    let repaired = run(&[
        "configure",
        "payments",
        "--failure-threshold",
        "0.4",
        "--slow-call-threshold",
        "1",
        "--board",
        clamped.board(),
    ]);
    assert_eq!(repaired.status, 0, "{repaired:?}");
    assert_eq!(doctor(clamped.board()).0, 0);
}

#[test]
fn a_file_that_is_no_board_is_told_why() {
    let traffic = some_traffic();
    let (board, path) = (traffic.board(), format!("{}-copy", traffic.board()));
    let copy = |change: &dyn Fn()| {
        let _ = fs::remove_file(&path);
        fs::copy(board, &path).unwrap();
        change();
    };
    // A copy has the same owners, none of whom lives there.
    copy(&|| ());
    let (_, report) = doctor(&path);
    let left = |(subject, _): &(String, String)| subject == "attached";
    assert!(findings(&report).iter().any(left), "{report}");

    copy(&|| write_at(&path, 8, 77));
    assert_one(&path, "layout", "version 77");
    copy(&|| write_at(&path, 32, 1));
    assert_one(&path, "clock", "before the machine started last");
    copy(&|| write_at(&path, 48, 1));
    assert_one(&path, "clock", "time namespace 1");
    copy(&|| {
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(5_000)
            .unwrap();
    });
    assert_one(&path, "size", "it has 5000");
    copy(&|| fs::write(&path, "text").unwrap());
    assert_one(&path, "header", "4 bytes are too few");
    copy(&|| fs::write(&path, "x".repeat(200)).unwrap());
    assert_one(&path, "header", "does not begin as a board does");
    copy(&|| fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap());
    assert_one(&path, "mode", "0644");

    fs::remove_file(&path).unwrap();
    symlink(board, &path).unwrap();
    assert_one(&path, "file", "a symbolic link");
    fs::remove_file(&path).unwrap();
    assert_one("/dev/shm", "file", "a folder");
    assert_one("/dev/null", "file", "no regular file");
    assert_one("/proc/version", "header", "");
    let missing: Said = run(&["doctor", &path]);
    assert_eq!(
        (missing.status, missing.out.as_str()),
        (3, ""),
        "{missing:?}"
    );
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_board_that_is_nearly_full_is_found() {
    let mut traffic = Traffic::new();
    for number in 0..58 {
        traffic.does(&format!("succeed user-{number} 1"));
    }
    assert_one(traffic.board(), "breakers", "58 of 64 slots are taken");
}
