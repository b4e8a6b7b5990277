//! Builds the targets with coverage, runs them, and says what they executed and reached.

mod faults;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use fuseboard_fuzz::{TARGETS, Target};

/// What tells libFuzzer which edges ran and what was compared. Both options are stable; `cargo fuzz` passes the same.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// A normal run, all targets together, executes at least as many inputs.
const LEAST: u64 = 1_000_000;

/// Fuzzes the core against its models.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz", bin_name = "cargo xtask fuzz")]
struct Arguments {
    /// Targets; all when none is named.
    #[arg(value_parser = PossibleValuesParser::new(TARGETS.iter().map(|target| target.name)), value_name = "TARGET")]
    targets: Vec<String>,
    /// Executions of each target, instead of its own number.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Where the fuzzer's choices start; the same seed repeats a run.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u32,
    /// Seeds faults instead, and fails unless each is found.
    #[arg(long)]
    faults: bool,
    /// Reduces the committed corpus to inputs that each add coverage, with what the last runs kept.
    #[arg(long, conflicts_with_all = ["faults", "runs"])]
    minimise: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// How many checks failed.
fn run(arguments: &Arguments) -> Result<usize> {
    let place = Place::find()?;
    let program = place.build(arguments.faults)?;
    let deep = env::var_os("FUSEBOARD_DEEP").is_some();
    let wanted = |target: &&Target| {
        arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == target.name)
    };
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    let (mut passed, mut failed) = (0, 0);
    let mut count = |held: bool| if held { passed += 1 } else { failed += 1 };
    if arguments.faults {
        for (fault, name) in faults::FAULTS {
            let Some(target) = targets.iter().find(|target| target.name == *name) else {
                continue;
            };
            let runs = arguments.runs.unwrap_or(faults::RUNS);
            let campaign =
                Campaign::run(&place, &program, target, runs, arguments.seed, Some(fault))?;
            let found = campaign.crashed && campaign.output.contains("panicked at tests/fuzz/src");
            let word = if found { "found" } else { "NOT FOUND" };
            println!(
                "{fault}: {word} by `{name}` after {} executions",
                campaign.executions
            );
            count(found);
        }
    } else if arguments.minimise {
        // The traces of the conformance suite are the corpus of their target.
        for target in targets.iter().filter(|target| target.name != "trace") {
            count(minimise(&place, &program, target)?);
        }
    } else {
        let mut executions = 0;
        for target in targets {
            let runs = arguments
                .runs
                .unwrap_or(target.runs * if deep { 50 } else { 1 });
            let start = Instant::now();
            let campaign = Campaign::run(&place, &program, target, runs, arguments.seed, None)?;
            executions += campaign.executions;
            println!(
                "{}: {} executions, {} of {} edges reached, {} inputs kept, {:.1} s",
                target.name,
                campaign.executions,
                campaign.covered,
                campaign.edges,
                campaign.corpus,
                start.elapsed().as_secs_f64()
            );
            let blind = arguments.runs.is_none() && campaign.covered < target.edges;
            if campaign.crashed {
                println!("{}", campaign.output);
                println!(
                    "{}: FAILED; the input is in {}. Read its operations with FUSEBOARD_FUZZ_TELL=1, then commit it to tests/fuzz/regressions/{}",
                    target.name,
                    place.artifacts(target).display(),
                    target.name
                );
            } else if blind {
                println!(
                    "{}: FAILED; it must reach {} edges",
                    target.name, target.edges
                );
            }
            count(!campaign.crashed && !blind);
        }
        println!("fuzz: {executions} executions");
        if arguments.runs.is_none() && arguments.targets.is_empty() {
            ensure!(
                executions >= LEAST,
                "a normal run executes at least {LEAST} inputs"
            );
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}

/// Where things are.
struct Place {
    root: PathBuf,
    target: PathBuf,
}

impl Place {
    fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("the package is not in tests/fuzz of the repository")?
            .to_owned();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target })
    }

    /// The committed corpus, which includes inputs that once failed.
    fn corpus(&self, target: &Target) -> Vec<PathBuf> {
        let own = self.root.join("tests/fuzz");
        let mut folders = vec![
            own.join("corpus").join(target.name),
            own.join("regressions").join(target.name),
        ];
        if target.name == "trace" {
            folders.push(self.root.join("tests/conformance/traces"));
        }
        folders.retain(|folder| folder.is_dir());
        folders
    }

    fn artifacts(&self, target: &Target) -> PathBuf {
        self.target.join("fuzz-artifacts").join(target.name)
    }

    /// Builds the target program with coverage and gives its path.
    fn build(&self, faults: bool) -> Result<PathBuf> {
        let host = host()?;
        let mut flags = COVERAGE.to_owned();
        if faults {
            flags.push_str(" --cfg fuseboard_faults");
        }
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // `--target`: the flags are then not for build scripts and macros.
        cargo
            .args(["build", "--quiet", "--profile", "fuzz"])
            .args(["--package", "fuseboard-fuzz", "--bin", "target"])
            .args(["--features", "libfuzzer", "--target", &host])
            .arg("--manifest-path")
            .arg(self.root.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&self.target)
            .env("RUSTFLAGS", flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            // What `cargo run` set for us would make build scripts run again.
            if name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            }) {
                cargo.env_remove(name);
            }
        }
        let status = cargo.status().context("cannot start cargo")?;
        ensure!(
            status.success(),
            "cargo build of the fuzz targets failed; libFuzzer needs a C++ compiler (`c++`)"
        );
        let built = self.target.join(host).join("fuzz/target");
        // The two builds have one name: keep the one that runs.
        let kept = built.with_file_name(if faults {
            "target-faults"
        } else {
            "target-shipped"
        });
        fs::copy(&built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(kept)
    }
}

fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` names no host:\n{text}"),
    }
}

/// One run of libFuzzer.
struct Campaign {
    crashed: bool,
    executions: u64,
    covered: u64,
    edges: u64,
    corpus: u64,
    output: String,
}

impl Campaign {
    fn run(
        place: &Place,
        program: &Path,
        target: &Target,
        runs: u64,
        seed: u32,
        fault: Option<&str>,
    ) -> Result<Self> {
        let name = fault.unwrap_or(target.name);
        let kept = place.target.join("fuzz-corpus").join(name);
        // A run is a function of the committed corpus and the seed.
        match fs::remove_dir_all(&kept) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty {}", kept.display()));
            }
            _ => {}
        }
        let artifacts = match fault {
            None => place.artifacts(target),
            Some(fault) => place.target.join("fuzz-artifacts").join(fault),
        };
        for folder in [&kept, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = Command::new(program);
        command
            .arg(format!("-runs={runs}"))
            .arg(format!("-seed={seed}"))
            .arg(format!("-max_len={}", target.max_len))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-len_control=20", "-timeout=20", "-rss_limit_mb=2048"])
            .args(["-print_final_stats=1", "-reload=0"])
            .arg(&kept);
        if fault.is_none() {
            command.args(place.corpus(target));
        }
        command
            .env("FUSEBOARD_FUZZ_TARGET", target.name)
            .env("FUSEBOARD_FAULT", fault.unwrap_or_default())
            .stdin(Stdio::null());
        let output = command
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = |key: &str| {
            let words = text.lines().rev().filter(|line| line.starts_with('#'));
            words.into_iter().find_map(|line| number_after(line, key))
        };
        Ok(Self {
            crashed: !output.status.success(),
            executions: text
                .lines()
                .find_map(|line| number_after(line, "stat::number_of_executed_units:"))
                .or_else(|| last("#"))
                .unwrap_or(0),
            covered: last("cov: ").unwrap_or(0),
            edges: text
                .lines()
                .find_map(|line| number_after(line, "inline 8-bit counters): "))
                .unwrap_or(0),
            corpus: last("corp: ").unwrap_or(0),
            output: text,
        })
    }
}

/// The number that follows `key` in the line.
fn number_after(line: &str, key: &str) -> Option<u64> {
    let (_, rest) = line.split_once(key)?;
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Replaces the committed corpus by as few inputs that cover as much.
fn minimise(place: &Place, program: &Path, target: &Target) -> Result<bool> {
    let committed = place.root.join("tests/fuzz/corpus").join(target.name);
    let fresh = committed.with_extension("fresh");
    fs::create_dir_all(&committed)?;
    fs::create_dir_all(&fresh)?;
    let mut command = Command::new(program);
    // Edges alone, not how often they ran, and the fewest inputs that cover them: dozens instead of a thousand.
    command
        .args(["-set_cover_merge=1", "-use_counters=0"])
        .arg(format!("-max_len={}", target.max_len))
        .arg(&fresh);
    // What others keep anyway adds nothing here.
    command.args(place.corpus(target));
    command.arg(place.target.join("fuzz-corpus").join(target.name));
    command.env("FUSEBOARD_FUZZ_TARGET", target.name);
    let output = command.output().context("cannot start the target")?;
    if !output.status.success() {
        print!("{}", String::from_utf8_lossy(&output.stderr));
        return Ok(false);
    }
    fs::remove_dir_all(&committed)?;
    fs::rename(&fresh, &committed)?;
    println!(
        "{}: {} inputs",
        target.name,
        fs::read_dir(&committed)?.count()
    );
    Ok(true)
}
