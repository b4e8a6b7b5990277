//! Runs suites one after the other and says so while it happens.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::need::{Prepared, free_threaded_python, nightly, venv_python};
use crate::place::{Place, capture};
use crate::suites::{Program, SUITES, Step, Suite};
use crate::tally::Tally;

const ALLOWED_SKIPS: &str = "tests/xtask/allowed-skips.txt";

/// What a suite came to.
pub struct Outcome {
    /// Its name.
    pub suite: &'static str,
    /// Its counts.
    pub tally: Tally,
    /// Why something failed or was skipped.
    pub why: String,
}

/// Runs them all; a suite that fails does not stop the next.
///
/// # Errors
/// The list of allowed skips cannot be read.
pub fn run<'a>(
    suites: impl Iterator<Item = &'a Suite>,
    place: &Place,
    deep: bool,
) -> Result<Vec<Outcome>> {
    let path = place.root.join(ALLOWED_SKIPS);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let allowed = allowed_skips(&text)?;
    let in_ci = env::var("CI").is_ok_and(|value| value == "true");
    let mut outcomes = Vec::new();
    for suite in suites {
        println!("{}: {}", suite.name, suite.about);
        let start = Instant::now();
        let mut outcome = one(suite, place, deep);
        if outcome.tally.skipped > 0 && in_ci && !allowed.contains(&suite.name) {
            outcome.tally.failed += 1;
            outcome.why = format!(
                "CI=true, and {ALLOWED_SKIPS} does not name it: {}",
                outcome.why
            );
        }
        let Outcome { tally, why, .. } = &outcome;
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(" ({why})")
        };
        println!(
            "{}: {tally} in {:.1} s{why}\n",
            suite.name,
            start.elapsed().as_secs_f64()
        );
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn one(suite: &Suite, place: &Place, deep: bool) -> Outcome {
    let ended = |tally, why: &str| Outcome {
        suite: suite.name,
        tally,
        why: why.to_owned(),
    };
    let mut tally = Tally::default();
    if !deep && suite.steps.iter().all(|step| step.deep) {
        println!("  left out without --deep");
        return ended(tally, "left out without --deep");
    }
    for need in suite.needs {
        match need.prepare(place) {
            Ok(Prepared::Ready) => {}
            Ok(Prepared::Absent(why)) => {
                println!("  SKIPPED: {why}");
                tally.skipped = 1;
                return ended(tally, &why);
            }
            Err(error) => {
                println!("  {error:#}");
                tally.failed = 1;
                let why = format!("{error:#}");
                return ended(tally, why.lines().next().unwrap_or_default());
            }
        }
    }
    for step in suite.steps {
        let (command, line) = command(step, place, deep);
        if step.deep && !deep {
            println!("  left out without --deep: {line}");
            continue;
        }
        println!("  $ {line}");
        let (succeeded, output) = match capture(command) {
            Ok((status, output)) => (status.success(), output),
            Err(error) => (false, format!("cannot start it: {error}\n")),
        };
        let counted = step.reader.tally(&output, succeeded);
        tally += counted;
        // As pytest tells them with `-rs`, each with its reason.
        for line in output.lines().filter(|line| line.starts_with("SKIPPED [")) {
            println!("  {line}");
        }
        if counted.failed > 0 {
            print!("{output}");
            if !output.ends_with('\n') {
                println!();
            }
            return ended(tally, &blame(&step.reader.failures(&output), &line));
        }
    }
    if tally.passed == 0 {
        tally.failed += 1;
        return ended(tally, "not one test was run");
    }
    let why = if tally.skipped > 0 {
        "tests that skip themselves; run the suite's command to see which"
    } else {
        ""
    };
    ended(tally, why)
}

/// The first tests that failed, or the command when it names none.
fn blame(failures: &[&str], line: &str) -> String {
    const SHOWN: usize = 3;
    match failures.len() {
        0 => format!("failed: {line}"),
        count if count <= SHOWN => failures.join(", "),
        count => format!(
            "{}, and {} more",
            failures[..SHOWN].join(", "),
            count - SHOWN
        ),
    }
}

/// The step as a process, and as a line that can be typed.
fn command(step: &Step, place: &Place, deep: bool) -> (Command, String) {
    let (program, mut line): (OsString, Vec<String>) = match step.program {
        Program::Cargo => (place.cargo.clone(), vec!["cargo".to_owned()]),
        // Through rustup: the cargo that runs us is of another toolchain.
        Program::Nightly => ("rustup".into(), vec!["rustup".to_owned()]),
        Program::Python | Program::FreeThreadedPython => {
            let python = if step.program == Program::Python {
                venv_python(place)
            } else {
                free_threaded_python(place)
            };
            let shown = python
                .strip_prefix(&place.root)
                .unwrap_or(&python)
                .display()
                .to_string();
            (python.into_os_string(), vec![shown])
        }
    };
    let mut command = place.command(program);
    let mut variables: Vec<(&str, String)> = step
        .environment
        .iter()
        .map(|(name, value)| {
            let target = place.target.to_string_lossy();
            (*name, value.replace("{target}", &target))
        })
        .collect();
    if let Some(cfg) = step.cfg {
        let flags = env::var("RUSTFLAGS").unwrap_or_default();
        variables.push((
            "RUSTFLAGS",
            format!("{flags} --cfg {cfg}").trim().to_owned(),
        ));
        // It would win over RUSTFLAGS, and the suite would be empty.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    }
    if deep {
        variables.push(("FUSEBOARD_DEEP", "1".to_owned()));
        // For property tests that keep the default number of cases.
        variables.push(("PROPTEST_CASES", "20000".to_owned()));
    }
    if step.program == Program::Nightly {
        let toolchain = nightly(place);
        command.args(["run", &toolchain, "cargo"]);
        line.extend(["run".to_owned(), toolchain, "cargo".to_owned()]);
    }
    for argument in step.arguments {
        let target = place.target.to_string_lossy();
        command.arg(argument.replace("{target}", &target));
        let shown = place
            .target
            .strip_prefix(&place.root)
            .unwrap_or(&place.target);
        line.push(quoted(
            &argument.replace("{target}", &shown.to_string_lossy()),
        ));
    }
    for (name, value) in variables.into_iter().rev() {
        line.insert(0, format!("{name}={}", quoted(&value)));
        command.env(name, value);
    }
    (command, line.join(" "))
}

/// For a shell, where that is needed.
fn quoted(word: &str) -> String {
    if word.contains([' ', '[', '<', '>']) {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

/// The suites that the list names, each with its reason.
fn allowed_skips(text: &str) -> Result<Vec<&'static str>> {
    let mut allowed = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, reason) = line.split_once(':').unwrap_or((line, ""));
        let Some(suite) = SUITES.iter().find(|suite| suite.name == name.trim()) else {
            bail!(
                "{ALLOWED_SKIPS}:{}: there is no suite `{}`",
                index + 1,
                name.trim()
            );
        };
        if reason.trim().is_empty() {
            bail!(
                "{ALLOWED_SKIPS}:{}: `{}` has no reason; write `suite: reason`",
                index + 1,
                suite.name
            );
        }
        allowed.push(suite.name);
    }
    Ok(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_is_legal() {
        allowed_skips(include_str!("../allowed-skips.txt")).unwrap();
    }

    #[test]
    fn a_skip_needs_a_known_suite_and_a_reason() {
        let text = "# why\n\nfirmware: no network to fetch the target with\n";
        assert_eq!(allowed_skips(text).unwrap(), ["firmware"]);
        let unknown = allowed_skips("# a\nfirmwear: x").unwrap_err().to_string();
        assert!(
            unknown.contains(":2:") && unknown.contains("firmwear"),
            "{unknown}"
        );
        assert!(
            allowed_skips("firmware:  ")
                .unwrap_err()
                .to_string()
                .contains("no reason")
        );
        assert!(allowed_skips("firmware").is_err());
    }

    #[test]
    fn blame_is_short() {
        assert_eq!(blame(&[], "cargo test"), "failed: cargo test");
        assert_eq!(blame(&["a", "b", "c"], ""), "a, b, c");
        assert_eq!(blame(&["a", "b", "c", "d", "e"], ""), "a, b, c, and 2 more");
    }

    #[test]
    fn a_command_line_can_be_typed() {
        let place = Place {
            root: "/r".into(),
            target: "/r/target".into(),
            cargo: "cargo".into(),
        };
        let suite = |name| SUITES.iter().find(|suite| suite.name == name).unwrap();
        let (process, line) = command(&suite("loom").steps[0], &place, true);
        assert!(
            line.contains("--cfg fuseboard_loom --cfg fuseboard_faults' FUSEBOARD_DEEP=1 PROPTEST_CASES=20000 cargo test"),
            "{line}"
        );
        assert!(line.contains("--target-dir target/loom"), "{line}");
        assert!(
            process
                .get_args()
                .any(|argument| argument == "/r/target/loom")
        );
        let (_, line) = command(&suite("python").steps[0], &place, false);
        assert_eq!(
            line,
            "target/venv/bin/python -m pip install './python[test]'"
        );
    }
}
