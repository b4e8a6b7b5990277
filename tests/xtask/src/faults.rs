//! `cargo xtask faults`: the test of the tests.
//!
//! One build of the core's tests has every seeded fault; each fault is a run of its own. Every fault must make some test fail,
//! and every trace and every test that names an invariant must fail under some fault. `tests/faults/README.md` is
//! the record of which does which: a normal run plays just that again, `--bless` finds it out anew.

mod build;
mod list;
mod play;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};

use crate::place::Place;
use build::Program;
use list::Fault;
use record::Record;

/// A test program's name, such as `core/keyed`, and one of its tests; or `traces` and one of them.
type Tests = BTreeMap<String, BTreeSet<String>>;

/// Times that a test which a race decides is played before it counts as one that a fault does not fail.
const TRIES: usize = 6;
/// Times that a race must have failed a test for that to be recorded.
const PROOFS: usize = 3;
const RECORD: &str = "tests/faults/README.md";
const EXCEPTIONS: &str = "tests/faults/exceptions.txt";

/// Plays the recorded tests of the faults in `names` (of all, when there are none), or all tests with `bless`, and writes
/// the record then. Gives how many faults are seen by some test, and what is wrong.
///
/// # Errors
/// The build fails, or a file of `tests/faults` cannot be read.
pub fn faults(place: &Place, names: &[String], bless: bool) -> Result<(usize, Vec<String>)> {
    let read = |path: &str| {
        fs::read_to_string(place.root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let mut list = list::faults(&read(list::PATH)?)?;
    list::find_players(&mut list, &place.root)?;
    let exceptions = list::exceptions(&read(EXCEPTIONS)?)?;
    let before = read(RECORD).unwrap_or_default();
    let record = Mutex::new(Record::parse(&before));
    let programs = build::programs(place)?;
    let unknown = names
        .iter()
        .filter(|name| list.iter().all(|fault| fault.name != **name));
    let mut wrong: Vec<String> = unknown
        .map(|name| format!("there is no fault `{name}`; {} has them all", list::PATH))
        .collect();

    // With no fault at all everything holds, or nothing below means anything.
    for program in &programs {
        for test in play::failures(program, "", None)? {
            wrong.push(format!("{} {test} fails without a fault", program.name));
        }
    }
    let play = |fault: &Fault| -> Result<(Tests, Tests)> {
        if !bless {
            let recorded = record.lock().expect("no worker panics").of(&fault.name);
            return repeated(&programs, &fault.name, &recorded);
        }
        let failed = proven(&programs, fault)?;
        let mut record = record.lock().expect("no worker panics");
        record.set(&fault.name, failed.clone());
        // At once, so that a run that is stopped has not been for nothing.
        fs::write(place.root.join(RECORD), record.render(&list))
            .with_context(|| format!("cannot write {RECORD}"))?;
        Ok((failed, Tests::new()))
    };
    let wanted = |fault: &&Fault| names.is_empty() || names.contains(&fault.name);
    let wanted: Vec<&Fault> = list.iter().filter(wanted).collect();
    let (mut seen, mut played) = (0, Vec::new());
    for (fault, result) in wanted.iter().zip(in_parallel(&wanted, play)) {
        let (failed, missing) = result?;
        let excused = exceptions.contains_key(&format!("fault {}", fault.name));
        if failed.is_empty() && fault.played_by.is_empty() && !excused {
            wrong.push(format!("{}: no test fails", fault.name));
        } else {
            seen += 1;
        }
        played.push((fault.name.as_str(), failed, missing));
    }
    for (fault, test, other) in not_repeated(&played) {
        match other {
            Some(other) => println!("  {fault} did not fail {test} this time; {other} did"),
            None => wrong.push(format!("{fault}: recorded, but holds: {test}")),
        }
    }
    let record = record.into_inner().expect("no worker panics");
    if !bless && record.render(&list) != before {
        wrong.push(format!(
            "{RECORD} is not that of the list: `cargo xtask faults --bless NAME` for what is new"
        ));
    }
    if names.is_empty() {
        wrong.extend(unproven(&programs, &record, &exceptions, &list)?);
    }
    Ok((seen, wrong))
}

/// What `play` makes of each fault, in their order; as many at once as there are processors.
fn in_parallel<T: Send>(faults: &[&Fault], play: impl Fn(&Fault) -> T + Sync) -> Vec<T> {
    let queue = Mutex::new(faults.iter().enumerate());
    let results = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let next = queue.lock().expect("no worker panics").next();
            let Some((index, fault)) = next else { return };
            let result = play(fault);
            println!("  {}", fault.name);
            results
                .lock()
                .expect("no worker panics")
                .push((index, result));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    let mut results = results.into_inner().expect("no worker panics");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Every test that the fault fails each time.
fn proven(programs: &[Program], fault: &Fault) -> Result<Tests> {
    let mut failed = Tests::new();
    for program in programs
        .iter()
        .filter(|program| program.concerns(&fault.file))
    {
        let mut tests = play::failures(program, &fault.name, None)?;
        let proofs = if fault.is_a_race { PROOFS } else { 1 };
        for _ in 1..proofs {
            if !tests.is_empty() {
                tests = play::failures(program, &fault.name, Some(&tests))?;
            }
        }
        if !tests.is_empty() {
            failed.insert(program.name.clone(), tests);
        }
    }
    Ok(failed)
}

/// What is recorded and did not fail this time, each with another fault that did fail the test: threads that run as they
/// please decide some of them, and what must be shown is that each fault is seen and that each test can fail.
fn not_repeated<'run>(
    played: &'run [(&'run str, Tests, Tests)],
) -> Vec<(&'run str, String, Option<&'run str>)> {
    let fails = |program: &str, test: &str| {
        played
            .iter()
            .find(|(_, failed, _)| {
                failed
                    .get(program)
                    .is_some_and(|tests| tests.contains(test))
            })
            .map(|(fault, ..)| *fault)
    };
    let mut held = Vec::new();
    for (fault, _, missing) in played {
        for (program, tests) in missing {
            for test in tests {
                held.push((*fault, format!("{program} {test}"), fails(program, test)));
            }
        }
    }
    held
}

