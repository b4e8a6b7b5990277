//! `tests/faults/README.md`: which tests each fault fails. Written by `--bless`, and read again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::faults::Tests;
use crate::faults::list::Fault;

const HEAD: &str = "# Seeded faults

A test that cannot fail shows nothing. So the files that ship have mistakes in them, one line each, which
`fault!(\"name\")` makes only in a build with `--cfg fuseboard_faults` and `FUSEBOARD_FAULT=name`. Every fault must
fail a test; every conformance trace, and every test that names an invariant, must fail under a fault.
`cargo xtask test faults` plays what stands here again; the few tests that no fault can fail stand in
`exceptions.txt`, each with its reason.

Written by `cargo xtask faults --bless [NAME]...` from `list.txt`.
";

/// Which tests each fault fails.
#[derive(Default)]
pub struct Record(BTreeMap<String, Tests>);

impl Record {
    /// From what [`render`](Self::render) gave.
    pub fn parse(text: &str) -> Self {
        let (mut record, mut fault) = (Self::default(), None);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                fault = Some(name.to_owned());
            } else if let (Some(fault), Some(line)) = (&fault, line.strip_prefix("- `")) {
                let (program, tests) = line.split_once("`: ").unwrap_or((line, ""));
                let tests = tests.split(' ').map(str::to_owned).collect();
                let of_fault = record.0.entry(fault.clone()).or_default();
                of_fault.insert(program.to_owned(), tests);
            }
        }
        record
    }

    /// As Markdown, in the order of the list.
    pub fn render(&self, list: &[Fault]) -> String {
        let mut text = HEAD.to_owned();
        for fault in list {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n## {}\n\n`{}`: {}.\n\n",
                fault.name, fault.file, fault.breaks
            );
            if !fault.played_by.is_empty() {
                let _ = writeln!(text, "- played by {} itself", fault.played_by.join(", "));
            }
            for (program, tests) in self.of(&fault.name) {
                let tests: Vec<_> = tests.into_iter().collect();
                let tests = tests.join(" ");
                let _ = writeln!(text, "- `{program}`: {tests}");
            }
        }
        text
    }

    pub fn of(&self, fault: &str) -> Tests {
        self.0.get(fault).cloned().unwrap_or_default()
    }

    pub fn set(&mut self, fault: &str, tests: Tests) {
        self.0.insert(fault.to_owned(), tests);
    }

    /// The tests of a program that some fault fails.
    pub fn tests_of(&self, program: &str) -> BTreeSet<&str> {
        let tests = self.0.values().filter_map(|tests| tests.get(program));
        tests.flatten().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let list = crate::faults::list::faults("a.rs\nx: breaks x\ny: breaks y\n").unwrap();
        let mut record = Record::default();
        let tests = |names: [&str; 2]| names.map(str::to_owned).into();
        record.set(
            "x",
            Tests::from([("core/a".into(), tests(["b1_q", "m::b2_r"]))]),
        );
        record.set("gone", Tests::new());
        let text = record.render(&list);
        assert!(text.contains("\n## x\n\n`a.rs`: breaks x.\n\n- `core/a`: b1_q m::b2_r\n"));
        assert!(
            text.contains("\n## y\n") && !text.contains("gone"),
            "{text}"
        );
        let again = Record::parse(&text);
        assert_eq!(again.render(&list), text);
        assert_eq!(
            again.tests_of("core/a"),
            BTreeSet::from(["b1_q", "m::b2_r"])
        );
    }
}
