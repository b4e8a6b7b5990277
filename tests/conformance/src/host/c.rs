//! The hosts of C and C++: small programs over `fuseboard.h` and `fuseboard.hpp`, built when they are first asked for.

use std::cell::OnceCell;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::process::{ProcessHost, Program};

const HERE: &str = env!("CARGO_MANIFEST_DIR");
/// What the static library needs on Linux; `docs/c.md` names them too.
const NATIVE_LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

thread_local! {
    static C: OnceCell<Program> = const { OnceCell::new() };
    static C_ON_BOARD: OnceCell<Program> = const { OnceCell::new() };
    static CPP: OnceCell<Program> = const { OnceCell::new() };
}

/// A host for one trace, of C.
///
/// # Errors
/// The library or the program cannot be built.
pub fn c() -> Result<ProcessHost> {
    C.with(|program| host(program, "c", "cc", &["-std=c99"], "c.c"))
}

/// A host for one trace, of C, whose breakers, token buckets and concurrency limits are on a board.
///
/// # Errors
/// The library or the program cannot be built.
pub fn c_on_board() -> Result<ProcessHost> {
    let options = ["-std=c99", "-DON_BOARD"];
    C_ON_BOARD.with(|program| host(program, "c-on-board", "cc", &options, "c.c"))
}

/// A host for one trace, of C++.
///
/// # Errors
/// The library or the program cannot be built.
pub fn cpp() -> Result<ProcessHost> {
    CPP.with(|program| host(program, "cpp", "c++", &["-std=c++17"], "cpp.cc"))
}

fn host(
    program: &OnceCell<Program>,
    name: &'static str,
    compiler: &str,
    options: &[&str],
    source: &str,
) -> Result<ProcessHost> {
    let program = if let Some(program) = program.get() {
        program.clone()
    } else {
        let built = build(name, compiler, options, source)?;
        let started = Program::start(&mut Command::new(built))?;
        program.get_or_init(|| started).clone()
    };
    ProcessHost::new(name, program)
}

/// Builds the library and the program, beside this one.
fn build(name: &str, compiler: &str, options: &[&str], source: &str) -> Result<PathBuf> {
    let ours = env::current_exe().context("this program has no path")?;
    // A test stands in `deps`, a level deeper.
    let is_test = ours.parent().is_some_and(|folder| folder.ends_with("deps"));
    let mut folders = ours.ancestors().skip(if is_test { 2 } else { 1 });
    let folder = folders.next().context("this program is in no folder")?;
    let target = folders.next().context("the build folder has no parent")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "fuseboard-ffi", "--lib"])
        .arg("--manifest-path")
        .arg(Path::new(HERE).join("../../Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    succeeds(&mut cargo)?;
    let built = folder.join(format!("fuseboard-conformance-{name}"));
    let mut cc = Command::new(compiler);
    cc.args(options)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-I"])
        .arg(Path::new(HERE).join("../../ffi/include"))
        .arg(Path::new(HERE).join("hosts").join(source))
        .arg("-o")
        .arg(&built)
        .arg(target.join("debug/libfuseboard.a"))
        .args(NATIVE_LIBRARIES);
    succeeds(&mut cc)?;
    Ok(built)
}

fn succeeds(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
