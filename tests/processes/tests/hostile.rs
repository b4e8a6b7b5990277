//! Boards that are not as they should be: of another user, mode, filesystem, clock or shape, cut short, or damaged while processes work on
//! them. Each is refused with what to do, or gives wrong decisions at worst.
//!
//! What a test needs and the machine does not allow (other users, namespaces) is said on the standard error, as `SKIPPED`.
#![cfg(target_os = "linux")]

use fuseboard::{Board, CircuitBreakerConfig, CircuitState, Rate};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const WORKER: &str = env!("CARGO_BIN_EXE_fuseboard-processes");

/// A folder on tmpfs that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fuseboard-hostile-{}-{number}", process::id());
        let path = PathBuf::from("/dev/shm").join(name);
        fs::create_dir(&path).expect("/dev/shm can be written");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path of a board that was made and closed.
    fn board(&self) -> PathBuf {
        let path = self.file("board");
        drop(Board::open(&path).expect("nothing is wrong yet"));
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a process that `wrapper` starts says of a board; `Err`: the machine does not allow it.
fn refused_under(wrapper: &[&str], path: &Path) -> Result<String, String> {
    let said = |command: &mut Command| {
        let output = command.output().map_err(|error| error.to_string())?;
        let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    };
    let [program, arguments @ ..] = wrapper else {
        return said(Command::new(WORKER).arg("why").arg(path));
    };
    // Whether it is allowed at all.
    said(Command::new(program).args(arguments).arg("true"))?;
    said(
        Command::new(program)
            .args(arguments)
            .args([WORKER, "why"])
            .arg(path),
    )
}

fn skipped(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
}

/// Refused with these words, by every way to open it; and the fallback is a board that works, and says once why.
fn is_refused(path: &Path, words: &str) {
    let error = Board::open(path).expect_err(words).to_string();
    assert!(error.contains(words), "{error}");
    let mut told = Vec::new();
    let board = Board::open_or_private(path, |error| told.push(error.to_string()));
    assert_eq!(told, [error]);
    assert!(!board.is_shared());
    let config = CircuitBreakerConfig {
        minimum_requests: 1,
        ..Default::default()
    };
    let breaker = board.breaker("x", config).expect("private");
    assert!(breaker.call_blocking(|| Err::<(), _>("no")).is_err());
    assert_eq!(breaker.state(), CircuitState::Open);
    let bucket = board
        .token_bucket("x", Rate::per_hour(1), 1)
        .expect("private");
    assert!(bucket.try_acquire().is_ok() && bucket.try_acquire().is_err());
    let limit = board.concurrency_limit("x", 1).expect("private");
    let place = limit.try_acquire().expect("empty");
    assert!(limit.try_acquire().is_err());
    drop(place);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn s1_files_of_any_other_kind_are_refused_without_waiting() {
    let folder = Folder::new();
    let pipe = folder.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");
    is_refused(&pipe, "file is Fifo");
    is_refused(&folder.0, "cannot open it");
    let socket = folder.file("socket");
    let _listener = UnixListener::bind(&socket).expect("a new name");
    is_refused(&socket, "cannot open it");
    is_refused(Path::new("/dev/zero"), "file is CharacterDevice");
    is_refused(
        &folder.file("no/such/folder"),
        "cannot make a file without a name",
    );
    let target = folder.board();
    for (name, to) in [("link", &target), ("dangling", &folder.file("nowhere"))] {
        let link = folder.file(name);
        symlink(to, &link).expect("a new name");
        is_refused(&link, "symbolic link");
    }
    let round = folder.file("round");
    symlink(&round, &round).expect("a new name");
    is_refused(&round, "symbolic link");
}

#[test]
fn s1_modes_that_let_others_in_are_refused() {
    let folder = Folder::new();
    let path = folder.board();
    for mode in [
        0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o660, 0o666, 0o777,
    ] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        is_refused(&path, &format!("mode is {mode:04o}; allowed: 0600"));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
    Board::open(&path).expect("as it should be");
}

/// A board of another user, and another user's process before ours.
#[test]
fn s1_boards_of_other_users_are_refused() {
    let folder = Folder::new();
    let path = folder.board();
    if let Err(error) = chown(&path, Some(4_711), None) {
        return skipped("another owner", &error.to_string());
    }
    is_refused(&path, "owner is 4711; allowed: the user of this process");
    chown(&path, Some(0), None).expect("it was allowed before");
    fs::set_permissions(&folder.0, Permissions::from_mode(0o755)).expect("it is ours");
    // The other user must be able to start the worker.
    let wrapper = [
        "setpriv",
        "--reuid=4711",
        "--clear-groups",
        "--inh-caps=-all",
    ];
    let copy = folder.file("worker");
    fs::copy(WORKER, &copy).expect("there is room");
    let run = |program: &[&Path]| {
        let output = Command::new(wrapper[0])
            .args(&wrapper[1..])
            .args(program)
            .output()
            .map_err(|error| error.to_string())?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said).ok_or(error)
    };
    if let Err(why) = run(&[Path::new("true")]) {
        return skipped("another user", &why);
    }
    let said = run(&[&copy, Path::new("why"), &path]).expect("the worker says why");
    assert!(said.contains("cannot open it: Permission denied"), "{said}");
}

/// A filesystem that is full says so when the board is made, not by a signal when it is used, and nothing is left there.
#[test]
fn s8_a_full_filesystem_is_told_at_once() {
    let folder = Folder::new();
    let small = folder.file("small");
    fs::create_dir(&small).expect("a new name");
    let mount = format!("mount -t tmpfs -o size=64k tmpfs {}", small.display());
    let run = |script: &str| {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", script])
            .output()
            .map_err(|error| error.to_string())?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(said).ok_or(error)
    };
    if let Err(why) = run(&mount) {
        return skipped("full filesystem", &why);
    }
    let said = run(&format!(
        "{mount} && {WORKER} why {0}/board && ls {0} | wc -l",
        small.display()
    ));
    let said = said.expect("the worker says why");
    assert!(
        said.contains("cannot reserve its memory: No space left on device"),
        "{said}"
    );
    assert!(said.ends_with("\n0\n"), "something was left: {said}");
}

/// A process whose monotonic clock has another zero is told so; had it used the board, open times would mean nothing.
#[test]
fn s7_a_board_of_another_time_namespace_is_refused() {
    let folder = Folder::new();
    let path = folder.board();
    assert_eq!(refused_under(&[], &path).as_deref(), Ok("opened"));
    let wrapper = ["unshare", "--time", "--monotonic", "100000"];
    match refused_under(&wrapper, &path) {
        Ok(said) => {
            assert!(said.contains("time namespace is "), "{said}");
            assert!(said.contains("use one board for each"), "{said}");
        }
        Err(why) => skipped("time namespace", &why),
    }
}

/// S8: what is cut short before it is opened is refused; an anonymous board cannot be cut.
#[test]
fn s8_boards_that_are_cut_short_are_refused() {
    let folder = Folder::new();
    let path = folder.board();
    let size = fs::metadata(&path).expect("it is there").len();
    for length in [0, 1, 8, 64, 4_096, size / 2, size - 1, size + 1, 1 << 40] {
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("it is ours");
        file.set_len(length).expect("sparse");
        is_refused(
            &path,
            &format!("size is {length}; allowed: that of this version's board"),
        );
    }
}

/// S8, the one thing that hurts: who truncates a board's file ends those that have mapped it by SIGBUS, and nobody else; users that open it
/// afterwards are told.
#[test]
fn s8_a_board_that_is_cut_under_its_users_ends_them_alone() {
    let folder = Folder::new();
    let path = folder.file("board");
    let mut victim = Victim::start("victim", &path, &folder.file("scratch"));
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is ours");
    file.set_len(0).expect("it is ours");
    let status = victim.child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
    is_refused(&path, "size is 0");
}

/// S1, S2: 20,000 headers with words of a foreign hand: refused, or opened where nothing that matters was hit.
#[test]
fn s1_s2_no_header_crashes_who_opens_it() {
    let folder = Folder::new();
    let path = folder.board();
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is ours");
    let sound = fs::read(&path).expect("it is there");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut refused, mut opened) = (0, 0);
    for _ in 0..20_000 {
        for _ in 0..=random.below(3) {
            let word = random.word().to_ne_bytes();
            let at = random.below(16) * 8;
            file.write_all_at(&word, at).expect("there is room");
        }
        match Board::open(&path) {
            Ok(_) => opened += 1,
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(
                    text.contains("allowed: ") || text.contains("remove the file"),
                    "{text}"
                );
            }
        }
        file.write_all_at(&sound[..128], 0).expect("there is room");
    }
    println!("{refused} headers refused, {opened} opened");
    assert!(refused > 1_000 && opened > 1_000);
}

