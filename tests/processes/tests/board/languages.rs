//! One board, used by programs of Rust, C, C++ and Python at once. Those of C and C++ are compiled here. Python takes part where its
//! package is installed; `FUSEBOARD_ALL_LANGUAGES=1` asks for it.

use super::{TmpfsPath, Worker, together};
use fuseboard::{Board, CircuitBreakerConfig, CircuitState, WhenDifferent};
use std::env;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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

/// Programs that know the workers' commands, with the words that start them.
fn languages() -> &'static [Vec<String>] {
    static FOUND: OnceLock<Vec<Vec<String>>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let library = library();
        let mut found = vec![
            vec![env!("CARGO_BIN_EXE_fuseboard-processes").to_owned()],
            vec![compiled("cc", "-std=c99", "worker.c", &library)],
            vec![compiled("c++", "-std=c++17", "worker.cc", &library)],
        ];
        if let Some(python) = python() {
            found.push(vec![python, format!("{HERE}/workers/worker.py")]);
        }
        found
    })
}

/// The folder into which cargo has built this test.
fn target() -> PathBuf {
    let test = env::current_exe().expect("it has a path");
    test.ancestors().nth(3).expect("target/debug/deps").into()
}

fn library() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "fuseboard-ffi", "--lib"]);
    cargo
        .arg("--target-dir")
        .arg(target())
        .current_dir(Path::new(HERE).join("../.."));
    succeeds(&mut cargo);
    target().join("debug/libfuseboard.a")
}

fn compiled(compiler: &str, standard: &str, source: &str, library: &Path) -> String {
    let program = format!(
        "{}/{}",
        env!("CARGO_TARGET_TMPDIR"),
        source.replace('.', "-")
    );
    let mut cc = Command::new(compiler);
    cc.args([
        standard,
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-O1",
        "-I",
    ])
    .arg(Path::new(HERE).join("../../ffi/include"))
    .arg(Path::new(HERE).join("workers").join(source))
    .args(["-o", &program])
    .arg(library)
    .args(NATIVE_LIBRARIES);
    succeeds(&mut cc);
    program
}

fn succeeds(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// A Python with the package: `FUSEBOARD_PYTHON`, or that of the suite `python`.
fn python() -> Option<String> {
    let beside = || target().join("venv/bin/python").display().to_string();
    let python = env::var("FUSEBOARD_PYTHON").unwrap_or_else(|_| beside());
    let has_package = Command::new(&python)
        .args(["-c", "import fuseboard; fuseboard.Board"])
        .output()
        .is_ok_and(|output| output.status.success());
    if has_package {
        return Some(python);
    }
    assert!(
        env::var_os("FUSEBOARD_ALL_LANGUAGES").is_none(),
        "{python} has no package `fuseboard` with boards; `cargo xtask test python` installs it"
    );
    // Past the test harness, which keeps what a passing test prints.
    let _ = writeln!(
        stderr(),
        "left out: Python, whose package is not installed; `cargo xtask test python` takes it in"
    );
    None
}

/// One worker of each language that has said that it is ready.
fn one_of_each(arguments: &[&str]) -> Vec<Worker> {
    languages()
        .iter()
        .map(|language| {
            let words: Vec<_> = language[1..].iter().map(String::as_str).collect();
            Worker::ready_of(&language[0], &[&words[..], arguments].concat())
        })
        .collect()
}

/// S3, O1, K2, L1: a million operations of five kinds by processes of all languages, and every one is counted exactly.
#[test]
fn s3_o1_k2_l1_a_million_operations_of_all_languages_add_up() {
    let path = TmpfsPath::new();
    let share = 1_000_000 / languages().len() as u64 / 5 * 5;
    let workers = one_of_each(&["mix", path.text(), &share.to_string()]);
    let count = workers.len() as u64;
    let said = together(workers, Worker::said);
    println!("succeeded, failed, cancelled, tokens, places: {said:?}");
    let numbers = |line: &String| -> Vec<u64> {
        let words = line.split_whitespace();
        words.map(|word| word.parse().expect("a number")).collect()
    };
    let found: Vec<_> = said.iter().map(numbers).collect();
    let sum = |kind: usize| found.iter().map(|of| of[kind]).sum::<u64>();
    let each = count * share / 5;
    assert_eq!([sum(0), sum(1), sum(2)], [each; 3]);
    assert_eq!(sum(3), 1000);

    let board = Board::open(&path.0).unwrap();
    let keep = WhenDifferent::Keep;
    let breaker = board
        .breaker_with("mix", CircuitBreakerConfig::default(), keep)
        .unwrap();
    let totals = breaker.snapshot().totals;
    assert_eq!(
        [
            totals.calls,
            totals.failures,
            totals.ignored,
            totals.rejected
        ],
        [2 * each, each, each, 0]
    );
    let room = board.concurrency_limit_with("mix", 4, keep).unwrap();
    assert_eq!(room.in_flight(), 0);
}

/// S3, L1: one burst for all of them.
#[test]
fn s3_l1_all_languages_get_one_burst() {
    let path = TmpfsPath::new();
    let found = together(one_of_each(&["spend", path.text(), "20000"]), Worker::found);
    assert_eq!(found.iter().sum::<u64>(), 50, "{found:?}");
}

/// S3, K1: never three in a room for two, whoever they are.
#[test]
fn s3_k1_a_limit_holds_across_languages() {
    let path = TmpfsPath::new();
    let crowds = together(one_of_each(&["enter", path.text(), "20000"]), Worker::found);
    assert_eq!(crowds, vec![0; crowds.len()]);
}

/// S3, B7: what a process of one language trips is open for the others, with their next call.
#[test]
fn s3_b7_what_one_trips_is_open_for_all() {
    for tripping in 0..languages().len() {
        let path = TmpfsPath::new();
        let mut lookers = one_of_each(&["look", path.text()]);
        let mut trippers = one_of_each(&["trip", path.text()]);
        trippers[tripping].start();
        assert_eq!(
            trippers.swap_remove(tripping).said().trim(),
            CircuitState::Open.as_str()
        );
        lookers.iter_mut().for_each(Worker::start);
        for looker in lookers {
            assert_eq!(looker.found(), 0);
        }
    }
}

/// S4, S5, K1, O1: victims of every language are killed beside those of Rust, with the same rules for all; see this package's README.md.
#[test]
fn s4_s5_k1_o1_victims_of_all_languages_leave_nothing_behind() {
    let kills = super::rounds(40, 300).to_string();
    for language in &languages()[1..] {
        let hunt = Command::new(env!("CARGO_BIN_EXE_fuseboard-processes"))
            .args(["hunt", &kills, "--"])
            .args(language)
            .arg("victim")
            .output()
            .expect("the hunt starts");
        print!("{language:?}\n{}", String::from_utf8_lossy(&hunt.stdout));
        let error = String::from_utf8_lossy(&hunt.stderr);
        assert!(hunt.status.success(), "{language:?}: {error}");
    }
}
