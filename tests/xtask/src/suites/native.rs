//! The suites on native threads and instructions, which play seeded faults themselves.

use super::{Step, Suite, cargo};
use crate::need::Need;
use crate::tally::Reader;

/// Threads that start at one moment.
pub const THREADS: Suite = Suite {
    name: "threads",
    about: "threads that start at one moment, as they are, and that they find seeded faults",
    needs: &[],
    steps: &[
        cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-threads"],
            Reader::Libtest,
        ),
        Step {
            cfg: Some("fuseboard_faults"),
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--release",
                    "--target-dir",
                    "{target}/soak",
                    "-p",
                    "fuseboard-threads",
                    "--",
                    "seeded_faults",
                ],
                Reader::Libtest,
            )
        },
    ],
};

/// Operations stopped at every instruction.
pub const INTERRUPT: Suite = Suite {
    name: "interrupt",
    about: "no waiting: each operation stopped at every machine instruction while others run, and that seeded faults are found",
    needs: &[Need::Host("x86_64", "linux")],
    steps: &[
        cargo(
            &[
                "test",
                "--no-fail-fast",
                "--release",
                "-p",
                "fuseboard-interrupt",
            ],
            Reader::Libtest,
        ),
        Step {
            cfg: Some("fuseboard_faults"),
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--release",
                    "--target-dir",
                    "{target}/soak",
                    "-p",
                    "fuseboard-interrupt",
                    "--",
                    "seeded_faults",
                ],
                Reader::Libtest,
            )
        },
    ],
};

/// Storms.
pub const SOAK: Suite = Suite {
    name: "soak",
    about: "five seconds of storms on every policy, and that they find seeded faults; a minute: `cargo xtask soak`",
    needs: &[],
    steps: &[
        cargo(
            &[
                "run",
                "--quiet",
                "--release",
                "-p",
                "fuseboard-soak",
                "--",
                "--seconds",
                "5",
            ],
            Reader::Exit,
        ),
        Step {
            cfg: Some("fuseboard_faults"),
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "--release",
                    "--target-dir",
                    "{target}/soak",
                    "-p",
                    "fuseboard-soak",
                ],
                Reader::Libtest,
            )
        },
    ],
};
