//! The project's own commands.

mod faults;
mod features;
mod install;
mod need;
mod peers;
mod place;
mod report;
mod run;
mod suites;
mod tally;
mod verification;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::peers::LANGUAGES;
use crate::place::Place;
use crate::suites::SUITES;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every suite that this machine can run, or those named.
    ///
    /// Ends with a table and the line `N passed, N failed, N skipped`. The exit code is 0 only when
    /// nothing failed.
    Test {
        /// Suites; all when none is named.
        #[arg(value_parser = PossibleValuesParser::new(SUITES.iter().map(|suite| suite.name)), value_name = "NAME", hide_possible_values = true)]
        names: Vec<String>,
        /// Says what the suites are and runs none.
        #[arg(long)]
        list: bool,
        /// More cases and larger bounds, by `FUSEBOARD_DEEP=1`: minutes instead of seconds.
        #[arg(long)]
        deep: bool,
    },
    /// Plays the tests under the faults that are seeded in the core, and shows that each fails some.
    Faults {
        /// Faults; all when none is named.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Plays every test under each, and records in tests/faults/README.md which fail.
        #[arg(long)]
        bless: bool,
    },
    /// Builds the adapter with none, each and all of its features, and counts the crates that it pulls in.
    Features {
        /// Also the heavy features, and the pairs that touch.
        #[arg(long)]
        deep: bool,
    },
    /// Writes VERIFICATION.md: which test shows which promise.
    Verification,
    /// Plays conformance traces: PATH... [--host rust|c|cpp|python|all].
    #[command(disable_help_flag = true)]
    Conformance {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Installs libfuseboard for C and C++: headers, libraries, a pkg-config file and a package for `find_package`.
    InstallC {
        /// Where to: `/usr/local`, or any folder.
        #[arg(long, value_name = "DIR")]
        prefix: PathBuf,
        /// How it is built.
        #[arg(long, default_value = "library", value_name = "PROFILE")]
        profile: String,
    },
    /// Fuzzes the core against its models: [TARGET...] [--runs N] [--seed S] [--faults].
    #[command(disable_help_flag = true)]
    Fuzz {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measures every operation beside the machine's limits and the peers: [--json] [--quick] [WORD...].
    #[command(disable_help_flag = true)]
    Ratios {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measures the breakers and limiters of other languages, each in a program of its own.
    ///
    /// A language without its tools is left out, aloud.
    Peers {
        /// Languages; all when none is named.
        #[arg(value_parser = PossibleValuesParser::new(LANGUAGES.iter().map(|language| language.name)), value_name = "LANGUAGE")]
        names: Vec<String>,
    },
    /// Draws what an operation costs as threads, slots, stripes, keys, breakers or windows grow, and tells the memory: [--deep].
    #[command(disable_help_flag = true)]
    Scaling {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Counts the machine instructions of each operation, beside the committed counts: [--bless].
    #[command(disable_help_flag = true)]
    Instructions {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs every policy under a storm of threads: [--seconds N] [--seed S].
    #[command(disable_help_flag = true)]
    Soak {
        /// Handed on as they are; `--help` says more.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test { list: true, .. } => {
            print!("{}", suites::list());
            Ok(ExitCode::SUCCESS)
        }
        Task::Test { names, deep, .. } => test(&names, deep),
        Task::Faults { names, bless } => faults(&names, bless),
        Task::Features { deep } => {
            let is_deep = deep || std::env::var_os("FUSEBOARD_DEEP").is_some();
            Place::find().and_then(|place| features::check(&place.root, is_deep))
        }
        Task::Verification => verification(),
        Task::InstallC { prefix, profile } => install_c(&prefix, &profile),
        Task::Conformance { arguments } => conformance(&arguments),
        Task::Fuzz { arguments } => hand_on(&["--package", "fuseboard-fuzz"], &arguments),
        Task::Ratios { arguments } => hand_on(
            &[
                "--profile",
                "bench",
                "--package",
                "fuseboard-benches",
                "--bin",
                "ratios",
            ],
            &arguments,
        ),
        Task::Peers { names } => peers(&names),
        Task::Scaling { arguments } => hand_on(
            &[
                "--profile",
                "bench",
                "--package",
                "fuseboard-benches",
                "--bin",
                "scaling",
            ],
            &arguments,
        ),
        Task::Instructions { arguments } => hand_on(
            &[
                "--profile",
                "bench",
                "--package",
                "fuseboard-benches",
                "--no-default-features",
                "--bin",
                "instructions",
            ],
            &arguments,
        ),
        Task::Soak { arguments } => {
            hand_on(&["--release", "--package", "fuseboard-soak"], &arguments)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn test(names: &[String], deep: bool) -> Result<ExitCode> {
    let place = Place::find()?;
    let wanted = SUITES
        .iter()
        .filter(|suite| names.is_empty() || names.iter().any(|n| n == suite.name));
    let results = run::run(wanted, &place, deep)?;
    print!("{}", report::table(&results));
    let total = report::total(&results);
    println!("{total}");
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn faults(names: &[String], bless: bool) -> Result<ExitCode> {
    let (seen, wrong) = faults::faults(&Place::find()?, names, bless)?;
    for line in &wrong {
        println!("{line}");
    }
    println!("{seen} passed, {} failed", wrong.len());
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn peers(names: &[String]) -> Result<ExitCode> {
    for line in peers::peers(&Place::find()?, names)? {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

fn install_c(prefix: &Path, profile: &str) -> Result<ExitCode> {
    for file in install::install(&Place::find()?, prefix, profile)? {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn verification() -> Result<ExitCode> {
    let root = Place::find()?.root;
    let page = verification::page(&root)?;
    std::fs::write(root.join(verification::PAGE), page)
        .with_context(|| format!("cannot write {}", verification::PAGE))?;
    Ok(ExitCode::SUCCESS)
}

/// Plays traces. The Python package is installed for those who ask for it.
fn conformance(arguments: &[OsString]) -> Result<ExitCode> {
    const WITH_PYTHON: [&str; 4] = ["python", "--host=python", "all", "--host=all"];
    if arguments
        .iter()
        .any(|given| WITH_PYTHON.iter().any(|word| given == word))
    {
        need::python_package(&Place::find()?)?;
    }
    hand_on(&["--package", "fuseboard-conformance"], arguments)
}

/// Runs a program of ours where the user stands, so that relative paths mean what they say.
fn hand_on(program: &[&str], arguments: &[OsString]) -> Result<ExitCode> {
    let place = Place::find()?;
    let mut command = Command::new(&place.cargo);
    command
        .args(["run", "--quiet"])
        .args(program)
        .arg("--manifest-path")
        .arg(place.root.join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .stdin(Stdio::null());
    place::clean(&mut command);
    let status = command.status().context("cannot start cargo")?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
