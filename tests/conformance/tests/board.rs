//! The traces against policies that lie on a board, through the C interface: what processes share behaves as what one process has.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;

use fuseboard_conformance::host::c;
use fuseboard_conformance::parse::parse;
use fuseboard_conformance::run::run;

/// Where a board differs, and says so: a slot's breaker is of a later generation, from which its jitter is drawn; and places on a board
/// are counted in 16 bits.
const DIFFERENT: [&str; 2] = ["breaker-jitter-repeats.trace", "concurrency-extremes.trace"];

/// S3, B1, B7, L1, K1: every trace but two.
#[test]
fn s3_b1_b7_l1_k1_the_traces_hold_on_a_board() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|of| of == "trace"))
        .collect();
    files.sort();
    assert!(files.len() > 100, "the traces were not found");
    let mut failed = Vec::new();
    for file in &files {
        let path = file.display().to_string();
        let trace = parse(&path, &fs::read(file).unwrap()).unwrap();
        let mut host = c::c_on_board().unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        match run(&trace, &mut host) {
            Ok(()) => assert!(!DIFFERENT.contains(&name), "{name} holds on a board by now"),
            Err(why) if DIFFERENT.contains(&name) => drop(why),
            Err(why) => failed.push(why.to_string()),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
