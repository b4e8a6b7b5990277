//! Programs of C and C++ that use the library as its users do: from an installed prefix, found by `CMake` and pkg-config, every warning an
//! error, linked with the static and with the shared library, with sanitizers and under valgrind (`cmake/CMakeLists.txt` says how).

#![cfg(target_os = "linux")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
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

/// The folder that cargo builds into.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// The prefix into which the library was installed, by the command that users have.
fn prefix() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let prefix = scratch("prefix");
        let profile = if cfg!(debug_assertions) {
            "dev"
        } else {
            "release"
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["run", "--quiet", "--package", "xtask", "--"])
            .args(["install-c", "--profile", profile, "--prefix"])
            .arg(&prefix)
            .current_dir(Path::new(CRATE).join(".."))
            .env("CARGO_TARGET_DIR", target());
        succeeds(&mut cargo);
        prefix
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

/// Past the test harness, which keeps what a passing test prints.
fn aloud(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// A folder of this test's own.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Whether Clang builds the programs: `cargo xtask test clang --deep`.
fn by_clang() -> bool {
    std::env::var_os("FUSEBOARD_CLANG").is_some_and(|by| by == "1")
}

/// Where `CMake` has built the programs.
fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if by_clang() {
            built_by("clang", "clang++")
        } else {
            built_by("cc", "c++")
        }
    })
}

fn built_by(c: &str, cpp: &str) -> PathBuf {
    let folder = scratch(&format!("cmake-{c}"));
    // A copy of yesterday's prefix would be as good as none.
    let _ = std::fs::remove_file(folder.join("CMakeCache.txt"));
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(Path::new(CRATE).join("tests/cmake"))
        .arg("-B")
        .arg(&folder)
        .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()))
        .arg(format!("-DCMAKE_C_COMPILER={c}"))
        .arg(format!("-DCMAKE_CXX_COMPILER={cpp}"));
    let said = succeeds(&mut configure);
    for line in said.lines().filter(|line| line.contains("left out")) {
        aloud(line.trim_start_matches("-- "));
    }
    succeeds(
        Command::new("cmake")
            .arg("--build")
            .arg(&folder)
            .args(["--parallel", "2"]),
    );
    folder
}

/// Runs what was built of one source, in every way.
fn every_way(name: &str) {
    let mut ctest = Command::new("ctest");
    ctest
        .args(["--output-on-failure", "--no-tests=error", "-R"])
        .arg(format!("^{name}-"))
        .current_dir(programs());
    succeeds(&mut ctest);
}

/// Compiles a file of C or C++ as the guide says, runs it, and returns what it printed.
fn compile_and_run(source: &Path) -> String {
    let is_cpp = source.extension().is_some_and(|of| of == "cc");
    let flags = succeeds(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "fuseboard"])
            .env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig")),
    );
    let program = source.with_extension("");
    let mut cc = Command::new(match (by_clang(), is_cpp) {
        (false, false) => "cc",
        (false, true) => "c++",
        (true, false) => "clang",
        (true, true) => "clang++",
    });
    cc.arg(if is_cpp { "-std=c++17" } else { "-std=c99" })
        .args(WARNINGS)
        .arg(source)
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&program);
    succeeds(&mut cc);
    succeeds(Command::new(&program).env("LD_LIBRARY_PATH", prefix().join("lib")))
}

/// B1, B2, B4, B7, B12, L2, L8, K1, K2 through C.
#[test]
fn smoke() {
    every_way("smoke");
}

/// X1, and every policy beside the breaker.
#[test]
fn policies() {
    every_way("policies");
}

/// B13, B15, O1: settings as text, weights, changes of state read later, memory of the program.
#[test]
fn settings() {
    every_way("settings");
}

/// S3, S5, P1: boards, with children.
#[test]
fn board() {
    every_way("board");
}

/// H1, P1, S3: counters of single threads, also after a fork.
#[test]
fn handles() {
    every_way("handles");
}

/// O1: what reads back is what was given, latencies, and policies on trial.
#[test]
fn readings() {
    every_way("readings");
}

/// X1, S3: policies that a configuration names, and what is wrong with one.
#[test]
fn configured() {
    every_way("configured");
}

/// P1, and what happens to wrong arguments.
#[test]
fn misuse() {
    every_way("misuse");
}

/// P1: every function that answers with a status, called with NULL and 0 for each argument, says `FB_EINVAL`; the others do nothing.
#[test]
fn null_is_a_status_everywhere() {
    let record = std::fs::read_to_string(Path::new(CRATE).join("abi.txt")).unwrap();
    let call = |line: &str| {
        let (head, arguments) = line.split_once('(')?;
        let name = head.rsplit([' ', '*']).next()?;
        let zeros = match arguments.trim_end_matches(')') {
            "void" => String::new(),
            some => vec!["0"; some.split(',').count()].join(", "),
        };
        match head.strip_suffix(name)?.trim() {
            "fb_status" => Some(format!("    asked(\"{name}\", {name}({zeros}));\n")),
            "void" => Some(format!("    {name}({zeros});\n")),
            _ => None,
        }
    };
    let calls: Vec<_> = record.lines().filter_map(call).collect();
    assert!(
        calls.len() > 150,
        "only {} functions were found",
        calls.len()
    );
    let calls = calls.concat();
    let source = scratch("nulls").join("nulls.c");
    let program = format!(
        "#include <fuseboard.h>\n#include <stdio.h>\n\
         static void asked(const char *name, fb_status status)\n{{\n\
         if (status != FB_EINVAL) printf(\"%s: %s\\n\", name, fb_status_string(status));\n}}\n\
         int main(void)\n{{\n{calls}    return 0;\n}}\n"
    );
    std::fs::write(&source, program).unwrap();
    assert_eq!(compile_and_run(&source), "");
}

