//! The suites of what is exported.

use super::{Suite, cargo};
use crate::need::Need;
use crate::tally::Reader;

/// Receivers of our own.
pub const TELEMETRY: Suite = Suite {
    name: "telemetry",
    about: "what a collector receives, also one that hangs, refuses or is away; Prometheus, health, JSON, stream and controls",
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
                "otel,http-endpoints",
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

/// A browser.
pub const DASHBOARD: Suite = Suite {
    name: "dashboard",
    about: "the dashboard in a headless Chromium: a breaker trips and recovers live, controls with and without the token",
    needs: &[Need::Browser],
    steps: &[cargo(
        &[
            "test",
            "--no-fail-fast",
            "-p",
            "fuseboard-telemetry",
            "--features",
            "browser",
            "--test",
            "dashboard",
        ],
        Reader::Libtest,
    )],
};

/// Prometheus' own tool.
pub const PROMETHEUS: Suite = Suite {
    name: "prometheus",
    about: "rules, alerts and metrics as `promtool` judges them",
    needs: &[Need::Promtool],
    steps: &[cargo(
        &[
            "test",
            "--no-fail-fast",
            "-p",
            "fuseboard-telemetry",
            "--features",
            "promtool",
            "--test",
            "promtool",
        ],
        Reader::Libtest,
    )],
};
