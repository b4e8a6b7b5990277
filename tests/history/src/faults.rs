//! Every oracle must be able to fail: a seeded fault of the shipped code makes its test fail.

use std::process::Command;

/// The part of a failed test's output that says which oracle it was.
pub const NOT_LINEARIZABLE: &str = "no order of these operations gives these answers";

/// Seeds that are tried, one after the other, until the fault is caught: which schedules a seed makes changes with every step that is
/// added to the code or taken from it.
const SEEDS: u64 = 16;

/// Runs one test of this very program again with a fault, and looks for the oracle's words.
///
/// # Panics
/// When the test passes with every seed, or fails without those words.
pub fn must_be_caught(fault: &str, test: &str, words: &str) {
    let program = std::env::current_exe().expect("this program has a path");
    for seed in 0..SEEDS {
        let output = Command::new(&program)
            .args(["--exact", test, "--nocapture"])
            .env("FUSEBOARD_FAULT", fault)
            .env("FUSEBOARD_SEED", seed.to_string())
            .env_remove("FUSEBOARD_DEEP")
            .output()
            .expect("this program starts again");
        if output.status.success() {
            continue;
        }
        let output_text = [output.stdout, output.stderr].concat();
        let output_text = String::from_utf8_lossy(&output_text);
        assert!(
            output_text.contains(words),
            "`{test}` fails with the fault `{fault}`, but not by its oracle ({words}): {output_text}"
        );
        println!("{fault}: caught by {test} with seed {seed}");
        return;
    }
    panic!(
        "`{test}` passes with the fault `{fault}` and {SEEDS} seeds; built without --cfg fuseboard_faults?"
    );
}
