//! The suites that need a nightly toolchain.

use super::{Program, Step, Suite};
use crate::need::Need;
use crate::tally::Reader;

const X86_64: &[&str] = &[
    "miri",
    "test",
    "--target-dir",
    "{target}/miri",
    "-p",
    "fuseboard-threads",
    "--tests",
];
const I686: &[&str] = &[
    "miri",
    "test",
    "--target-dir",
    "{target}/miri",
    "--target",
    "i686-unknown-linux-gnu",
    "-p",
    "fuseboard-threads",
    "--tests",
];
const S390X: &[&str] = &[
    "miri",
    "test",
    "--target-dir",
    "{target}/miri",
    "--target",
    "s390x-unknown-linux-gnu",
    "-p",
    "fuseboard-threads",
    "--tests",
];
const MIPS: &[&str] = &[
    "miri",
    "test",
    "--target-dir",
    "{target}/miri",
    "--target",
    "mips-unknown-linux-gnu",
    "-p",
    "fuseboard-threads",
    "--tests",
];

/// The test programs of `fuseboard-threads` under Miri, as one test for each run.
const fn miri(
    arguments: &'static [&'static str],
    flags: &'static [(&'static str, &'static str)],
) -> Step {
    Step {
        program: Program::Nightly,
        arguments,
        cfg: None,
        environment: flags,
        reader: Reader::Exit,
        deep: false,
    }
}

/// Threads under Miri.
pub const MIRI: Suite = Suite {
    name: "miri",
    about: "the same under Miri: weak memory, swaps that fail for no reason, 32 bits, big-endian",
    needs: &[Need::Nightly(&["miri", "rust-src"])],
    steps: &[
        miri(
            X86_64,
            &[(
                "MIRIFLAGS",
                "-Zmiri-many-seeds=0..2 -Zmiri-compare-exchange-weak-failure-rate=0.8",
            )],
        ),
        miri(
            X86_64,
            &[(
                "MIRIFLAGS",
                "-Zmiri-many-seeds=2..3 -Zmiri-compare-exchange-weak-failure-rate=0.98",
            )],
        ),
        miri(I686, &[("MIRIFLAGS", "-Zmiri-many-seeds=0..1")]),
        miri(S390X, &[("MIRIFLAGS", "-Zmiri-many-seeds=0..1")]),
        Step {
            deep: true,
            ..miri(X86_64, &[("MIRIFLAGS", "-Zmiri-many-seeds=3..96")])
        },
        Step {
            deep: true,
            ..miri(MIPS, &[("MIRIFLAGS", "-Zmiri-many-seeds=0..8")])
        },
    ],
};

/// Threads under a sanitizer.
pub const SANITIZERS: Suite = Suite {
    name: "sanitizers",
    about: "the same under ThreadSanitizer; suite `c` has the C programs under AddressSanitizer",
    needs: &[Need::Nightly(&["rust-src"])],
    steps: &[Step {
        deep: true,
        environment: &[
            ("RUSTFLAGS", "-Zsanitizer=thread"),
            ("TSAN_OPTIONS", "halt_on_error=1"),
        ],
        reader: Reader::Libtest,
        ..miri(
            &[
                "test",
                "--no-fail-fast",
                "-Zbuild-std",
                "--target",
                "x86_64-unknown-linux-gnu",
                "--target-dir",
                "{target}/thread-sanitizer",
                "-p",
                "fuseboard-threads",
                "--tests",
            ],
            &[],
        )
    }],
};
