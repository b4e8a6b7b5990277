//! The suites of the other languages, and what all languages must answer alike.

use super::{Suite, cargo};
use crate::need::Need;
use crate::tally::Reader;

/// The traces, played against hosts.
pub const CONFORMANCE: Suite = Suite {
    name: "conformance",
    about: "the traces that every language must answer alike: Rust, C and C++ here, Python in its own suite",
    needs: &[Need::Compiler, Need::CppCompiler],
    steps: &[
        cargo(
            &[
                "run",
                "--quiet",
                "-p",
                "fuseboard-conformance",
                "--",
                "tests/conformance/traces",
                "--host",
                "rust",
            ],
            Reader::Conformance,
        ),
        cargo(
            &[
                "run",
                "--quiet",
                "-p",
                "fuseboard-conformance",
                "--",
                "tests/conformance/traces",
                "--host",
                "c",
            ],
            Reader::Conformance,
        ),
        cargo(
            &[
                "run",
                "--quiet",
                "-p",
                "fuseboard-conformance",
                "--",
                "tests/conformance/traces",
                "--host",
                "cpp",
            ],
            Reader::Conformance,
        ),
    ],
};

/// C and C++.
pub const C: Suite = Suite {
    name: "c",
    about: "the C ABI, by programs of C and C++ that link the static and the shared library",
    needs: &[Need::Compiler, Need::CppCompiler],
    steps: &[cargo(
        &["test", "--no-fail-fast", "-p", "fuseboard-ffi"],
        Reader::Libtest,
    )],
};
