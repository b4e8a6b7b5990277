//! What a worker does with a board.

use crate::{hunt, victim};
use anyhow::{Context, Result, bail, ensure};
use fuseboard::{
    Board, CircuitBreaker, CircuitBreakerConfig, CircuitState, Rate, Settled, WhenDifferent,
};
use std::io::{BufRead, Write, stdin, stdout};
use std::process;
use std::thread;
use std::time::Duration;

/// Takes the command and its arguments.
pub fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["spend", path, tries] => {
            let board = Board::open(path)?;
            start()?;
            say(spend(&board, tries.parse()?)?)
        }
        ["open", path] => {
            start()?;
            let board = Board::open(path)?;
            say(spend(&board, 1)?)
        }
        ["enter", path, tries] => {
            let board = Board::open(path)?;
            start()?;
            say(enter(&board, tries.parse()?)?)
        }
        ["probe", path, tries] => {
            let board = Board::open(path)?;
            start()?;
            say(probe(&board, tries.parse()?)?)
        }
        ["mix", path, operations] => mix(path, operations.parse()?),
        ["trip", path] => {
            let breaker = shared(path)?;
            start()?;
            while let Ok(permit) = breaker.try_acquire() {
                permit.failure();
            }
            say(breaker.state().as_str())
        }
        ["look", path] => {
            let breaker = shared(path)?;
            start()?;
            let calls = (0..).take_while(|_| breaker.call_blocking(|| Ok::<_, ()>(())).is_ok());
            say(calls.count())
        }
        ["hold", path, places] => hold(path, places.parse()?),
        ["fork", tries] => say(fork_and_spend(tries.parse()?)?),
        ["inherit"] => inherit(),
        ["victim", board, scratch, seed] => {
            victim::live(board.as_ref(), scratch.as_ref(), seed.parse()?, false)
        }
        ["endure", board, scratch, seed] => {
            victim::live(board.as_ref(), scratch.as_ref(), seed.parse()?, true)
        }
        ["why", path] => why(path),
        ["hunt", kills] => hunt::hunt(kills.parse()?, &[]),
        ["hunt", kills, "--", ref command @ ..] => hunt::hunt(kills.parse()?, command),
        _ => bail!("no such command: {words:?}"),
    }
}

/// Whether the board can be opened, or why not.
fn why(path: &str) -> Result<()> {
    match Board::open(path) {
        Ok(_) => writeln!(stdout(), "opened")?,
        Err(error) => writeln!(stdout(), "{error}")?,
    }
    Ok(())
}

fn say(found: impl std::fmt::Display) -> Result<()> {
    writeln!(stdout(), "{found}")?;
    Ok(())
}

/// Says that it is ready and waits for the word to start, or for the end of the test.
fn start() -> Result<()> {
    writeln!(stdout(), "ready")?;
    stdout().flush()?;
    let mut line = String::new();
    ensure!(stdin().lock().read_line(&mut line)? > 0, "the test is over");
    Ok(())
}

/// How many of so many tries the one bucket of all admits: 50, and no more for an hour.
fn spend(board: &Board, tries: u64) -> Result<u64> {
    let bucket = board.token_bucket("spend", Rate::per_hour(1), 50)?;
    Ok((0..tries).filter(|_| bucket.try_acquire().is_ok()).count() as u64)
}

/// Enters a room for two again and again; how often there were three.
fn enter(board: &Board, tries: u64) -> Result<u64> {
    let room = board.concurrency_limit("room", 2)?;
    let mut crowds = 0;
    for _ in 0..tries {
        if let Ok(_place) = room.try_acquire() {
            crowds += u64::from(room.in_flight() > 2);
        }
    }
    Ok(crowds)
}

/// How many probes of a half-open breaker it was given; it reports none of them.
fn probe(board: &Board, tries: u64) -> Result<u64> {
    let config = CircuitBreakerConfig::default();
    let breaker = board.breaker_with("probe", config, WhenDifferent::Keep)?;
    let probes: Vec<_> = (0..tries)
        .filter_map(|_| breaker.try_acquire().ok())
        .collect();
    let given = probes.len() as u64;
    probes.into_iter().for_each(std::mem::forget);
    Ok(given)
}

