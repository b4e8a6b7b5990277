//! `cargo xtask features`: the adapter builds without a warning with each of its features, and by default pulls in few crates.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// More crates than this nobody takes in for a breaker.
const MOST_CRATES: usize = 40;
/// Features that bring a C library or a hundred crates; alone they are built in deep runs.
const HEAVY: [&str; 4] = ["reqwest-tls", "otel", "otlp-grpc", "http-endpoints"];
/// Whose code depends on which others are there.
const TOUCHING: [&str; 2] = ["tower", "test-util"];

/// Checks none, each alone and all; `deep`: also the heavy ones, and the pairs that touch.
pub fn check(root: &Path, deep: bool) -> Result<ExitCode> {
    let manifest = std::fs::read_to_string(root.join("std-adapter/Cargo.toml"))?;
    let all = named(&manifest).context("std-adapter/Cargo.toml has no [features]")?;
    ensure!(all.contains("full"), "there is no feature `full`");
    let is_light = |feature: &&&str| deep || !HEAVY.contains(feature);
    let mut sets = vec![String::new()];
    sets.extend(all.iter().filter(is_light).map(ToString::to_string));
    if deep {
        for touching in TOUCHING {
            let others = all.iter().filter(|other| **other != touching);
            sets.extend(others.map(|other| format!("{touching} {other}")));
        }
    }
    let mut failed = 0;
    for set in &sets {
        let arguments = [
            "check",
            "--quiet",
            "--package",
            "fuseboard",
            "--lib",
            "--no-default-features",
        ];
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .args(["--features", set])
            .current_dir(root)
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !told.trim().is_empty() {
            failed += 1;
            println!("--features {set:?}:\n{told}");
        }
    }
    let crates = crates(root)?;
    println!(
        "{} sets of features; {crates} crates by default",
        sets.len()
    );
    if crates >= MOST_CRATES {
        failed += 1;
        println!("allowed: fewer than {MOST_CRATES} crates; leave something out of `default`");
    }
    println!("{} passed, {failed} failed", sets.len() + 1 - failed);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The names in `[features]`.
fn named(manifest: &str) -> Option<BTreeSet<&str>> {
    let (_, rest) = manifest.split_once("[features]\n")?;
    let (section, _) = rest.split_once("\n[")?;
    let name = |line: &'_ str| {
        let (name, _) = line.split_once(" = [")?;
        (!line.starts_with([' ', '#'])).then_some(name.len())
    };
    Some(
        section
            .lines()
            .filter_map(|line| Some(&line[..name(line)?]))
            .collect(),
    )
}

/// Crates that the default features pull in, the library itself included.
fn crates(root: &Path) -> Result<usize> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "fuseboard",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .current_dir(root)
        .output()?;
    ensure!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout)?;
    let crates: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    Ok(crates.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_with_their_names_alone() {
        let manifest = "[package]\n[features]\n# a = [\na = []\nbig = [\n    \"a\",\n]\n\n[dependencies]\nb = []\n";
        assert_eq!(named(manifest), Some(BTreeSet::from(["a", "big"])));
    }
}
