//! The suites of what is exported.

use super::{Suite, cargo};
use crate::need::Need;
use crate::tally::Reader;

/// Receivers of our own.
pub const TELEMETRY: Suite = Suite {
    name: "telemetry",
    about: "metrics, traces and logs as a collector in the test receives them, also one that hangs, refuses or is away",
    needs: &[],
    steps: &[
        cargo(
            &["test", "--no-fail-fast", "-p", "fuseboard-telemetry"],
            Reader::Libtest,
        ),
        // The examples of its documentation, which the adapter's own suite builds without it.
        cargo(
            &[
                "test",
                "--no-fail-fast",
                "-p",
                "fuseboard",
                "--features",
                "otel",
                "--doc",
                "elemetry",
            ],
            Reader::Libtest,
        ),
    ],
};

/// A collector of somebody else's.
pub const COLLECTOR: Suite = Suite {
    name: "collector",
    about: "the same, received by Rotel (PyPI) over HTTP and gRPC",
    needs: &[Need::Rotel],
    steps: &[cargo(
        &[
            "test",
            "--no-fail-fast",
            "-p",
            "fuseboard-telemetry",
            "--features",
            "rotel",
            "--test",
            "collector",
        ],
        Reader::Libtest,
    )],
};