/// As many operations as it is told, of five kinds in turn; says how many of them succeeded, failed, were cancelled, got a token
/// and got a place.
fn mix(path: &str, operations: u64) -> Result<()> {
    let board = Board::open(path)?;
    let config = CircuitBreakerConfig {
        failure_threshold: 1.0,
        minimum_requests: 1_000_000,
        ..Default::default()
    };
    let breaker = board.breaker("mix", config)?;
    let bucket = board.token_bucket("mix", Rate::per_hour(1), 1000)?;
    let room = board.concurrency_limit("mix", 4)?;
    start()?;
    let [
        mut succeeded,
        mut failed,
        mut cancelled,
        mut tokens,
        mut places,
    ] = [0_u64; 5];
    for number in 0..operations {
        match number % 5 {
            0 => succeeded += u64::from(breaker.try_acquire()?.success() == Settled::Recorded),
            1 => failed += u64::from(breaker.try_acquire()?.failure() == Settled::Recorded),
            2 => cancelled += u64::from(breaker.try_acquire()?.ignore() == Settled::Recorded),
            3 => tokens += u64::from(bucket.try_acquire().is_ok()),
            _ => places += u64::from(room.try_acquire().is_ok()),
        }
    }
    say(format_args!(
        "{succeeded} {failed} {cancelled} {tokens} {places}"
    ))
}

/// The breaker that one process trips and others look at.
fn shared(path: &str) -> Result<CircuitBreaker> {
    let config = CircuitBreakerConfig {
        minimum_requests: 10,
        open_timeout: std::time::Duration::from_secs(3600),
        ..Default::default()
    };
    Ok(Board::open(path)?.breaker("shared", config)?)
}

fn hold(path: &str, places: u16) -> Result<()> {
    let board = Board::open(path)?;
    let limit = board.concurrency_limit("hold", 8)?;
    let held: Result<Vec<_>, _> = (0..places).map(|_| limit.try_acquire()).collect();
    let _held = held?;
    start()
}

/// A breaker that changes its state often.
fn churned() -> CircuitBreakerConfig {
    let short = Duration::from_millis(1);
    CircuitBreakerConfig {
        minimum_requests: 4,
        open_timeout: short,
        ..Default::default()
    }
}

/// Four forked children spend from one bucket that has no name in the filesystem.
fn fork_and_spend(tries: u64) -> Result<u64> {
    let board = Board::anonymous()?;
    let children: Result<Vec<_>> = (0..4)
        .map(|_| fork(|| spend(&board, tries).unwrap_or(255)))
        .collect();
    children?.into_iter().map(wait).sum()
}

/// A child drops a permit that it inherited, takes a place of its own and ends with it; then the parent looks.
fn inherit() -> Result<()> {
    let board = Board::anonymous()?;
    let limit = board.concurrency_limit("inherit", 3)?;
    let mut inherited = Some(limit.try_acquire()?);
    let child = fork(|| {
        drop(inherited.take());
        let own = limit.try_acquire();
        let seen = u64::from(limit.in_flight());
        // Ends without giving it back, as a process that is killed does.
        std::mem::forget(own);
        seen
    })?;
    ensure!(wait(child)? == 2, "the child gave its parent's place back");
    let rest: Result<Vec<_>, _> = (0..2).map(|_| limit.try_acquire()).collect();
    ensure!(rest.is_ok(), "the dead child's place did not come back");
    ensure!(limit.try_acquire().is_err(), "the parent's place was lost");
    drop((rest, inherited));
    ensure!(limit.in_flight() == 0, "a place is missing");

    // The same with the one probe of a half-open breaker.
    let config = CircuitBreakerConfig {
        half_open_requests: 1,
        ..churned()
    };
    let breaker = board.breaker("inherit", config)?;
    breaker.try_acquire()?.failure_weighted(4);
    // The coarse clock has moved on by then.
    thread::sleep(Duration::from_millis(10));
    let mut inherited = Some(breaker.try_acquire()?);
    ensure!(breaker.state() == CircuitState::HalfOpen, "no probe");
    let child = fork(|| {
        drop(inherited.take());
        u64::from(breaker.snapshot().in_flight)
    })?;
    ensure!(wait(child)? == 1, "the child gave its parent's probe back");
    drop(inherited);
    say(u64::from(breaker.snapshot().in_flight))
}

/// Runs `child` in a forked process, which ends with what it gives as its exit code.
fn fork(child: impl FnOnce() -> u64) -> Result<libc::pid_t> {
    // SAFETY: this process has one thread, so that the child has all of it.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        0 => process::exit(child().min(255) as i32),
        pid => Ok(pid),
    }
}

fn wait(pid: libc::pid_t) -> Result<u64> {
    let mut status = 0;
    // SAFETY: the kernel writes one int through the pointer.
    let ended = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    ensure!(ended == pid && libc::WIFEXITED(status), "a child was lost");
    Ok(u64::from(libc::WEXITSTATUS(status).unsigned_abs()))
}