/// S2, R1: a foreign hand writes random words all over a board on which three processes work: none crashes, none waits.
#[test]
fn s2_r1_damage_under_working_processes_ends_and_stops_nobody() {
    let folder = Folder::new();
    let path = folder.file("board");
    let mut workers: Vec<_> = (1..4)
        .map(|number| Victim::start("endure", &path, &folder.file(&format!("scratch-{number}"))))
        .collect();
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it is ours");
    let words = file.metadata().expect("it is there").len() / 8;
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut damages = 0;
    for _ in 0..10 {
        let before: Vec<_> = workers.iter().map(Victim::done).collect();
        for _ in 0..10_000 {
            // Half of them where the names are that the processes use: each section's first slots.
            let at = match random.below(8) {
                0..=1 => 1_088 / 8 + random.below(336 * 8),
                2 => 169_088 / 8 + random.below(24),
                3 => 177_344 / 8 + random.below(152),
                _ => 8 + random.below(words - 8),
            };
            let value = match random.below(4) {
                0 => random.word(),
                1 => u64::MAX,
                2 => 0,
                _ => 1 << random.below(64),
            };
            file.write_all_at(&value.to_ne_bytes(), at * 8)
                .expect("there is room");
            damages += 1;
        }
        let since = Instant::now();
        while workers
            .iter()
            .zip(&before)
            .any(|(worker, before)| worker.done() <= *before)
        {
            assert!(since.elapsed() < Duration::from_secs(20), "somebody waits");
            thread::sleep(Duration::from_millis(1));
        }
    }
    for worker in &mut workers {
        assert!(
            worker.child.try_wait().expect("it is ours").is_none(),
            "it has died"
        );
        worker.child.kill().expect("it lives");
        assert_eq!(
            worker.child.wait().expect("it ends").signal(),
            Some(libc::SIGKILL)
        );
    }
    let done: u64 = workers.iter().map(Victim::done).sum();
    println!("{damages} words damaged under {done} operations");
}

/// A process that works on a board until it is killed.
struct Victim {
    child: Child,
    scratch: fs::File,
}

impl Victim {
    fn start(command: &str, board: &Path, scratch: &Path) -> Self {
        fs::write(scratch, [0; 4_096]).expect("a new name");
        let mut child = Command::new(WORKER)
            .arg(command)
            .args([board, scratch, Path::new("7")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it speaks");
        assert_eq!(line, "ready\n");
        let scratch = fs::File::open(scratch).expect("it is there");
        Self { child, scratch }
    }

    /// Operations that are over.
    fn done(&self) -> u64 {
        let mut bytes = [0; 8];
        self.scratch
            .read_exact_at(&mut bytes, 8)
            .expect("it is whole");
        u64::from_ne_bytes(bytes)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.word() >> 11) % end
    }
}
