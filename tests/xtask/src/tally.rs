//! Counts, as each tool's own closing lines give them.

use std::fmt;
use std::ops::AddAssign;

/// Tests counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// That held.
    pub passed: usize,
    /// That did not.
    pub failed: usize,
    /// That were not run.
    pub skipped: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The plain line that everything ends with.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// How a program's output is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once for each test program.
    Libtest,
    /// `===== 3 passed, 1 skipped in 0.12s =====`, at the end.
    Pytest,
    /// `3 passed, 0 failed`, at the end.
    Conformance,
    /// The program is one test by itself.
    Exit,
    /// The program is no test, and must only succeed.
    Preparation,
}

impl Reader {
    /// The tests that a program ran; a program that failed counts at least one failure.
    pub fn tally(self, output: &str, succeeded: bool) -> Tally {
        let mut tally = match self {
            Self::Libtest => libtest(output),
            Self::Pytest => output.lines().rev().find_map(pytest).unwrap_or_default(),
            Self::Conformance => output
                .lines()
                .next_back()
                .and_then(conformance)
                .unwrap_or_default(),
            Self::Exit => Tally {
                passed: usize::from(succeeded),
                ..Tally::default()
            },
            Self::Preparation => Tally::default(),
        };
        if !succeeded && tally.failed == 0 {
            tally.failed = 1;
        }
        tally
    }

    /// The names of the tests that failed, as the tool gives them.
    pub fn failures(self, output: &str) -> Vec<&str> {
        output
            .lines()
            .filter_map(|line| self.failure(line))
            .collect()
    }

    fn failure(self, line: &str) -> Option<&str> {
        match self {
            Self::Libtest => line.strip_prefix("test ")?.strip_suffix(" ... FAILED"),
            Self::Pytest => {
                let test = line
                    .strip_prefix("FAILED ")
                    .or(line.strip_prefix("ERROR "))?;
                Some(test.split_once(" - ").map_or(test, |(name, _)| name))
            }
            Self::Conformance => {
                let (place, _) = line.split_once(": ")?;
                place.contains(".trace:").then_some(place)
            }
            Self::Exit | Self::Preparation => None,
        }
    }
}

fn libtest(output: &str) -> Tally {
    let mut tally = Tally::default();
    for line in output.lines() {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|result| result.split_once(". "))
        else {
            continue;
        };
        for (count, word) in counts.split("; ").filter_map(counted) {
            match word {
                "passed" => tally.passed += count,
                "failed" => tally.failed += count,
                "ignored" => tally.skipped += count,
                _ => {}
            }
        }
    }
    tally
}

/// The closing line; nothing on any other.
fn pytest(line: &str) -> Option<Tally> {
    let (counts, _) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    if counts == "no tests ran" {
        return Some(Tally::default());
    }
    let mut tally = Tally::default();
    for part in counts.split(", ") {
        let (count, word) = counted(part)?;
        match word {
            "passed" | "xfailed" | "xpassed" => tally.passed += count,
            "failed" | "error" | "errors" => tally.failed += count,
            "skipped" => tally.skipped += count,
            "deselected" | "warning" | "warnings" | "rerun" => {}
            _ => return None,
        }
    }
    Some(tally)
}

fn conformance(line: &str) -> Option<Tally> {
    match line.split(", ").map(counted).collect::<Option<Vec<_>>>()?[..] {
        [(passed, "passed"), (failed, "failed")] => Some(Tally {
            passed,
            failed,
            skipped: 0,
        }),
        _ => None,
    }
}

/// `3 passed` as its two parts; further words are left out.
fn counted(part: &str) -> Option<(usize, &str)> {
    let mut words = part.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: usize, skipped: usize) -> Tally {
        Tally {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn libtest_sums_every_program() {
        let output = "\
running 2 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 5 filtered out; finished in 0.01s

     Running tests/b.rs
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
error: test failed, to rerun pass `-p b`
";
        assert_eq!(Reader::Libtest.tally(output, false), tally(5, 2, 1));
    }

    #[test]
    fn a_program_that_died_counts_as_a_failure() {
        let output = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\nerror: signal: 11";
        assert_eq!(Reader::Libtest.tally(output, false), tally(2, 1, 0));
        assert_eq!(
            Reader::Libtest.tally("error: could not compile", false),
            tally(0, 1, 0)
        );
        assert_eq!(Reader::Pytest.tally("Traceback", false), tally(0, 1, 0));
        assert_eq!(Reader::Exit.tally("", false), tally(0, 1, 0));
        assert_eq!(Reader::Preparation.tally("", false), tally(0, 1, 0));
    }

    #[test]
    fn what_ran_nothing_counts_nothing() {
        let output = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";
        assert_eq!(Reader::Libtest.tally(output, true), tally(0, 0, 0));
        assert_eq!(Reader::Libtest.tally("", true), tally(0, 0, 0));
        assert_eq!(
            Reader::Pytest.tally("== no tests ran in 0.01s ==", true),
            tally(0, 0, 0)
        );
        assert_eq!(Reader::Conformance.tally("", true), tally(0, 0, 0));
        assert_eq!(Reader::Preparation.tally("3 passed", true), tally(0, 0, 0));
    }

    #[test]
    fn pytest_has_one_closing_line() {
        for (line, expected) in [
            (
                "============ 12 passed in 0.12s ============",
                tally(12, 0, 0),
            ),
            (
                "== 1 failed, 12 passed, 2 skipped, 3 warnings in 61.20s (0:01:01) ==",
                tally(12, 1, 2),
            ),
            (
                "12 passed, 1 xfailed, 4 deselected in 0.12s",
                tally(13, 0, 0),
            ),
            ("======== 2 errors in 0.10s ========", tally(0, 2, 0)),
        ] {
            let output = format!("test_a.py ....\n{line}\n");
            assert_eq!(
                Reader::Pytest.tally(&output, expected.failed == 0),
                expected,
                "{line}"
            );
        }
        let chatter =
            "== 3 passed in 0.1s ==\n7 eggs in a basket\nremember: 9 passed, once in time\n";
        assert_eq!(Reader::Pytest.tally(chatter, true), tally(3, 0, 0));
    }

    #[test]
    fn conformance_ends_with_its_counts() {
        let output = "a.trace:3: …\n  expected: admitted\n40 passed, 1 failed\n";
        assert_eq!(Reader::Conformance.tally(output, false), tally(40, 1, 0));
        assert_eq!(
            Reader::Conformance.tally("40 passed, 0 failed", true),
            tally(40, 0, 0)
        );
        assert_eq!(Reader::Conformance.tally("40 passed", true), tally(0, 0, 0));
    }

    #[test]
    fn what_failed_is_named() {
        let names = |reader: Reader, output| reader.failures(output);
        assert_eq!(
            names(
                Reader::Libtest,
                "test a::b ... ok\ntest c::d ... FAILED\nfailures:\n    c::d\n"
            ),
            ["c::d"]
        );
        assert_eq!(
            names(
                Reader::Pytest,
                "FAILED tests/test_a.py::test_b - assert 1 == 2\nERROR tests/test_c.py\n"
            ),
            ["tests/test_a.py::test_b", "tests/test_c.py"]
        );
        assert_eq!(
            names(
                Reader::Conformance,
                "t/a.trace:4: 0s b state\n  got:      x\n"
            ),
            ["t/a.trace:4"]
        );
        assert!(names(Reader::Exit, "error: no").is_empty());
    }
}
