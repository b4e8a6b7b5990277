//! The ids that tests name: `fn b3_l10_…`, the doc lines above it, and the first lines of a trace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where tests are, and what they show.
pub struct Source {
    /// `cargo xtask test SUITE`.
    pub suite: &'static str,
    folders: &'static [&'static str],
    pub how: &'static str,
    pub bound: &'static str,
}

pub const SOURCES: [Source; 14] = [
    Source {
        suite: "core",
        folders: &["core/src", "core/tests"],
        how: "unit tests, properties, native threads",
        bound: "10,000 histories a property",
    },
    Source {
        suite: "model",
        folders: &["tests/model"],
        how: "random histories, and every short one, against the sequential model",
        bound: "12,000 histories; every sequence of the lengths that `exhaustive.rs` states",
    },
    Source {
        suite: "conformance",
        folders: &["tests/conformance/traces"],
        how: "traces with a virtual clock, the same for every language",
        bound: "the traces",
    },
    Source {
        suite: "loom",
        folders: &["tests/loom"],
        how: "every interleaving, with the orderings that are written",
        bound: "threads, steps and preemptions that each model states",
    },
    Source {
        suite: "history",
        folders: &["tests/history"],
        how: "random schedules of whole histories, judged for linearizability",
        bound: "the schedules that each test states",
    },
    Source {
        suite: "miri",
        folders: &["tests/threads"],
        how: "threads that start at one moment, in an interpreter with weak memory and swaps that fail for no reason; natively: `threads`",
        bound: "the seeds of the suite; x86-64, 32-bit and big-endian",
    },
    Source {
        suite: "interrupt",
        folders: &["tests/interrupt"],
        how: "each operation stopped at every machine instruction while others run",
        bound: "x86-64; the scripts of each test",
    },
    Source {
        suite: "fuzz",
        folders: &["tests/fuzz"],
        how: "inputs guided by coverage, against the models",
        bound: "a million inputs",
    },
    Source {
        suite: "soak",
        folders: &["tests/soak"],
        how: "random threads, clock jumps, cancels and panics on every policy",
        bound: "five seconds",
    },
    Source {
        suite: "firmware",
        folders: &["tests/firmware"],
        how: "an image in an emulator, with an interrupt handler",
        bound: "the programs of the image",
    },
    Source {
        suite: "std",
        folders: &["std-adapter/tests"],
        how: "futures, permits and the HTTP client of the adapter",
        bound: "the cases of each test",
    },
    Source {
        suite: "processes",
        folders: &["tests/processes/tests"],
        how: "real processes on one board, 200 of which are killed, most in the middle of an operation",
        bound: "the programs of each test; 1,000 are killed with --deep",
    },
    Source {
        suite: "c",
        folders: &["ffi/tests"],
        how: "C programs against the libraries",
        bound: "the cases of each program",
    },
    Source {
        suite: "python",
        folders: &["python/tests"],
        how: "the installed package",
        bound: "the cases of each test",
    },
];

/// One test that names one id.
pub struct Evidence {
    pub id: String,
    pub suite: &'static str,
    pub test: String,
}

/// Everything that is named below `root`.
pub fn gather(root: &Path) -> Result<Vec<Evidence>> {
    let mut evidence = Vec::new();
    for source in &SOURCES {
        for folder in source.folders {
            let folder = root.join(folder);
            let mut found = Vec::new();
            if folder.is_dir() {
                walk(&folder, &mut found)?;
            }
            evidence.extend(found.into_iter().map(|(id, test)| Evidence {
                id,
                suite: source.suite,
                test,
            }));
        }
    }
    Ok(evidence)
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        let read = || fs::read_to_string(&path).with_context(|| path.display().to_string());
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => walk(&path, found)?,
            Some("rs") => found.extend(of_rust(&read()?)),
            Some("trace") => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                found.extend(of_trace(&name, &read()?));
            }
            _ => {}
        }
    }
    Ok(())
}

/// (id, test) of a Rust file.
fn of_rust(text: &str) -> Vec<(String, String)> {
    let (mut found, mut ids, mut is_test) = (Vec::new(), Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("/// ") {
            ids.extend(upper_ids(comment));
        } else if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function(line).filter(|_| is_test) {
            let name: String = name
                .chars()
                .take_while(|&letter| letter == '_' || letter.is_ascii_alphanumeric())
                .collect();
            ids.extend(name.split('_').map_while(lower_id));
            ids.sort();
            ids.dedup();
            found.extend(ids.drain(..).map(|id| (id, name.clone())));
            is_test = false;
        } else if !line.starts_with("#[") {
            ids.clear();
            is_test = false;
        }
    }
    found
}

/// What comes after `fn`.
fn function(line: &str) -> Option<&str> {
    line.strip_prefix("async ")
        .unwrap_or(line)
        .strip_prefix("fn ")
}

/// (id, trace) of a trace: its first comment names them.
fn of_trace(name: &str, text: &str) -> Vec<(String, String)> {
    let comments = text.lines().map_while(|line| line.strip_prefix('#'));
    let mut ids: Vec<_> = comments.flat_map(upper_ids).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().map(|id| (id, name.to_owned())).collect()
}

/// `B3` and `L10` of a comment.
fn upper_ids(comment: &str) -> Vec<String> {
    comment
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| is_id(word, |letter| "BHKLOPRSTWX".contains(letter)))
        .map(str::to_owned)
        .collect()
}

/// `B3` of `b3`.
fn lower_id(part: &str) -> Option<String> {
    is_id(part, |letter| "bhkloprstwx".contains(letter)).then(|| part.to_uppercase())
}

/// A letter and a number of one or two digits without a leading zero.
fn is_id(word: &str, is_noun: impl Fn(char) -> bool) -> bool {
    let mut letters = word.chars();
    let noun = letters.next().is_some_and(is_noun);
    let number = letters.as_str();
    // `s04` is a scenario.
    let is_scenario = number.len() == 2 && word.starts_with(['s', 'S']);
    noun && !is_scenario
        && matches!(number.len(), 1 | 2)
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let rows = of_rust(text).into_iter();
        rows.map(|(id, test)| format!("{id} {test}")).collect()
    }

    #[test]
    fn a_test_names_ids_in_its_name_and_above_it() {
        let text = "/// W2 too: all of U64.\n#[test]\nfn b3_l10_x_p1() {\n}\n";
        assert_eq!(
            named(text),
            ["B3 b3_l10_x_p1", "L10 b3_l10_x_p1", "W2 b3_l10_x_p1"]
        );
        let waiting = "#[tokio::test(start_paused = true)]\nasync fn k5_y() {";
        assert_eq!(named(waiting), ["K5 k5_y"]);
        assert_eq!(named("/// B1\nstruct X;\n#[test]\nfn plain() {}"), [""; 0]);
        assert_eq!(named("fn b1_helper() {}"), [""; 0]);
        assert_eq!(named("#[test]\nfn s33_scenario() {}"), [""; 0]);
    }

    #[test]
    fn a_trace_names_ids_in_its_first_comment() {
        let text = "# One (B3, B10).\n# And P1.\nbreaker b\n# L1\n";
        let ids: Vec<_> = of_trace("x", text).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["B10", "B3", "P1"]);
    }
}
