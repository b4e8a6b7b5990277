//! The programs that are run under each fault.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::place::Place;

/// A test program, or the runner of the traces.
pub struct Program {
    /// `core` for the unit tests of a package, `core/keyed` for a file of tests, `traces` for the runner.
    pub name: String,
    pub path: PathBuf,
    /// Where it is run.
    pub folder: PathBuf,
}

/// The name of the runner's traces.
pub const TRACES: &str = "traces";

impl Program {
    /// Whether it has tests; the runner has traces.
    pub fn has_tests(&self) -> bool {
        self.name != TRACES
    }

    /// Whether a fault of `file` can reach it. What is not of one noun alone, such as the traces, sees all of them.
    pub fn concerns(&self, file: &str) -> bool {
        /// (noun, who is built on it).
        const USERS: [(&str, &[&str]); 4] = [
            ("token_bucket", &["keyed", "leaky_bucket"]),
            ("concurrency", &["adaptive"]),
            ("shedding", &["adaptive", "concurrency"]),
            ("throttle", &["retry_budget"]),
        ];
        let (Some(tested), Some(broken)) = (noun(&self.name), noun(file)) else {
            return true;
        };
        let is_user = |(used, users): &(&str, &[&str])| *used == broken && users.contains(&tested);
        tested == broken || USERS.iter().any(is_user)
    }
}

/// The noun that a test program's or a shipped file's name begins with; `None`: it is of several.
fn noun(name: &str) -> Option<&'static str> {
    const NOUNS: [&str; 12] = [
        "adaptive",
        "breaker",
        "concurrency",
        "fixed_window",
        "keyed",
        "leaky_bucket",
        "retry_budget",
        "shedding",
        "sliding_counter",
        "sliding_window",
        "throttle",
        "token_bucket",
    ];
    let name = ["core/", "src/", "model/"]
        .into_iter()
        .fold(name, |name, folder| name.trim_start_matches(folder));
    if matches!(name, "saved" | "exhaustive") {
        return Some("breaker");
    }
    NOUNS.into_iter().find(|noun| name.starts_with(noun))
}

const PACKAGES: [&str; 3] = ["fuseboard-core", "fuseboard-model", "fuseboard-conformance"];
const FLAGS: &str = "--cfg fuseboard_faults";

/// Builds them all.
pub fn programs(place: &Place) -> Result<Vec<Program>> {
    let mut command = place.command(&place.cargo);
    command
        .args(["build", "--quiet", "--profile", "loom", "--tests", "--bins"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(place.target.join("faults"))
        .args(PACKAGES.iter().flat_map(|package| ["-p", package]))
        .env("RUSTFLAGS", FLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests do not build under {FLAGS}");
    }
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are JSON")?;
        programs.extend(program(&message));
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

fn program(message: &Value) -> Option<Program> {
    let path = PathBuf::from(message["executable"].as_str()?);
    let folder = PathBuf::from(message["manifest_path"].as_str()?)
        .parent()?
        .to_owned();
    let package = folder.file_name()?.to_str()?.to_owned();
    let (is_test, kind) = (
        message["profile"]["test"] == true,
        &message["target"]["kind"][0],
    );
    let name = match kind.as_str()? {
        "bin" if is_test => return None,
        "bin" => TRACES.to_owned(),
        "test" => format!("{package}/{}", message["target"]["name"].as_str()?),
        _ => package.clone(),
    };
    // The runner's own tests test no core.
    (package != "conformance" || name == TRACES).then_some(Program { name, path, folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reaches_its_noun_and_who_is_built_on_it() {
        let program = |name: &str| Program {
            name: name.to_owned(),
            path: PathBuf::new(),
            folder: PathBuf::new(),
        };
        let file = "core/src/token_bucket/policy.rs";
        for name in [
            "core",
            "core/token_bucket",
            "core/keyed",
            "core/admission",
            "model/limiters",
            TRACES,
        ] {
            assert!(program(name).concerns(file), "{name}");
        }
        for name in [
            "core/fixed_window",
            "core/breaker_rules",
            "core/saved",
            "model/exhaustive",
        ] {
            assert!(!program(name).concerns(file), "{name}");
        }
        assert!(program("core/saved").concerns("core/src/breaker/saved.rs"));
        assert!(program("core/keyed").concerns("core/src/error.rs"));
        assert!(!program("core/token_bucket").concerns("core/src/keyed/table.rs"));
    }
}
