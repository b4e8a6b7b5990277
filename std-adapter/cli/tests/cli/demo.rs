//! The demo with worker processes: what it ends with, and what it leaves behind.

use crate::traffic::{program, said};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The board that a running demo names.
fn board_of(demo: &mut Child) -> String {
    let lines = BufReader::new(demo.stdout.take().expect("piped")).lines();
    let mut lines = lines.map_while(Result::ok);
    let line = lines.find(|line| line.contains("fuseboard top "));
    let board = line.expect("it names its board");
    // The pipe stays open: it must not end for want of a reader.
    std::mem::forget(lines);
    board.trim().trim_start_matches("fuseboard top ").to_owned()
}

/// The processes that a process has started, whichever of its threads did.
fn children(process: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let of = threads
        .flatten()
        .map(|thread| std::fs::read_to_string(thread.path().join("children")));
    let lists: Vec<String> = of.map_while(Result::ok).collect();
    lists
        .iter()
        .flat_map(|list| list.split_whitespace())
        .map(str::to_owned)
        .collect()
}

/// What a process was started with; empty when it is gone.
fn command_line(process: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default()
}

#[test]
fn together_is_better_and_nothing_is_left() {
    let demo = said(program().args(["--workers", "4"]));
    assert_eq!((demo.status, demo.error.as_str()), (0, ""), "{demo:?}");
    let last: Vec<&str> = demo.out.lines().rev().take(1).collect();
    assert_eq!(last, ["demo: ok"], "{demo:?}");
    assert!(!demo.out.contains('\u{1b}'), "{demo:?}");
    for part in [
        "calls that failed until then",
        "probes that failed",
        "last worker stops",
    ] {
        assert!(demo.out.contains(part), "{part:?} is missing in {demo:?}");
    }
    let board = demo
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("fuseboard top "));
    assert!(!Path::new(board.expect("it names its board")).exists());
}

#[test]
fn stopped_it_takes_its_board_and_its_workers_with_it() {
    let mut demo = program()
        .args(["demo", "--workers", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let board = board_of(&mut demo);
    let process = demo.id().to_string();
    // Those of the run before may not be gone yet, and these not there.
    let on_board = |worker: &String| command_line(worker).contains("--board");
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut workers = Vec::new();
    while workers.len() < 2 {
        assert!(Instant::now() < deadline, "{workers:?}");
        workers = children(&process);
        workers.retain(on_board);
    }
    let sent = Command::new("kill").args(["-s", "INT", &process]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(demo.wait().expect("a child").code(), Some(130));
    assert!(!Path::new(&board).exists());
    for worker in workers {
        let ended = || !command_line(&worker).contains("--board");
        while !ended() {
            assert!(Instant::now() < deadline, "{worker} lives");
        }
    }
}

#[test]
fn what_cannot_be_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = said(program().args(["--workers", "2", "--port", &port]));
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(
        refused.error.contains("taken by another program"),
        "{refused:?}"
    );
    for bad in ["0", "65", "x"] {
        let refused = said(program().args(["demo", "--workers", bad]));
        assert_eq!(refused.status, 2, "{refused:?}");
    }
}
