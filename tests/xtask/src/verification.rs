//! `cargo xtask verification`: `VERIFICATION.md`, made from the ids that the tests name.

mod evidence;
mod promises;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use evidence::{Evidence, SOURCES, Source};
use promises::Promise;

pub const PAGE: &str = "VERIFICATION.md";
const FAULTS: &str = "tests/faults/README.md";

/// The page as the repository at `root` makes it.
///
/// # Errors
/// A promise has neither a test nor a word on what is missing, or a test names an id that is none.
pub fn page(root: &Path) -> Result<String> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let nouns = promises::parse(&read(promises::PATH)?)?;
    let evidence = evidence::gather(root)?;
    let faults = read(FAULTS).unwrap_or_default();
    let known: BTreeSet<&str> = nouns
        .iter()
        .flat_map(|(_, promises)| promises)
        .map(|promise| promise.id.as_str())
        .collect();
    let mut wrong: Vec<String> = evidence
        .iter()
        .filter(|found| !known.contains(found.id.as_str()))
        .map(|found| format!("`{}` names {}, which is no promise", found.test, found.id))
        .collect();
    let mut text = head(&evidence);
    for (noun, promises) in &nouns {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {noun}\n\n{COLUMNS}");
        for promise in promises {
            let shown: Vec<_> = evidence
                .iter()
                .filter(|found| found.id == promise.id)
                .collect();
            if shown.is_empty() && promise.missing.is_empty() {
                wrong.push(format!("{}: no test names it", promise.id));
            }
            text.push_str(&row(promise, &shown, &faults));
        }
    }
    if !wrong.is_empty() {
        bail!("{}; see {}", wrong.join("; "), promises::PATH);
    }
    Ok(text)
}

const COLUMNS: &str = "\
| id | promise | shown by | seeded faults | command | not shown |
|---|---|---|---|---|---|
";

fn head(evidence: &[Evidence]) -> String {
    let mut text = "\
# How each promise is shown

Made by `cargo xtask verification` from the names of the tests and the first lines of the traces; `cargo xtask test tidy`
fails when it is stale, or when a promise of [`docs/invariants.md`](docs/invariants.md) has neither a test nor a word on what
is missing. Seeded faults are mistakes in the files that ship, each of which fails tests that name the promise
([`tests/faults`](tests/faults/README.md)): a test that no mistake can fail would show nothing.

| suite | command | how | bound |
|---|---|---|---|
"
    .to_owned();
    let is_used = |source: &&Source| evidence.iter().any(|found| found.suite == source.suite);
    for source in SOURCES.iter().filter(is_used) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {0} | `cargo xtask test {0}` | {1} | {2} |",
            source.suite, source.how, source.bound
        );
    }
    text
}

fn row(promise: &Promise, shown: &[&Evidence], faults: &str) -> String {
    const NAMED: usize = 2;
    let (mut cells, mut suites) = (Vec::new(), Vec::new());
    for source in &SOURCES {
        let tests: BTreeSet<_> = shown
            .iter()
            .filter(|found| found.suite == source.suite)
            .map(|found| found.test.as_str())
            .collect();
        if tests.is_empty() {
            continue;
        }
        suites.push(source.suite);
        let named: Vec<_> = tests
            .iter()
            .take(NAMED)
            .map(|test| format!("`{test}`"))
            .collect();
        let more = match tests.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        cells.push(format!("{}: {}{more}", source.suite, named.join(", ")));
    }
    let command = if suites.is_empty() {
        String::new()
    } else {
        format!("`cargo xtask test {}`", suites.join(" "))
    };
    format!(
        "| **{}** | {} | {} | {} | {command} | {} |\n",
        promise.id,
        promise.text,
        cells.join("<br>"),
        failing(shown, faults),
        promise.missing
    )
}

/// How many seeded faults fail a test of `shown`.
fn failing(shown: &[&Evidence], faults: &str) -> usize {
    let tests: BTreeSet<&str> = shown.iter().map(|found| found.test.as_str()).collect();
    let fails_one = |section: &&str| {
        section.split_whitespace().any(|word| {
            let name = word.rsplit("::").next().unwrap_or(word);
            tests.contains(name)
        })
    };
    faults.split("\n## ").skip(1).filter(fails_one).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = page(&root).unwrap();
        let committed = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
        assert!(
            page == committed,
            "{PAGE} is stale: run `cargo xtask verification`"
        );
    }

    #[test]
    fn faults_are_counted_by_the_tests_they_fail() {
        let found = Evidence {
            id: "B1".into(),
            suite: "core",
            test: "b1_x".into(),
        };
        let faults = "b1_x\n## one\n- `core`: m::b1_x b2_y\n## two\n- `core`: b1_xy\n## three\n- `t`: b1_x\n";
        assert_eq!(failing(&[&found], faults), 2);
        assert_eq!(failing(&[], faults), 0);
    }
}
