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
    /// Explores interleavings: only under faults that are races.
    pub is_slow: bool,
}

/// The name of the runner's traces.
pub const TRACES: &str = "traces";

impl Program {
    /// Whether it has tests; the runner has traces.
    pub fn has_tests(&self) -> bool {
        self.name != TRACES
    }

    /// Whether a fault of `file` can reach it: breakers and limiters know nothing of each other.
    pub fn concerns(&self, file: &str) -> bool {
        match (Half::of(&self.name), Half::of(file)) {
            (Some(tested), Some(broken)) => tested == broken,
            _ => true,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Half {
    Breakers,
    Limiters,
}

impl Half {
    /// The half that a program's or a file's name speaks of; `None`: of both.
    fn of(name: &str) -> Option<Self> {
        const LIMITERS: [&str; 11] = [
            "adaptive",
            "concurrency",
            "fixed_window",
            "keyed",
            "leaky_bucket",
            "limiters",
            "retry_budget",
            "shedding",
            "sliding_",
            "throttle",
            "token_bucket",
        ];
        if LIMITERS.iter().any(|noun| name.contains(noun)) {
            Some(Self::Limiters)
        } else {
            (name.contains("breaker") || name.ends_with("saved")).then_some(Self::Breakers)
        }
    }
}

/// Packages that are built together.
struct Group {
    packages: &'static [&'static str],
    flags: &'static str,
    /// Below the build folder.
    folder: &'static str,
    is_slow: bool,
}

const GROUPS: [Group; 2] = [
    Group {
        packages: &["fuseboard-core", "fuseboard-model", "fuseboard-conformance"],
        flags: "--cfg fuseboard_faults",
        folder: "faults",
        is_slow: false,
    },
    Group {
        packages: &["fuseboard-loom"],
        flags: "--cfg fuseboard_faults --cfg fuseboard_loom",
        folder: "faults-loom",
        is_slow: true,
    },
];

/// Builds them all.
pub fn programs(place: &Place) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for group in &GROUPS {
        let mut command = place.command(&place.cargo);
        command
            .args(["build", "--quiet", "--profile", "loom", "--tests", "--bins"])
            .arg("--message-format=json-render-diagnostics")
            .arg("--target-dir")
            .arg(place.target.join(group.folder))
            .args(group.packages.iter().flat_map(|package| ["-p", package]))
            .env("RUSTFLAGS", group.flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .stderr(Stdio::inherit());
        let output = command.output().context("cannot start cargo")?;
        if !output.status.success() {
            bail!("the tests do not build under {}", group.flags);
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line).context("cargo's messages are JSON")?;
            programs.extend(program(&message, group.is_slow));
        }
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

fn program(message: &Value, is_slow: bool) -> Option<Program> {
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
    (package != "conformance" || name == TRACES).then_some(Program {
        name,
        path,
        folder,
        is_slow,
    })
}
