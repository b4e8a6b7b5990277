//! C programs that use the library as its users do: compiled with every warning as an error, in
//! C99 and C11, linked with the static and with the shared library, and run.

#![cfg(unix)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"];
/// Those that mean nothing in C++.
const WARNINGS_OF_C: [&str; 2] = ["-Wstrict-prototypes", "-Wmissing-prototypes"];
/// What std needs on Linux; `the_documented_list_of_libraries_is_right` holds it up to date.
const NATIVE_LIBRARIES: [&str; 7] = [
    "-lgcc_s",
    "-lutil",
    "-lrt",
    "-lpthread",
    "-lm",
    "-ldl",
    "-lc",
];

/// Where the libraries are; they are built once, into the folder this test was built into.
fn libraries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--lib",
            "--package",
            "fuseboard-ffi",
            "--target-dir",
        ]);
        cargo.arg(target).current_dir(CRATE);
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            cargo.arg("--release");
            "release"
        };
        succeeds(&mut cargo);
        target.join(profile)
    })
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out
}

#[derive(Clone, Copy, Debug)]
enum Link {
    Static,
    Shared,
    /// Static, with the address and undefined behaviour sanitizers in the C half: they also see
    /// leaks and wild accesses of the library's memory.
    Sanitized,
}

const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Whether the C compiler brings its sanitizers; said aloud where it does not.
fn sanitizers_exist() -> bool {
    static EXIST: OnceLock<bool> = OnceLock::new();
    *EXIST.get_or_init(|| {
        let folder = scratch("sanitizers");
        std::fs::write(folder.join("main.c"), "int main(void) { return 0; }\n").unwrap();
        let mut cc = Command::new("cc");
        cc.args(SANITIZERS)
            .args(["main.c", "-o", "main"])
            .current_dir(&folder);
        let exist = run(&mut cc).status.success()
            && run(&mut Command::new(folder.join("main"))).status.success();
        if !exist {
            // Past the test harness, which keeps what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: cc has no address sanitizer here"
            );
        }
        exist
    })
}

/// A folder of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Compiles a file of C or C++, runs it, and returns what it printed. The standard may have options behind it.
fn compile_and_run(source: &Path, standard: &str, link: Link) -> String {
    let libraries = libraries();
    let name = source.file_stem().unwrap().to_str().unwrap();
    let folder = scratch(&format!("{name}-{standard}-{link:?}"));
    let program = folder.join(name);
    let mut cc = if source.extension().is_some_and(|of| of == "cc") {
        Command::new("c++")
    } else {
        let mut cc = Command::new("cc");
        cc.args(WARNINGS_OF_C);
        cc
    };
    cc.args(format!("-std={standard}").split(' '))
        .args(WARNINGS)
        .args(["-g", "-pthread"]);
    cc.arg("-I").arg(Path::new(CRATE).join("include"));
    cc.arg(source);
    cc.arg("-o").arg(&program);
    let mut test = Command::new(&program);
    if matches!(link, Link::Sanitized) {
        cc.args(SANITIZERS);
    }
    match link {
        Link::Static | Link::Sanitized => {
            cc.arg(libraries.join("libfuseboard.a"))
                .args(NATIVE_LIBRARIES);
        }
        Link::Shared => {
            cc.arg("-L").arg(libraries).arg("-lfuseboard");
            // The program asks for the soname, as it would after an installation.
            let installed = folder.join("libfuseboard.so.0");
            let _ = std::fs::remove_file(&installed);
            std::os::unix::fs::symlink(libraries.join("libfuseboard.so"), installed).unwrap();
            test.env("LD_LIBRARY_PATH", &folder);
        }
    }
    succeeds(&mut cc);
    succeeds(&mut test)
}

fn every_way(name: &str, standard: &str) {
    let source = Path::new(CRATE).join("tests/c").join(name);
    let name = source.file_stem().unwrap().to_str().unwrap();
    for link in [Link::Static, Link::Shared, Link::Sanitized] {
        if matches!(link, Link::Sanitized) && !sanitizers_exist() {
            continue;
        }
        let out = compile_and_run(&source, standard, link);
        assert_eq!(
            out.lines().last(),
            Some(format!("{name}: ok").as_str()),
            "{link:?}: {out}"
        );
    }
}

