//! A Python without a global lock: one that is there, or one made from Debian's source package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Prepared, is_root, run, succeeds, system};
use crate::place::{Place, capture};

/// Debian's stable release has its source, and no package of Debian's has the interpreter.
const PACKAGE: &str = "python3.13";
const RELEASE: &str = "trixie";

/// The Python of a virtual environment of its own.
pub fn venv_python(place: &Place) -> PathBuf {
    place.target.join("venv-free-threaded/bin/python")
}

pub fn prepare(place: &Place) -> Result<Prepared> {
    let python = venv_python(place);
    if is_free_threaded(place, &python, "import pip") {
        return Ok(Prepared::Ready);
    }
    let interpreter = match installed(place) {
        Some(interpreter) => interpreter,
        None => match made(place)? {
            Ok(interpreter) => interpreter,
            Err(why) => return Ok(Prepared::Absent(why)),
        },
    };
    let mut command = place.command(interpreter);
    command.args(["-m", "venv", "--clear"]);
    command.arg(place.target.join("venv-free-threaded"));
    run("python -m venv", command).map(|()| Prepared::Ready)
}

fn is_free_threaded(place: &Place, python: &Path, imports: &str) -> bool {
    let check = format!("{imports}\nimport sys; sys.exit(sys._is_gil_enabled())");
    succeeds(place.command(python).args(["-c", &check]))
}

fn installed(place: &Place) -> Option<PathBuf> {
    ["python3.15t", "python3.14t", "python3.13t"]
        .map(PathBuf::from)
        .into_iter()
        .find(|python| is_free_threaded(place, python, "import venv, ensurepip, ssl"))
}

/// Made once and kept; the reason where it cannot be.
fn made(place: &Place) -> Result<Result<PathBuf, String>> {
    let folder = place.target.join("free-threaded");
    let python = folder.join("bin").join(format!("{PACKAGE}t"));
    if is_free_threaded(place, &python, "import ssl") {
        return Ok(Ok(python));
    }
    let absent = "there is no free-threaded Python (`python3.14t`) in PATH, and";
    if !(Path::new("/etc/debian_version").exists() && is_root()) {
        return Ok(Err(format!(
            "{absent} only on Debian as root is one made here"
        )));
    }
    println!("  making a free-threaded Python of Debian's source of {PACKAGE}");
    let xz = || succeeds(place.command("xz").arg("--version"));
    system("xz", &["xz-utils"], xz)?;
    for (header, package) in [
        ("openssl/ssl.h", "libssl-dev"),
        ("zlib.h", "zlib1g-dev"),
        ("ffi.h", "libffi-dev"),
    ] {
        let there = || {
            let include = format!("-include{header}");
            succeeds(
                place
                    .command("cc")
                    .args(["-E", "-x", "c", &include, "/dev/null"]),
            )
        };
        system(header, &[package], there)?;
    }
    let source = folder.join("source");
    let Some(tar) = downloaded(place, &source)? else {
        return Ok(Err(format!(
            "{absent} Debian's source package {PACKAGE} cannot be fetched"
        )));
    };
    let inside = |program: &str| {
        let mut command = place.command(program);
        command.current_dir(&source);
        command
    };
    let mut unpack = inside("tar");
    unpack.args(["--strip-components=1", "-xf"]).arg(tar);
    run("tar", unpack)?;
    let mut configure = inside("./configure");
    configure.env("CFLAGS", "-O1").args([
        "--quiet",
        "--disable-gil",
        "--disable-test-modules",
        "--without-doc-strings",
        "--without-static-libpython",
        "--with-ensurepip=no",
        "--prefix",
    ]);
    configure.arg(&folder);
    run("configure of CPython", configure)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = inside("make");
    make.args([&format!("-j{jobs}"), "all", "install"]);
    run("make of CPython", make)?;
    fs::remove_dir_all(&source).with_context(|| format!("cannot remove {}", source.display()))?;
    Ok(Ok(python))
}

/// The source as Debian signed it, by lists of our own: the machine's stay as they are.
fn downloaded(place: &Place, folder: &Path) -> Result<Option<PathBuf>> {
    // What an earlier run left half done.
    let _ = fs::remove_dir_all(folder);
    let Some(mirror) = mirror() else {
        return Ok(None);
    };
    let lists = folder.join("apt");
    fs::create_dir_all(lists.join("lists/partial"))?;
    fs::create_dir_all(lists.join("archives/partial"))?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        lists.join("sources.list"),
        format!("deb-src [signed-by={keys}] {mirror} {RELEASE} main\n"),
    )?;
    let shown = lists.display();
    fs::write(
        lists.join("apt.conf"),
        format!(
            "Dir::State::lists \"{shown}/lists\";\nDir::Cache \"{shown}\";\n\
             Dir::Etc::sourcelist \"{shown}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
             APT::Sandbox::User \"root\";\n"
        ),
    )?;
    let apt = |arguments: &[&str]| -> Command {
        let mut command = place.command("apt-get");
        command.current_dir(folder).arg("--config-file");
        command.arg(lists.join("apt.conf")).args(arguments);
        command
    };
    for step in [
        &["update", "--error-on=any"][..],
        &["source", "--tar-only", "--download-only", PACKAGE],
    ] {
        let (status, output) = capture(apt(step)).context("cannot start apt-get")?;
        if !status.success() {
            print!("{output}");
            return Ok(None);
        }
    }
    let mut tars = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    Ok(tars.find(|path| path.to_string_lossy().ends_with(".orig.tar.xz")))
}

/// Where this machine has its Debian packages from.
fn mirror() -> Option<String> {
    let files = [
        "/etc/apt/sources.list.d/debian.sources",
        "/etc/apt/sources.list",
    ];
    let texts = files
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    texts.into_iter().find_map(|text| mirror_in(&text))
}

fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    words
        .find(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machines_own() {
        let found = |text| mirror_in(text);
        let written = "# http://old.example/debian\nTypes: deb\nURIs: http://a.example/debian-security\n\nURIs: http://a.example/debian/\n";
        assert_eq!(found(written).unwrap(), "http://a.example/debian/");
        let one_line = "deb [arch=amd64] https://b.example/debian bookworm main";
        assert_eq!(found(one_line).unwrap(), "https://b.example/debian");
        assert_eq!(found("deb https://c.example/ubuntu noble main"), None);
    }
}
