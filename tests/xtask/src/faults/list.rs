//! The hand-written files of `tests/faults`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

pub const PATH: &str = "tests/faults/list.txt";

/// One row of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub name: String,
    /// The shipped file that has it.
    pub file: String,
    /// What it breaks.
    pub breaks: String,
    /// It takes two threads, so a test that it fails once may hold the next time.
    pub is_a_race: bool,
    /// The suites that play it themselves.
    pub played_by: Vec<&'static str>,
}

/// The faults, each below its file.
pub fn faults(text: &str) -> Result<Vec<Fault>> {
    let (mut faults, mut file) = (Vec::new(), None);
    for line in lines(text) {
        let Some((name, breaks)) = line.split_once(": ") else {
            file = Some(line.to_owned());
            continue;
        };
        let (is_a_race, breaks) = match breaks.strip_prefix("race: ") {
            Some(breaks) => (true, breaks),
            None => (false, breaks),
        };
        faults.push(Fault {
            name: name.to_owned(),
            file: file
                .clone()
                .with_context(|| format!("{PATH}: `{name}` stands below no file"))?,
            breaks: breaks.to_owned(),
            is_a_race,
            played_by: Vec::new(),
        });
    }
    Ok(faults)
}

/// Fills in the suites below `root` whose own tests name a fault to play it.
pub fn find_players(faults: &mut [Fault], root: &Path) -> Result<()> {
    for suite in ["loom", "history", "interrupt", "threads", "soak"] {
        let mut text = String::new();
        read_all(&root.join("tests").join(suite).join("tests"), &mut text)?;
        for fault in &mut *faults {
            if text.contains(&format!("\"{}\"", fault.name)) {
                fault.played_by.push(suite);
            }
        }
    }
    Ok(())
}

fn read_all(folder: &Path, text: &mut String) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, text)?;
        } else {
            let file = fs::read_to_string(&path);
            text.push_str(&file.with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

/// The tests that no fault can fail, each with the reason.
pub fn exceptions(text: &str) -> Result<BTreeMap<String, String>> {
    let mut exceptions = BTreeMap::new();
    for line in lines(text) {
        match line.split_once(": ") {
            Some((test, reason)) if !reason.trim().is_empty() => {
                exceptions.insert(test.to_owned(), reason.to_owned());
            }
            _ => bail!("write `program test: reason`, not `{line}`"),
        }
    }
    Ok(exceptions)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stands_below_its_file() {
        let list = faults("# head\n\na.rs\nx: one\ny: race: two: three\n").unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].file.as_str(), list[0].is_a_race), ("a.rs", false));
        assert_eq!(
            (list[1].breaks.as_str(), list[1].is_a_race),
            ("two: three", true)
        );
        assert!(faults("x: one").is_err());
    }

    #[test]
    fn an_exception_needs_a_reason() {
        assert_eq!(
            exceptions("core/a r6_b: const\n").unwrap()["core/a r6_b"],
            "const"
        );
        assert!(exceptions("core/a r6_b").is_err());
        assert!(exceptions("core/a r6_b:  ").is_err());
    }
}
