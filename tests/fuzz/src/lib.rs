//! What is fuzzed: each [`Target`] turns bytes into operations, does them to the shipped core and to its model, and
//! panics where the two differ.
//!
//! `src/bin/target.rs` hands the bytes over from libFuzzer, `src/main.rs` builds and runs it, and `tests/` replays the
//! committed corpus without a fuzzer.

mod bytes;
mod configuration;
mod histories;
mod hostile;
mod pair;
mod readings;

mod trace;

/// One thing to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The word on the command line; the folder of its corpus.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Longest input in bytes.
    pub max_len: usize,
    /// Executions of a normal run.
    pub runs: u64,
    /// Edges of the instrumented code that a normal run reaches at the least: fewer, and the target has gone blind.
    pub edges: u64,
    /// Runs one input; panics where an invariant does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "breaker",
        about: "histories of a breaker with any settings, against the model",
        max_len: 400,
        runs: 300_000,
        edges: 800,
        run: histories::breaker,
    },
    Target {
        name: "limiters",
        about: "histories of each limiter, against its model",
        max_len: 400,
        runs: 300_000,
        edges: 450,
        run: histories::limiter,
    },
    Target {
        name: "trace",
        about: "the conformance parser on any text, what it reads against the models",
        max_len: 2_000,
        runs: 150_000,
        edges: 2_000,
        run: trace::any,
    },
    Target {
        name: "hostile",
        about: "words of any bits, in memory, in saved bytes and in permits: each is legal",
        max_len: 240,
        runs: 150_000,
        edges: 1_000,
        run: hostile::any,
    },
    Target {
        name: "configuration",
        about: "settings of any value through the C interface, handles beside none, counts of any bits",
        max_len: 400,
        runs: 300_000,
        edges: 1_200,
        run: configuration::any,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