/// W3, O1, K1, B3 and B4 from four threads.
#[test]
fn threads() {
    every_way("threads");
}

/// P1, P2, X1 through the types of C++; what is not settled, and what an exception passes.
#[test]
fn raii() {
    every_way("raii");
}

/// H1, X1, O1: the same for handles, policies of a configuration, and what can be read.
#[test]
fn handles_and_names() {
    every_way("handles_and_names");
}

/// S3, S5: the examples, among them a server whose forked workers share a board and are killed.
#[test]
fn examples() {
    every_way("example");
}

/// Clang may be stricter than the other one; where it is there, it is asked about the headers in every standard.
#[test]
fn clang_takes_the_headers() {
    if Command::new("clang++").arg("--version").output().is_err() {
        return aloud("left out: clang, which is not installed");
    }
    let folder = Path::new(CRATE).join("tests/cmake");
    for (compiler, source, standards) in [
        ("clang", "header.c", &["c99", "c11", "c17", "c2x"][..]),
        ("clang++", "header.cc", &["c++17", "c++20", "c++2b"][..]),
    ] {
        for standard in standards {
            for define in ["-DFB_FREESTANDING", "-DPLAIN"] {
                let mut clang = Command::new(compiler);
                clang
                    .args([&format!("-std={standard}"), define, "-fsyntax-only"])
                    .args(WARNINGS)
                    .arg("-I")
                    .arg(Path::new(CRATE).join("include"))
                    .arg(folder.join(source));
                succeeds(&mut clang);
            }
        }
    }
}

#[test]
fn the_c_header_in_cpp() {
    every_way("include");
}

#[test]
fn the_shared_library_has_its_soname_and_only_our_symbols() {
    let library = prefix().join("lib/libfuseboard.so");
    let dynamic = succeeds(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("[libfuseboard.so.1]"), "{dynamic}");

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
#[cfg(target_env = "gnu")]
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

/// The texts of the fenced blocks of `language` in a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    page.match_indices(&open)
        .map(|(at, _)| {
            let text = &page[at + open.len()..];
            &text[..text.find("```").expect("its end")]
        })
        .collect()
}

fn guide() -> String {
    std::fs::read_to_string(Path::new(CRATE).join("../docs/c.md")).unwrap()
}

/// What stands around a block that is no program.
const AROUND: [&str; 2] = [
    "#include <stdio.h>
#include <fuseboard.h>
int main(void)
{
    fb_breaker *breaker = NULL;
    fb_breaker_config config;
    fb_error error;
    fb_permit permit;
    uint64_t now_ns = 0, retry_after_ns = 0;
    (void)permit, (void)now_ns, (void)retry_after_ns, (void)error;
    if (fb_breaker_config_init(&config, sizeof config) != FB_OK) return 1;
    if (fb_breaker_new(&config, &breaker, &error) != FB_OK) return 1;
",
    "    return breaker == NULL;
}
",
];

/// All blocks of C run: the programs as they are, the others one after the other in one.
#[test]
fn the_guide_does_what_it_says() {
    let guide = guide();
    let folder = scratch("guide");
    let (programs, pieces): (Vec<_>, Vec<_>) = blocks(&guide, "c")
        .into_iter()
        .partition(|block| block.contains("int main"));
    let &[program] = &programs[..] else {
        panic!("one block is a program, not {}", programs.len());
    };
    let source = folder.join("guide.c");
    std::fs::write(&source, program).unwrap();
    assert_eq!(compile_and_run(&source), blocks(&guide, "text")[0]);

    assert!(pieces.len() > 5, "the blocks were not found");
    // A board of its own, in a folder that is there everywhere.
    let path = format!("/dev/shm/fuseboard-guide-{}", std::process::id());
    let text = pieces.concat().replace("/dev/shm/shop-board", &path);
    let source = folder.join("pieces.c");
    std::fs::write(&source, format!("{}{text}{}", AROUND[0], AROUND[1])).unwrap();
    compile_and_run(&source);
    let _ = std::fs::remove_file(path);
}

#[test]
fn the_guide_does_what_it_says_in_cpp() {
    let guide = guide();
    let source = scratch("guide").join("guide_cpp.cc");
    std::fs::write(&source, blocks(&guide, "cpp")[0]).unwrap();
    assert_eq!(compile_and_run(&source), blocks(&guide, "text")[0]);
}

#[test]
fn the_readme_compiles() {
    let readme = std::fs::read_to_string(Path::new(CRATE).join("README.md")).unwrap();
    let (include, body) = blocks(&readme, "c")[0].split_once('\n').unwrap();
    let source = scratch("readme").join("readme.c");
    let around = "#include <stdbool.h>\n\
        static bool call_the_upstream(void) { return false; }\n\
        static void fail_fast(void) {}\n";
    let program = format!("{include}\n{around}int main(void)\n{{\n{body}return 0;\n}}\n");
    std::fs::write(&source, program).unwrap();
    assert_eq!(compile_and_run(&source), "");
}
