//! The sweeps must be able to fail: a seeded fault of the shipped code makes them.

use std::process::Command;

/// What the oracles say: of endings, and of an operation that waits.
const ORACLES: [&str; 2] = ["no order of whole operations explains these", "R1 violated"];

/// Runs tests of this very program again, each with a fault (`tests/faults/list.txt` says what it breaks), which it must find.
///
/// # Panics
/// When a test passes, or fails without its oracle's words.
pub fn must_be_found(faults: &[(&str, &str)]) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut missed = Vec::new();
    for (fault, test) in faults {
        let output = Command::new(&program)
            .args(["--exact", test, "--nocapture"])
            .env("FUSEBOARD_FAULT", fault)
            .env_remove("FUSEBOARD_DEEP")
            .output()
            .expect("this program starts again");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let oracle = ORACLES.iter().find(|oracle| said.contains(**oracle));
        match oracle {
            Some(oracle) if !output.status.success() => println!("{fault}: {test}: {oracle}"),
            _ => missed.push(format!("{fault} by {test}: {said}")),
        }
    }
    assert!(missed.is_empty(), "not found:\n{}", missed.join("\n"));
}