/// Of the recorded tests, those that fail again, and those that do not.
fn repeated(programs: &[Program], fault: &str, recorded: &Tests) -> Result<(Tests, Tests)> {
    let (mut failed, mut missing) = (Tests::new(), Tests::new());
    for (name, tests) in recorded {
        let mut left = tests.clone();
        let program = programs.iter().find(|program| program.name == *name);
        for _ in 0..TRIES {
            if let Some(program) = program.filter(|_| !left.is_empty()) {
                let again = play::failures(program, fault, Some(&left))?;
                left.retain(|test| !again.contains(test));
            }
        }
        failed.insert(name.clone(), tests - &left);
        if !left.is_empty() {
            missing.insert(name.clone(), left);
        }
    }
    failed.retain(|_, tests| !tests.is_empty());
    Ok((failed, missing))
}

/// Traces, and tests that name an invariant, that no recorded fault fails and no exception excuses; and exceptions that
/// excuse nothing.
fn unproven(
    programs: &[Program],
    record: &Record,
    exceptions: &BTreeMap<String, String>,
    list: &[Fault],
) -> Result<Vec<String>> {
    let is_played = |name: &str| {
        list.iter()
            .any(|fault| fault.name == name && !fault.played_by.is_empty())
    };
    let (mut wrong, mut unused) = (
        Vec::new(),
        exceptions.keys().cloned().collect::<BTreeSet<_>>(),
    );
    unused.retain(|test| {
        let fault = test.strip_prefix("fault ");
        fault.is_none_or(|fault| !record.of(fault).is_empty() || is_played(fault))
    });
    for program in programs {
        let failing = record.tests_of(&program.name);
        for test in play::tests(program)? {
            let last = test.rsplit("::").next().unwrap_or_default();
            if failing.contains(test.as_str()) || program.has_tests() && !names_an_invariant(last) {
                continue;
            }
            let full = format!("{} {test}", program.name);
            if !unused.remove(&full) {
                wrong.push(format!("{full}: no fault fails it"));
            }
        }
    }
    wrong.extend(
        unused
            .into_iter()
            .map(|test| format!("{EXCEPTIONS}: `{test}` needs no exception")),
    );
    Ok(wrong)
}

/// Whether a test's name begins with an id, as `b3_…` does.
fn names_an_invariant(test: &str) -> bool {
    let id = test.split('_').next().unwrap_or_default();
    id.starts_with(|letter: char| letter.is_ascii_lowercase())
        && id.len() > 1
        && id[1..].bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_this_time_is_wrong_unless_another_fault_fails_it() {
        let tests = |tests: &[&str]| -> Tests {
            let tests = tests.iter().map(|test| (*test).to_owned()).collect();
            Tests::from([("core/threads".to_owned(), tests)])
        };
        let played = [
            ("slow", tests(&["w2_sums"]), Tests::new()),
            ("rare", tests(&[]), tests(&["w2_sums", "w3_order"])),
        ];
        assert_eq!(
            not_repeated(&played),
            [
                ("rare", "core/threads w2_sums".to_owned(), Some("slow")),
                ("rare", "core/threads w3_order".to_owned(), None),
            ]
        );
    }

    #[test]
    fn an_id_is_a_letter_and_a_number() {
        for (test, is_id) in [
            ("b3_herd", true),
            ("w12_b9_late", true),
            ("w_3", false),
            ("bad_config", false),
            ("éa", false),
            ("", false),
        ] {
            assert_eq!(names_an_invariant(test), is_id, "{test}");
        }
    }
}
