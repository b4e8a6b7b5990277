//! Eight processes at full speed on one limit: a log of all that was admitted, held against the bound.

use anyhow::{Context, Result, ensure};
use fuseboard_redis::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

const PROCESSES: u64 = 8;
const LIMIT: u64 = 200;
const WINDOW_MS: u64 = 500;

/// What was admitted: when it was sent, and when it was answered.
type Log = Vec<(u64, u64)>;

fn length_ms() -> u64 {
    let is_deep = std::env::var_os("FUSEBOARD_DEEP").is_some_and(|value| value == "1");
    if is_deep { 10_000 } else { 2_000 }
}

fn flood(algorithm: &str, lease: u64) -> Result<Log> {
    let server = Server::start()?;
    let numbers = [LIMIT, WINDOW_MS, lease, length_ms()].map(|number| number.to_string());
    let mut workers = Vec::new();
    for _ in 0..PROCESSES {
        let worker = Command::new(env!("CARGO_BIN_EXE_redis-worker"))
            .args([algorithm, &server.url()])
            .args(&numbers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        workers.push(worker);
    }
    let mut outputs = Vec::new();
    for worker in &mut workers {
        let mut output = BufReader::new(worker.stdout.take().context("piped")?);
        output.read_line(&mut String::new())?;
        outputs.push(output);
    }
    for worker in &mut workers {
        worker.stdin.take().context("piped")?.write_all(b"go\n")?;
    }
    let mut log = Log::new();
    for (mut worker, mut output) in workers.into_iter().zip(outputs) {
        let mut text = String::new();
        output.read_to_string(&mut text)?;
        ensure!(worker.wait()?.success(), "a worker failed");
        for line in text.lines() {
            let (sent, answered) = line.split_once(' ').context("two times")?;
            log.push((sent.parse()?, answered.parse()?));
        }
    }
    log.sort_unstable_by_key(|&(_, answered)| answered);
    println!(
        "{algorithm}, lease {lease}: {} admitted in {} ms",
        log.len(),
        length_ms()
    );
    Ok(log)
}

/// No span from the sending of one to the answer of another holds more than `most` of its length admits. What was sent before
/// may have been admitted before, so it is not counted: the check errs in the limiter's favour, by the time of a trip.
fn holds(log: &Log, most: impl Fn(u64) -> Option<u64>) -> Result<()> {
    for &(begin, _) in log {
        let mut count = 0;
        for &(_, answered) in log.iter().filter(|&&(sent, _)| sent >= begin) {
            let Some(most) = most(answered - begin) else {
                break;
            };
            count += 1;
            ensure!(
                count <= most,
                "{count} in {} ns, allowed {most}",
                answered - begin
            );
        }
    }
    // It limits, and does not merely deny.
    let windows = length_ms() / WINDOW_MS;
    ensure!(
        log.len() as u64 >= LIMIT * windows * 3 / 4,
        "only {} admitted",
        log.len()
    );
    Ok(())
}

/// In any span shorter than a window.
fn in_a_window(most: u64) -> impl Fn(u64) -> Option<u64> {
    move |nanos| (nanos < WINDOW_MS * 1_000_000).then_some(most)
}

/// In any span.
fn burst_and_rate(burst: u64) -> impl Fn(u64) -> Option<u64> {
    move |nanos| Some(burst + nanos * LIMIT / (WINDOW_MS * 1_000_000) + 1)
}

#[test]
fn l1_l3_a_token_bucket_admits_burst_and_rate() -> Result<()> {
    holds(&flood("bucket", 0)?, burst_and_rate(LIMIT))
}

#[test]
fn l1_l3_a_sliding_window_admits_the_limit_in_any_window() -> Result<()> {
    holds(&flood("window", 0)?, in_a_window(LIMIT))
}

#[test]
fn l1_l3_a_sliding_counter_admits_less_than_twice_the_limit() -> Result<()> {
    holds(&flood("counter", 0)?, in_a_window(2 * LIMIT))
}

#[test]
fn l1_l3_a_fixed_window_admits_twice_the_limit_across_an_edge() -> Result<()> {
    holds(&flood("fixed", 0)?, in_a_window(2 * LIMIT))
}

#[test]
fn h1_leases_admit_no_more_than_burst_and_rate_and_what_all_hold() -> Result<()> {
    let lease = 10;
    holds(
        &flood("bucket", lease)?,
        burst_and_rate(LIMIT + lease * PROCESSES),
    )
}
