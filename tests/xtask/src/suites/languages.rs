//! The suites of the other languages, and what all languages must answer alike.

use super::{Step, Suite, cargo, python};
use crate::need::Need;
use crate::tally::Reader;

/// The traces, played against hosts.
pub const CONFORMANCE: Suite = Suite {
    name: "conformance",
    about: "the traces that every language must answer alike: Rust, C and C++ here, and a board; Python in its own suite",
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
        cargo(
            &["test", "-p", "fuseboard-conformance", "--test", "board"],
            Reader::Libtest,
        ),
    ],
};

/// C and C++.
pub const C: Suite = Suite {
    name: "c",
    about: "the C ABI, by programs of C and C++ that link the installed static and shared library; sanitizers, valgrind",
    needs: &[
        Need::Compiler,
        Need::CppCompiler,
        Need::CMake,
        Need::PkgConfig,
        Need::Valgrind,
    ],
    steps: &[cargo(
        &["test", "--no-fail-fast", "-p", "fuseboard-ffi"],
        Reader::Libtest,
    )],
};

/// Python.
pub const PYTHON: Suite = Suite {
    name: "python",
    about: "the Python package, installed in a virtual environment, its answers to the traces, and a board shared by processes of all languages",
    needs: &[Need::Python, Need::Compiler, Need::CppCompiler],
    steps: &[
        python(
            &["-m", "pip", "install", "./python[test]"],
            Reader::Preparation,
        ),
        python(
            &["-m", "pytest", "--color=no", "python/tests"],
            Reader::Pytest,
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
                "python",
            ],
            Reader::Conformance,
        ),
        Step {
            environment: &[("FUSEBOARD_ALL_LANGUAGES", "1")],
            ..cargo(
                &[
                    "test",
                    "--no-fail-fast",
                    "-p",
                    "fuseboard-processes",
                    "languages",
                ],
                Reader::Libtest,
            )
        },
    ],
};
