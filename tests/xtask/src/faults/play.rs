//! Runs one program under one fault.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::faults::build::Program;

/// A fault that makes a program hang is stopped after this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the traces are, from the runner's folder.
const TRACES: &str = "traces";

/// The tests that fail under `fault` (none: an empty word), of `only` or of all.
pub fn failures(
    program: &Program,
    fault: &str,
    only: Option<&BTreeSet<String>>,
) -> Result<BTreeSet<String>> {
    let mut command = Command::new(&program.path);
    command.env("FUSEBOARD_FAULT", fault);
    if program.has_tests() {
        // In this order each test's name is printed before it runs.
        command.arg("--test-threads=1");
        if let Some(only) = only {
            command.arg("--exact").args(only);
        }
    } else {
        match only {
            None => command.arg(TRACES),
            Some(only) => command.args(only.iter().map(|name| format!("{TRACES}/{name}.trace"))),
        };
    }
    let (output, succeeded) = run(program, command)?;
    let failed: BTreeSet<String> = if program.has_tests() {
        output.lines().filter_map(failed_test).collect()
    } else {
        output.lines().filter_map(failed_trace).collect()
    };
    if failed.is_empty() && !succeeded {
        bail!(
            "{} under `{fault}` fails, and no test of it: {output}",
            program.name
        );
    }
    Ok(failed)
}

/// Every test of a program.
pub fn tests(program: &Program) -> Result<Vec<String>> {
    if !program.has_tests() {
        let folder = program.folder.join(TRACES);
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let names = entries.map(|entry| -> Result<_> {
            let name = entry?.file_name().to_string_lossy().into_owned();
            Ok(name.strip_suffix(".trace").map(str::to_owned))
        });
        return names.filter_map(Result::transpose).collect();
    }
    let mut command = Command::new(&program.path);
    command.args(["--list", "--format", "terse"]);
    let (output, _) = run(program, command)?;
    Ok(output
        .lines()
        .filter_map(|line| Some(line.strip_suffix(": test")?.to_owned()))
        .collect())
}

/// `test NAME ... FAILED`; without an end when the program died in it.
fn failed_test(line: &str) -> Option<String> {
    let (name, end) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (name, _) = name.split_once(" - ").unwrap_or((name, ""));
    let held = end == "ok" || end.starts_with("ignored");
    (!held).then(|| name.to_owned())
}

/// `PATH/NAME.trace:LINE: …`
fn failed_trace(line: &str) -> Option<String> {
    let (path, _) = line.split_once(".trace:")?;
    Some(path.rsplit('/').next().unwrap_or(path).to_owned())
}

fn run(program: &Program, mut command: Command) -> Result<(String, bool)> {
    let mut child = command
        .current_dir(&program.folder)
        // The same histories each time, and no time lost on making the first one shorter.
        .env("PROPTEST_RNG_SEED", "1")
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.path.display()))?;
    let mut pipe = child.stdout.take().context("the pipe was asked for")?;
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        pipe.read_to_end(&mut output).map(|_| output)
    });
    let start = Instant::now();
    let succeeded = loop {
        if let Some(status) = child.try_wait()? {
            break status.success();
        }
        if start.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            break false;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let output = reader.join().expect("reading does not panic")?;
    Ok((String::from_utf8_lossy(&output).into_owned(), succeeded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_read_from_the_output() {
        assert_eq!(
            failed_test("test a::b3_x ... FAILED").as_deref(),
            Some("a::b3_x")
        );
        assert_eq!(failed_test("test b3_x ... ok"), None);
        assert_eq!(failed_test("test b3_x ... ").as_deref(), Some("b3_x"));
        assert_eq!(
            failed_test("test b3_x - should panic ... FAILED").as_deref(),
            Some("b3_x")
        );
        assert_eq!(failed_test("test result: FAILED. 1 passed"), None);
        let line = "traces/scenario-01-a.trace:12: expected x";
        assert_eq!(failed_trace(line).as_deref(), Some("scenario-01-a"));
        assert_eq!(failed_trace("3 passed, 1 failed"), None);
    }
}
