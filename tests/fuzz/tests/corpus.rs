//! The committed corpus and every input that once failed, without a fuzzer. Shows S1 S2 B1 B2 B6 L1 L2 L8 K1 K2 R6 W1 O1.

use std::fs;
use std::path::{Path, PathBuf};

use fuseboard_fuzz::{TARGETS, Target};

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    paths
}

/// Runs what is in the folder, and says which input it was when one fails.
fn replay(target: &Target, folder: &Path) -> usize {
    let paths = inputs(folder);
    for path in &paths {
        let data = fs::read(path).expect("a readable file");
        let run = std::panic::catch_unwind(|| (target.run)(&data));
        assert!(run.is_ok(), "{}: {}", target.name, path.display());
    }
    paths.len()
}

#[test]
fn s2_b1_l1_the_committed_inputs_hold() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        replay(target, &own.join("regressions").join(target.name));
        // The traces of the conformance suite are the corpus of their target: the next test.
        if target.name != "trace" {
            let corpus = replay(target, &own.join("corpus").join(target.name));
            assert!(corpus >= 10, "{} has {corpus} inputs", target.name);
        }
    }
}

/// Every trace of the conformance suite, played on the core and the model side by side.
#[test]
fn b1_l1_the_traces_hold_against_the_models() {
    let trace = fuseboard_fuzz::target("trace").expect("a target");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/traces");
    let played = replay(trace, &folder);
    assert!(played > 100, "only {played} traces");
}

/// Of each input, every prefix: what a fuzzer does first.
#[test]
fn s1_s2_no_prefix_of_an_input_fails() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        for path in inputs(&own.join("corpus").join(target.name)) {
            let data = fs::read(&path).expect("a readable file");
            for end in 0..data.len() {
                (target.run)(&data[..end]);
            }
        }
    }
}
