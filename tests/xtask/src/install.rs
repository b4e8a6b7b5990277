//! `install-c`: libfuseboard in a folder as C programs expect it.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::place::{Place, capture};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The number in the soname; `ffi/build.rs` has it too, and a test of `ffi` compares them.
const ABI: &str = "1";
/// What a program that links the static library needs on Linux with glibc.
const NATIVE_LIBRARIES: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// Builds the library in `profile` and puts header, libraries, pkg-config file and the package of `CMake` below `prefix`.
///
/// # Errors
/// It does not build, or the folder cannot be written.
pub fn install(place: &Place, prefix: &Path, profile: &str) -> Result<Vec<PathBuf>> {
    let built = build(place, profile)?;
    let ffi = place.root.join("ffi");
    let mut installed = Vec::new();
    let mut put = |from: PathBuf, to: &str| -> Result<()> {
        let to = prefix.join(to);
        ready(&to)?;
        fs::copy(&from, &to).with_context(|| format!("cannot copy to {}", to.display()))?;
        installed.push(to);
        Ok(())
    };
    for header in ["fuseboard.h", "fuseboard.hpp"] {
        put(
            ffi.join("include").join(header),
            &format!("include/{header}"),
        )?;
    }
    put(built.join("libfuseboard.a"), "lib/libfuseboard.a")?;
    let library = format!("libfuseboard.so.{VERSION}");
    put(built.join("libfuseboard.so"), &format!("lib/{library}"))?;
    for link in [format!("libfuseboard.so.{ABI}"), "libfuseboard.so".into()] {
        let link = prefix.join("lib").join(link);
        let _ = fs::remove_file(&link);
        symlink(&library, &link).with_context(|| format!("cannot make {}", link.display()))?;
        installed.push(link);
    }
    for (template, to) in [
        ("fuseboard.pc", "lib/pkgconfig/fuseboard.pc"),
        (
            "fuseboard-config.cmake",
            "lib/cmake/fuseboard/fuseboard-config.cmake",
        ),
        (
            "fuseboard-config-version.cmake",
            "lib/cmake/fuseboard/fuseboard-config-version.cmake",
        ),
    ] {
        let from = ffi.join("install").join(format!("{template}.in"));
        let text =
            fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let to = prefix.join(to);
        ready(&to)?;
        fs::write(&to, filled(&text)).with_context(|| format!("cannot write {}", to.display()))?;
        installed.push(to);
    }
    Ok(installed)
}

/// Makes the folder that a file is to stand in.
fn ready(file: &Path) -> Result<()> {
    let folder = file.parent().context("a file stands in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn filled(template: &str) -> String {
    [
        ("@VERSION@", VERSION),
        ("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR")),
        ("@MINOR@", env!("CARGO_PKG_VERSION_MINOR")),
        ("@ABI@", ABI),
        ("@REPOSITORY@", env!("CARGO_PKG_REPOSITORY")),
        ("@NATIVE_LIBRARIES@", NATIVE_LIBRARIES),
    ]
    .into_iter()
    .fold(template.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    })
}

#[cfg(not(unix))]
fn symlink(_: &str, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Where the libraries are.
fn build(place: &Place, profile: &str) -> Result<PathBuf> {
    let mut cargo = place.command(&place.cargo);
    cargo.args(["build", "--quiet", "--package", "fuseboard-ffi", "--lib"]);
    cargo.args(["--profile", profile]);
    let (status, output) = capture(cargo).context("cannot start cargo")?;
    if !status.success() {
        bail!("libfuseboard does not build:\n{output}");
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place.target.join(folder))
}
