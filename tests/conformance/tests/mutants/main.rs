//! Proves that the traces can fail: plays each against hosts that are wrong on purpose.
//!
//! A wrong host is the Rust host with one fault around it: its settings bent on the way in, or one of
//! its answers bent on the way out. Each trace must fail under at least one, so no trace is empty
//! words; and each fault must fail at least one trace, so no fault of that kind goes unseen.

mod behaviour;
mod history;
mod settings;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fuseboard_conformance::host::Host;
use fuseboard_conformance::host::rust::RustHost;
use fuseboard_conformance::parse::parse;
use fuseboard_conformance::run::run;
use fuseboard_conformance::trace::Trace;

use behaviour::{Behaviour, Misbehaving};
use settings::{BENDS, Bent};

/// The project's traces, by file name.
fn traces() -> BTreeMap<String, Trace> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut traces = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "trace")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let trace = parse(&name, &fs::read(&path).unwrap()).unwrap();
            traces.insert(name, trace);
        }
    }
    assert!(traces.len() >= 60, "only {} traces", traces.len());
    traces
}

type Wrong = Box<dyn Fn() -> Box<dyn Host>>;

/// Every wrong host, by the name of its fault.
fn wrong_hosts() -> BTreeMap<String, Wrong> {
    let mut hosts: BTreeMap<String, Wrong> = BTreeMap::new();
    for (name, bend) in BENDS {
        let make: Wrong = Box::new(move || Box::new(Bent::new(bend)));
        assert!(hosts.insert(name.to_owned(), make).is_none(), "{name}");
    }
    for &behaviour in Behaviour::ALL {
        let make: Wrong = Box::new(move || Box::new(Misbehaving::new(behaviour)));
        assert!(hosts.insert(format!("{behaviour:?}"), make).is_none());
    }
    hosts
}

#[test]
fn the_right_host_passes_every_trace() {
    for (name, trace) in traces() {
        if let Err(failure) = run(&trace, &mut RustHost::default()) {
            panic!("{name}: {failure}");
        }
    }
}

#[test]
fn every_trace_can_fail_and_every_fault_is_seen() {
    let (traces, hosts) = (traces(), wrong_hosts());
    let mut caught_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut catches: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (fault, make) in &hosts {
        for (name, trace) in &traces {
            if run(trace, make().as_mut()).is_err() {
                caught_by.entry(fault).or_default().push(name);
                catches.entry(name).or_default().push(fault);
            }
        }
    }
    // Shown with `--nocapture`: which traces see which fault.
    for (fault, names) in &caught_by {
        println!(
            "{fault}: {} of {}: {}",
            names.len(),
            traces.len(),
            names.join(" ")
        );
    }
    let empty_words: Vec<_> = traces
        .keys()
        .filter(|name| !catches.contains_key(name.as_str()))
        .collect();
    let unseen: Vec<_> = hosts
        .keys()
        .filter(|fault| !caught_by.contains_key(fault.as_str()))
        .collect();
    assert!(
        empty_words.is_empty() && unseen.is_empty(),
        "traces that no wrong host fails: {empty_words:?}; faults that no trace sees: {unseen:?}"
    );
}
