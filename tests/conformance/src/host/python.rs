//! The Python host: the package as it is installed, in a program of its own.

use std::cell::OnceCell;
use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::process::{ProcessHost, Program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hosts/python.py");

thread_local! {
    static PROGRAM: OnceCell<Program> = const { OnceCell::new() };
}

/// A host for one trace.
///
/// # Errors
/// There is no Python, or the package is not installed in it.
pub fn host() -> Result<ProcessHost> {
    PROGRAM.with(|program| {
        let program = if let Some(program) = program.get() {
            program.clone()
        } else {
            let started = Program::start(Command::new(interpreter()).arg(SCRIPT)).context(
                "the Python package has to be installed: `cargo xtask test python` does it",
            )?;
            program.get_or_init(|| started).clone()
        };
        ProcessHost::new("python", program)
    })
}

/// `FUSEBOARD_PYTHON`, the virtual environment that the tests made beside this program, or the system's.
fn interpreter() -> PathBuf {
    if let Some(given) = env::var_os("FUSEBOARD_PYTHON") {
        return given.into();
    }
    let beside = env::current_exe().ok().and_then(|program| {
        let venv = program.parent()?.parent()?.join("venv/bin/python");
        venv.exists().then_some(venv)
    });
    beside.unwrap_or_else(|| "python3".into())
}