/// B1, B2, B4, B7, B12, L2, L8, K1, K2 through C.
#[test]
fn smoke() {
    every_way("smoke.c", "c99");
}

/// X1, and every policy beside the breaker.
#[test]
fn policies() {
    every_way("policies.c", "c99");
}

/// B13, B15, O1: settings as text, weights, changes of state read later, memory of the program.
#[test]
fn settings() {
    every_way("settings.c", "c11");
}

/// S3, S5, P1: boards, with children.
#[test]
#[cfg(target_os = "linux")]
fn board() {
    every_way("board.c", "c99");
}

/// P1, and what happens to wrong arguments.
#[test]
fn misuse() {
    every_way("misuse.c", "c99");
}

/// W3, O1, K1, B3 and B4 from four threads.
#[test]
fn threads() {
    every_way("threads.c", "c11");
}

/// P1, P2, X1 through the types of C++; what is not settled, and what an exception passes.
#[test]
fn raii() {
    every_way("raii.cc", "c++17");
}

#[test]
fn raii_without_exceptions() {
    every_way("raii.cc", "c++20 -fno-exceptions");
}

#[test]
fn the_header_is_cpp17_too() {
    every_way("include.cc", "c++17");
}

#[test]
#[cfg(target_os = "linux")]
fn the_shared_library_has_its_soname_and_only_our_symbols() {
    let library = libraries().join("libfuseboard.so");
    let dynamic = succeeds(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("[libfuseboard.so.0]"), "{dynamic}");

    let header = std::fs::read_to_string(Path::new(CRATE).join("include/fuseboard.h")).unwrap();
    let exported = succeeds(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(&library),
    );
    let mut count = 0;
    for symbol in exported
        .lines()
        .filter_map(|line| line.split_whitespace().last())
    {
        assert!(symbol.starts_with("fb_"), "{symbol} is not ours to export");
        assert!(
            header.contains(&format!("{symbol}(")),
            "{symbol} is not in the header"
        );
        count += 1;
    }
    assert!(count > 40, "only {count} symbols: {exported}");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_documented_list_of_libraries_is_right() {
    let list = NATIVE_LIBRARIES.join(" ");
    let folder = scratch("native-libraries");
    std::fs::write(folder.join("empty.rs"), "").unwrap();
    let mut rustc = Command::new("rustc");
    rustc.args([
        "--crate-type",
        "staticlib",
        "--print",
        "native-static-libs",
        "-o",
        "empty.a",
    ]);
    let output = run(rustc.arg("empty.rs").current_dir(&folder));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(&list),
        "rustc asks for other libraries than {list}:\n{said}"
    );
    for page in ["README.md", "../docs/c.md"] {
        let text = std::fs::read_to_string(Path::new(CRATE).join(page)).unwrap();
        assert!(text.contains(&list), "{page} does not name {list}");
    }
}

/// The text of the first fenced block of `language` in a page.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let start = page.find(&format!("```{language}\n")).expect("a block") + language.len() + 4;
    &page[start..start + page[start..].find("```").expect("its end")]
}

#[test]
fn the_guide_does_what_it_says() {
    let guide = std::fs::read_to_string(Path::new(CRATE).join("../docs/c.md")).unwrap();
    let source = scratch("guide").join("guide.c");
    std::fs::write(&source, block(&guide, "c")).unwrap();
    let out = compile_and_run(&source, "c99", Link::Static);
    assert_eq!(out, block(&guide, "text"));
}

#[test]
fn the_readme_compiles() {
    let readme = std::fs::read_to_string(Path::new(CRATE).join("README.md")).unwrap();
    let (include, body) = block(&readme, "c").split_once('\n').unwrap();
    let source = scratch("readme").join("readme.c");
    let around = "#include <stdbool.h>\n\
        static bool call_the_upstream(void) { return false; }\n\
        static void fail_fast(void) {}\n";
    let program = format!("{include}\n{around}int main(void)\n{{\n{body}return 0;\n}}\n");
    std::fs::write(&source, program).unwrap();
    assert_eq!(compile_and_run(&source, "c99", Link::Shared), "");
}
