//! Runs conformance traces against the hosts of Fuseboard.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use fuseboard_conformance::host::Host;
use fuseboard_conformance::host::rust::RustHost;
use fuseboard_conformance::host::{c, python};
use fuseboard_conformance::parse::parse;
use fuseboard_conformance::run::run;
use fuseboard_conformance::trace::Trace;

/// Runs `.trace` files, or all of them in folders, and compares what each host answers.
///
/// Ends with `N passed, N failed`, each trace counting once for each host. The exit code is 0 only
/// when all hold, 2 when the traces could not be run at all.
#[derive(Parser)]
#[command(name = "fuseboard-conformance", version)]
struct Arguments {
    /// Trace files, or folders that hold some.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Whose answers are compared.
    #[arg(long, value_enum, default_value_t = Choice::Rust)]
    host: Choice,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Rust,
    C,
    Cpp,
    Python,
    All,
}

type NewHost = fn() -> Result<Box<dyn Host>>;

impl Choice {
    fn hosts(self) -> Vec<NewHost> {
        let rust: NewHost = || Ok(Box::new(RustHost::default()));
        let c: NewHost = || Ok(Box::new(c::c()?));
        let cpp: NewHost = || Ok(Box::new(c::cpp()?));
        let python: NewHost = || Ok(Box::new(python::host()?));
        match self {
            Self::Rust => vec![rust],
            Self::C => vec![c],
            Self::Cpp => vec![cpp],
            Self::Python => vec![python],
            Self::All => vec![rust, c, cpp, python],
        }
    }
}

fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Plays every trace against every chosen host; how many failed.
fn compare(arguments: &Arguments) -> Result<usize> {
    let hosts = arguments.host.hosts();
    let mut files = BTreeSet::new();
    for path in &arguments.paths {
        let found = traces(path)?;
        if found.is_empty() {
            bail!("{}: no .trace file in this folder", path.display());
        }
        files.extend(found);
    }
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let path = file.display().to_string();
        let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        let trace = parse(&path, &bytes);
        for new_host in &hosts {
            let mut host = new_host()?;
            match play(&trace, host.as_mut()) {
                Ok(()) => passed += 1,
                Err(why) => {
                    failed += 1;
                    println!("{why}\n  host:     {}\n", host.name());
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

fn play(
    trace: &Result<Trace, fuseboard_conformance::parse::ParseError>,
    host: &mut dyn Host,
) -> Result<(), String> {
    match trace {
        Ok(trace) => run(trace, host).map_err(|failure| failure.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The file itself, or every `.trace` file below the folder.
fn traces(path: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read {}", path.display());
    if !fs::metadata(path).with_context(cannot)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(cannot)? {
        let entry = entry.with_context(cannot)?.path();
        if entry.is_dir() {
            found.extend(traces(&entry)?);
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "trace")
        {
            found.push(entry);
        }
    }
    Ok(found)
}
