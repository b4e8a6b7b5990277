//! The house rules that a compiler does not hold.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && name != ".git" && name != ".venv" {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every Rust file of the project, as (path from the root, text).
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    rust_files(&root().join(folder), &mut paths);
    assert!(!paths.is_empty(), "no Rust file under `{folder}`");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a readable file");
        let name = path
            .strip_prefix(root())
            .expect("below the root")
            .display()
            .to_string();
        (name, text)
    };
    paths.into_iter().map(read).collect()
}

/// The lines of a file before its test module.
fn shipped(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .collect()
}

fn is_test_file(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("tests/model")
}

#[test]
fn no_file_has_more_than_400_lines_besides_its_tests() {
    let long: Vec<_> = sources("")
        .into_iter()
        .filter(|(name, text)| !is_test_file(name) && shipped(text).len() > 400)
        .map(|(name, text)| format!("{name}: {}", shipped(&text).len()))
        .collect();
    assert!(long.is_empty(), "split these by stage: {long:#?}");
}

#[test]
fn no_mod_rs_and_no_utils() {
    for (name, _) in sources("") {
        let file = name.rsplit('/').next().unwrap_or_default();
        assert!(!matches!(file, "mod.rs" | "utils.rs" | "util.rs"), "{name}");
    }
}

/// One file names the atomics, so that loom sees all of them.
#[test]
fn only_sync_names_an_atomic_type() {
    for (name, text) in sources("core/src") {
        if name.ends_with("src/sync.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for banned in [
                "core::sync::atomic",
                "std::sync::atomic",
                "portable_atomic",
                "loom::",
                "shuttle::",
            ] {
                assert!(
                    !code.contains(banned),
                    "{name}:{}: {}",
                    number + 1,
                    line.trim()
                );
            }
        }
    }
}

/// Each `Ordering` in the core has a comment above it that says why, or what it pairs with.
#[test]
fn every_ordering_says_why() {
    const NAMES: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    /// A comment may stand above a whole expression.
    const REACH: usize = 14;
    let (mut sites, mut bare) = (0, Vec::new());
    for (name, text) in sources("core/src") {
        let lines = shipped(&text);
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if !NAMES
                .iter()
                .any(|ordering| code.contains(&format!("Ordering::{ordering}")))
            {
                continue;
            }
            sites += 1;
            let above = &lines[number.saturating_sub(REACH)..number];
            let explained = above.iter().chain([line]).any(|line| {
                line.split_once("//")
                    .is_some_and(|(_, comment)| NAMES.iter().any(|name| comment.contains(name)))
            });
            if !explained {
                bare.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(sites > 30, "only {sites} orderings found");
    assert!(bare.is_empty(), "say what these pair with: {bare:#?}");
}

/// Files below import only files above: a leaf never names a later stage.
#[test]
fn imports_follow_the_flow() {
    // Each row may name those before it, not those after it.
    const FLOW: [&[&str]; 7] = [
        &["sync", "nanos", "ratio"],
        &["outcome", "rejected", "error", "event"],
        &["clock", "snapshot", "shadow"],
        &[
            "breaker",
            "shedding",
            "concurrency",
            "token_bucket",
            "sliding_window",
            "sliding_counter",
            "fixed_window",
        ],
        &[
            "adaptive",
            "throttle",
            "retry_budget",
            "leaky_bucket",
            "keyed",
        ],
        &["admission"],
        &["board"],
    ];
    for (row, nouns) in FLOW.iter().enumerate() {
        for noun in *nouns {
            for (name, text) in sources("core/src") {
                let own = format!("core/src/{noun}");
                if name != format!("{own}.rs") && !name.starts_with(&format!("{own}/")) {
                    continue;
                }
                for later in FLOW[row + 1..].iter().flat_map(|later| later.iter()) {
                    let import = format!("use crate::{later}::");
                    let found = shipped(&text).iter().any(|line| line.starts_with(&import));
                    assert!(!found, "{name} imports `{later}`, which comes later");
                }
            }
        }
    }
}

/// The map names every package of the workspace, and nothing else.
#[test]
fn the_map_is_the_territory() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(members, _)| members.split('"').skip(1).step_by(2))
        .expect("the workspace lists its members");
    for member in members {
        assert!(
            map.contains(&format!("| `{member}/` |")),
            "`{member}/` is not in the map"
        );
    }
    for line in map.lines().filter(|line| line.starts_with("| `")) {
        let folder = line.split('`').nth(1).unwrap_or_default();
        if folder.ends_with('/') {
            assert!(
                root().join(folder).is_dir(),
                "the map shows `{folder}`, which is not there"
            );
        }
    }
}

/// Versions of the hosts are the workspace's.
#[test]
fn one_version_everywhere() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .expect("the workspace has a version");
    for package in ["core", "ffi", "python", "std-adapter", "std-adapter/cli"] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).expect(package);
        assert!(
            manifest.contains("version.workspace = true"),
            "{package} has a version of its own"
        );
    }
    assert!(manifest.contains(&format!("path = \"core\", version = \"{version}\"")));
}

/// `tests/faults/list.txt` names the faults of the sources, each below its file, and nothing else.
#[test]
fn the_list_of_faults_is_that_of_the_sources() {
    let mut seeded = Vec::new();
    for (name, text) in sources("core/src") {
        let code: String = text.lines().filter(|line| !line.contains("//")).collect();
        for call in code.split("fault!(").skip(1) {
            let named = call.trim_start().strip_prefix('"');
            if let Some((fault, _)) = named.and_then(|call| call.split_once('"')) {
                seeded.push((name.clone(), fault.to_owned()));
            }
        }
    }
    seeded.sort();
    seeded.dedup();
    assert!(seeded.len() > 30, "only {} faults found", seeded.len());
    let list = fs::read_to_string(root().join("tests/faults/list.txt")).expect("the list");
    let (mut listed, mut file) = (Vec::new(), String::new());
    for line in list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match line.split_once(": ") {
            None => line.clone_into(&mut file),
            Some((fault, _)) => listed.push((file.clone(), fault.to_owned())),
        }
    }
    listed.sort();
    let unlisted: Vec<_> = seeded.iter().filter(|row| !listed.contains(row)).collect();
    let gone: Vec<_> = listed.iter().filter(|row| !seeded.contains(row)).collect();
    let message = format!("not in the list: {unlisted:?}; not in the file: {gone:?}");
    assert!(unlisted.is_empty() && gone.is_empty(), "{message}");
    let mut names: Vec<_> = listed.into_iter().map(|(_, fault)| fault).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "one name, one fault");
}

/// Whoever reads how a failure is answered can look at the test that shows it.
#[test]
fn failure_modes_name_tests_that_there_are() {
    let guide = fs::read_to_string(root().join("docs/failure-modes.md")).expect("the guide");
    let code: String = sources("examples/orders")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let (mut rows, mut unknown) = (0, Vec::new());
    for line in guide.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.split('|').collect();
        let shown = cells[cells.len() - 2];
        if shown.trim() == "shown by" {
            continue;
        }
        rows += 1;
        let tests: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test shows this: {line}");
        let there = |name: &str| {
            ["(", "<"]
                .iter()
                .any(|end| code.contains(&format!("fn {name}{end}")))
        };
        let missing = |name: &&str| !there(name);
        unknown.extend(tests.into_iter().filter(missing));
    }
    assert!(rows >= 20, "{rows} rows");
    assert!(unknown.is_empty(), "no test has these names: {unknown:#?}");
}
