//! Nothing of the core is missing from C, and nothing of C from C++: `core.txt` names, for each public method of the core, the functions
//! that offer it, or why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(CRATE).join(path)).unwrap()
}

/// Every `.rs` file below a folder.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|of| of == "rs") {
            into.push(path);
        }
    }
}

/// The types that the core exports.
fn exported() -> BTreeSet<String> {
    let lib = read("../core/src/lib.rs");
    let exports = lib.lines().filter_map(|line| {
        let path = line.strip_prefix("pub use crate::")?.strip_suffix(';')?;
        Some(path.rsplit("::").next()?.trim_matches(['{', '}']))
    });
    let names = exports.flat_map(|names| names.split(", "));
    names.map(str::to_owned).collect()
}

/// The type of an `impl` without a trait; `None` for one with.
fn type_of(head: &str) -> Option<String> {
    let (mut depth, mut plain) = (0_u32, String::new());
    for letter in head.chars() {
        match letter {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let mut words = plain.split_whitespace().skip(1);
    let name = words.next()?.to_owned();
    (words.next() != Some("for")).then_some(name)
}

/// `Type::method` for all that is public.
fn methods() -> BTreeSet<String> {
    let exported = exported();
    let mut files = Vec::new();
    sources(&Path::new(CRATE).join("../core/src"), &mut files);
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let shipped = text.lines().take_while(|line| {
            !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test")
        });
        let (mut head, mut of) = (None::<String>, None);
        for line in shipped {
            // What two types of the keyed limiter have alike.
            if line.starts_with("macro_rules! operations") {
                of = Some("KeyedTable".to_owned());
            } else if line.starts_with("impl") {
                head = Some(line.to_owned());
            } else if let Some(head) = &mut head {
                head.push(' ');
                head.push_str(line);
            }
            if head.as_ref().is_some_and(|head| head.contains('{')) {
                of = head
                    .take()
                    .and_then(|head| type_of(head.split('{').next()?));
            }
            let line = line.trim_start();
            let method = line
                .strip_prefix("pub const fn ")
                .or_else(|| line.strip_prefix("pub fn "));
            if let (Some(method), Some(of)) = (method, &of)
                && exported.contains(of)
            {
                let end = method.find(['(', '<']).unwrap();
                found.insert(format!("{of}::{}", &method[..end]));
            }
        }
    }
    found
}

/// The functions of C, without those that only differ in taking the time.
fn functions() -> BTreeSet<String> {
    let record = read("abi.txt");
    let names = record.lines().filter_map(|line| {
        let (head, _) = line.split_once('(')?;
        head.rsplit([' ', '*']).next()
    });
    names.map(str::to_owned).collect()
}

#[test]
fn every_method_of_the_core_has_a_function_or_a_reason() {
    let record = read("core.txt");
    let lines = record.lines().filter(|line| !line.starts_with('#'));
    let entries: BTreeMap<_, _> = lines.map(|line| line.split_once(' ').unwrap()).collect();
    let (methods, functions) = (methods(), functions());
    assert!(
        methods.len() > 250,
        "only {} methods were found",
        methods.len()
    );

    let entry_of = |method: &str| {
        let (of, _) = method.split_once("::").unwrap();
        entries.contains_key(method) || entries.contains_key(of)
    };
    let missing: Vec<_> = methods.iter().filter(|method| !entry_of(method)).collect();
    assert!(missing.is_empty(), "add to ffi/core.txt: {missing:?}");

    let is_there = |entry: &str| {
        let of_type = format!("{entry}::");
        methods.contains(entry) || methods.iter().any(|method| method.starts_with(&of_type))
    };
    for (entry, offered) in entries {
        assert!(is_there(entry), "{entry} is not in the core any more");
        if let Some(reason) = offered.strip_prefix("- ") {
            assert!(reason.len() > 10, "{entry}: {reason:?} is no reason");
            continue;
        }
        for function in offered.split(' ') {
            assert!(
                functions.contains(function),
                "{entry}: there is no {function}"
            );
        }
    }
}

/// What a program of C++ has in another way.
const NOT_IN_CPP: [(&str, &str); 6] = [
    (
        "fb_abi_version",
        "of fuseboard.h; nothing to own or to settle",
    ),
    (
        "fb_version_string",
        "of fuseboard.h; nothing to own or to settle",
    ),
    ("fb_latency_bucket_bounds", "latency_counts::native says so"),
    (
        "fb_latency_histogram_record_call",
        "a breaker with record_latency has its own",
    ),
    (
        "fb_latency_histogram_record_call_at",
        "a breaker with record_latency has its own",
    ),
    (
        "fb_token_lease_give_back_at",
        "the destructor gives back, by CLOCK_MONOTONIC",
    ),
];

/// C++ owns what is on the heap; without one it uses the functions of C.
const OF_MEMORY: [&str; 3] = ["_size", "_init", "_init_with_warm_up"];

#[test]
fn every_function_has_its_place_in_cpp() {
    let header = read("include/fuseboard.hpp");
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let cpp = header
        .lines()
        .filter(is_code)
        .collect::<Vec<_>>()
        .join("\n");
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let used: BTreeSet<_> = cpp.split(|letter| !letters(letter)).collect();
    let excepted = |name: &str| NOT_IN_CPP.iter().any(|(known, _)| *known == name);
    for name in functions() {
        if OF_MEMORY.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        assert_ne!(
            used.contains(&*name),
            excepted(&name),
            "{name} in fuseboard.hpp, or NOT_IN_CPP"
        );
    }
}
