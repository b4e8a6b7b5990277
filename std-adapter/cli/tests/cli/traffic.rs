//! The program, and another process that uses the same board.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// The program, with nothing of the environment that it reads.
pub(crate) fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_fuseboard"));
    program
        .env_remove("FUSEBOARD_BOARD")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    program
}

pub(crate) fn said(program: &mut Command) -> Said {
    let output = program.output().expect("the program starts");
    Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        error: String::from_utf8(output.stderr).expect("text"),
    }
}

pub(crate) fn run(arguments: &[&str]) -> Said {
    said(program().args(arguments))
}

/// A process that uses a board of its own and does what it is told: `examples/traffic.rs`.
pub(crate) struct Traffic {
    board: String,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let board = format!("/dev/shm/fuseboard-cli-{}-{number}", std::process::id());
        Self::on(board)
    }

    /// Another process on the same board.
    pub(crate) fn on(board: String) -> Self {
        let mut child = Command::new(example("traffic"))
            .args([&board, "--commands"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cargo builds the examples with the tests");
        let (orders, answers) = (child.stdin.take(), child.stdout.take().expect("piped"));
        let answers = BufReader::new(answers);
        Self {
            board,
            child,
            orders,
            answers,
        }
    }

    pub(crate) fn board(&self) -> &str {
        &self.board
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Does one thing, and has done it on return.
    pub(crate) fn does(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("alive");
        writeln!(orders, "{order}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert_eq!(answer, "ok\n", "{order}");
    }

    /// Dies without a chance to leave anything in order.
    pub(crate) fn dies(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    /// What `fuseboard get --json` says of a name.
    pub(crate) fn get(&self, name: &str) -> Value {
        let got = run(&["get", name, "--board", &self.board, "--json"]);
        assert_eq!(got.status, 0, "{got:?}");
        serde_json::from_str(&got.out).expect("one object")
    }

    /// Processes that stand on the board: its owner words behind the header.
    pub(crate) fn owners(&self) -> usize {
        let bytes = fs::read(&self.board).expect("it is there");
        let words = bytes[64..64 + 128 * 8].chunks(8);
        words
            .filter(|word| word.iter().any(|byte| *byte != 0))
            .count()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.board);
    }
}

fn example(name: &str) -> PathBuf {
    // target/debug/fuseboard, target/debug/examples/traffic
    let program = PathBuf::from(env!("CARGO_BIN_EXE_fuseboard"));
    program.with_file_name("examples").join(name)
}
