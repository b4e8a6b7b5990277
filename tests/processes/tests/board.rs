//! Boards that real processes share, and that outlive those which are killed. `FUSEBOARD_DEEP=1` (`--deep`) kills more of them.
#![cfg(target_os = "linux")]

#[path = "board/languages.rs"]
mod languages;

use fuseboard::{Board, CircuitBreakerConfig, CircuitState};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{self, Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// A path on tmpfs that is gone in the end.
struct TmpfsPath(PathBuf);

impl TmpfsPath {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fuseboard-processes-{}-{number}", process::id());
        Self(PathBuf::from("/dev/shm").join(name))
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("made of ASCII")
    }
}

impl Drop for TmpfsPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A worker that is killed when the test is done with it.
struct Worker {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn new(arguments: &[&str]) -> Self {
        Self::of(env!("CARGO_BIN_EXE_fuseboard-processes"), arguments)
    }

    /// One of any program.
    fn of(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// One that has said that it is ready.
    fn ready(arguments: &[&str]) -> Self {
        Self::ready_of(env!("CARGO_BIN_EXE_fuseboard-processes"), arguments)
    }

    /// One of any program that has said that it is ready.
    fn ready_of(program: &str, arguments: &[&str]) -> Self {
        let mut worker = Self::of(program, arguments);
        let mut line = String::new();
        worker.output.read_line(&mut line).expect("it speaks");
        assert_eq!(line, "ready\n");
        worker
    }

    fn start(&mut self) {
        let input = self.child.stdin.as_mut().expect("piped");
        input.write_all(b"start\n").expect("it listens");
    }

    /// What it has found, once it has ended well.
    fn found(self) -> u64 {
        self.said().trim().parse().expect("a number")
    }

    /// The same in its own words.
    fn said(mut self) -> String {
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("it speaks");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// SIGKILL, and waits until it is gone.
    fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What each of `workers`, started at one moment, has found.
fn together<F>(mut workers: Vec<Worker>, found: impl FnMut(Worker) -> F) -> Vec<F> {
    workers.iter_mut().for_each(Worker::start);
    workers.into_iter().map(found).collect()
}

fn rounds(usual: u64, deep: u64) -> u64 {
    if std::env::var_os("FUSEBOARD_DEEP").is_some_and(|value| value == "1") {
        deep
    } else {
        usual
    }
}

/// S3, L1: four processes, 800,000 tries, the burst and no more.
#[test]
fn s3_l1_four_processes_get_one_burst() {
    let path = TmpfsPath::new();
    let workers = (0..4).map(|_| Worker::ready(&["spend", path.text(), "200000"]));
    let found = together(workers.collect(), Worker::found);
    println!("admitted by process: {found:?}");
    assert_eq!(found.iter().sum::<u64>(), 50);
}

/// S3, L1: the same with four forked children and a board without a name.
#[test]
fn s3_l1_four_forked_children_get_one_burst() {
    assert_eq!(Worker::new(&["fork", "50000"]).found(), 50);
}

/// S3, K1: nobody ever sees three in a room for two, and in the end it is empty.
#[test]
fn s3_k1_k2_a_limit_holds_across_processes() {
    let path = TmpfsPath::new();
    let workers = (0..4).map(|_| Worker::ready(&["enter", path.text(), "50000"]));
    let crowds = together(workers.collect(), Worker::found);
    assert_eq!(crowds, [0; 4]);
    let room = Board::open(&path.0)
        .unwrap()
        .concurrency_limit("room", 2)
        .unwrap();
    assert_eq!(room.in_flight(), 0);
}

/// S3, B3, B4: of an open breaker whose time is over, four processes together get the three probes of one round.
#[test]
fn s3_b3_b4_four_processes_get_one_round_of_probes() {
    for _ in 0..rounds(10, 100) {
        let path = TmpfsPath::new();
        let board = Board::open(&path.0).unwrap();
        let config = CircuitBreakerConfig {
            minimum_requests: 1,
            open_timeout: Duration::from_nanos(1),
            probe_lease: Some(Duration::from_secs(3_600)),
            ..Default::default()
        };
        let breaker = board.breaker("probe", config).unwrap();
        let workers = (0..4).map(|_| Worker::ready(&["probe", path.text(), "2000"]));
        let workers = workers.collect();
        breaker.try_acquire().unwrap().failure();
        assert_eq!(breaker.state(), CircuitState::Open);
        // The coarse clock has moved on by then.
        thread::sleep(Duration::from_millis(10));
        assert_eq!(together(workers, Worker::found).iter().sum::<u64>(), 3);
        assert_eq!(
            breaker.state(),
            CircuitState::HalfOpen,
            "one round, not over"
        );
    }
}

/// S1: processes that all find no file make one board, and nobody maps one that has no size yet.
#[test]
fn s1_processes_that_open_at_one_moment_share_one_board() {
    for _ in 0..rounds(30, 500) {
        let path = TmpfsPath::new();
        let workers = (0..6).map(|_| Worker::ready(&["open", path.text()]));
        assert_eq!(together(workers.collect(), Worker::found), [1; 6]);
        let bucket = Board::open(&path.0).unwrap();
        let bucket = bucket
            .token_bucket("spend", fuseboard::Rate::per_hour(1), 50)
            .unwrap();
        assert!(bucket.try_acquire_many(44).is_ok() && bucket.try_acquire().is_err());
    }
}

/// S5, K1: the places of a process that is killed come back, and only those.
#[test]
fn s5_k1_places_of_a_killed_process_come_back() {
    let path = TmpfsPath::new();
    let board = Board::open(&path.0).unwrap();
    let limit = board.concurrency_limit("hold", 8).unwrap();
    let mut dying = Worker::ready(&["hold", path.text(), "5"]);
    let living = Worker::ready(&["hold", path.text(), "2"]);
    let own = limit.try_acquire().unwrap();
    assert!(
        limit.try_acquire().is_err(),
        "8 are held, by three that live"
    );
    dying.kill();
    // One sweep each 50 ms, by who finds it full.
    let come_back = until(|| limit.try_acquire().ok());
    assert_eq!(limit.in_flight(), 4, "its five, less the one taken now");
    drop((own, come_back));
    assert_eq!(limit.in_flight(), 2);
    drop(living);
}

/// P4, S5: a forked child gives nothing back that is its parent's, and what the child itself held comes back.
#[test]
fn s5_p4_a_forked_child_is_another_owner() {
    assert_eq!(Worker::new(&["inherit"]).found(), 0);
}

/// S4, S5: processes that call, trip, probe, hold, claim and remove are killed at random moments, most of them in the middle of an operation,
/// some with probes and places. No survivor waits, nothing is missing beyond its lease, and all counts are right within what the dead had
/// in flight. The rules of the hunt, for victims in any language, are in this package's README.md.
#[test]
fn s4_s5_k1_b10_o1_processes_killed_at_any_moment_leave_nothing_behind() {
    let kills = rounds(200, 1_000).to_string();
    let hunt = Command::new(env!("CARGO_BIN_EXE_fuseboard-processes"))
        .args(["hunt", &kills])
        .output()
        .expect("the hunt starts");
    print!("{}", String::from_utf8_lossy(&hunt.stdout));
    let error = String::from_utf8_lossy(&hunt.stderr);
    assert!(hunt.status.success(), "{error}");
}

/// What `attempt` gives in the end; a sweep comes at most every 50 ms.
fn until<T>(attempt: impl Fn() -> Option<T>) -> T {
    for _ in 0..200 {
        if let Some(done) = attempt() {
            return done;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("not within two seconds");
}
