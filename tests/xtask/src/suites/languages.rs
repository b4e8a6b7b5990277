//! The suites of the other languages, and what all languages must answer alike.

use super::{Program, Step, Suite, cargo, python};
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

/// C and C++ by Clang.
pub const CLANG: Suite = Suite {
    name: "clang",
    about: "the programs of suite `c` by Clang, with its address, undefined-behaviour and thread sanitizers",
    needs: &[
        Need::Compiler,
        Need::CppCompiler,
        Need::Clang,
        Need::CMake,
        Need::PkgConfig,
        Need::Valgrind,
    ],
    steps: &[Step {
        deep: true,
        environment: &[("FUSEBOARD_CLANG", "1")],
        ..cargo(
            &[
                "test",
                "--no-fail-fast",
                "-p",
                "fuseboard-ffi",
                "--test",
                "c_programs",
            ],
            Reader::Libtest,
        )
    }],
};

/// Python.
pub const PYTHON: Suite = Suite {
    name: "python",
    about: "the Python package, installed in a virtual environment, its answers to the traces, and a board shared by processes of all languages",
    needs: &[Need::Python, Need::Compiler, Need::CppCompiler, Need::Redis],
    steps: &[
        python(
            &["-m", "pip", "install", "./python[test]"],
            Reader::Preparation,
        ),
        python(
            &["-m", "pytest", "--color=no", "-rs", "python/tests"],
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

/// Python's packages.
pub const WHEELS: Suite = Suite {
    name: "wheels",
    about: "the Python package as it is published: a source distribution, a wheel of its own and one for every newer Python",
    needs: &[Need::Python, Need::Compiler],
    steps: &[
        python(
            &["-m", "pip", "install", "maturin>=1.16,<2", "pytest==9.2.0"],
            Reader::Preparation,
        ),
        python(
            &["-m", "pytest", "--color=no", "-rs", "python/packaging"],
            Reader::Pytest,
        ),
    ],
};

/// Python without a global lock.
pub const FREE_THREADED: Suite = Suite {
    name: "free-threaded",
    about: "the Python package on a free-threaded interpreter, where threads run at the same time",
    needs: &[Need::Compiler, Need::Redis, Need::FreeThreadedPython],
    steps: &[
        Step {
            program: Program::FreeThreadedPython,
            // Debian's stable release has the source of 3.13, for which PyO3 no longer answers; what ships is for 3.14.
            environment: &[("UNSAFE_PYO3_SKIP_VERSION_CHECK", "1")],
            ..python(
                &["-m", "pip", "install", "./python[test-free-threaded]"],
                Reader::Preparation,
            )
        },
        Step {
            program: Program::FreeThreadedPython,
            ..python(
                &[
                    "-X",
                    "dev",
                    "-m",
                    "pytest",
                    "--color=no",
                    "-rs",
                    "python/tests",
                    // What needs packages that are not made for it.
                    "--ignore=python/tests/test_docs.py",
                    "--ignore=python/tests/test_telemetry.py",
                    "--ignore=python/tests/test_typing.py",
                    "--ignore=python/tests/test_web.py",
                    "--deselect=tests/test_pybreaker.py::test_pybreakers_own_tests_pass",
                ],
                Reader::Pytest,
            )
        },
    ],
};
