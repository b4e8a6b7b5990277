//! Storms of threads on every policy for as long as it is told, and one line at the end.

mod judge;
mod random;
mod storm;

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::judge::{Judge, Place};

/// Rounds after which the memory must not grow any more.
const WARM: u64 = 3;
/// Growth that an allocator may still need, KiB.
const SLACK: u64 = 16 * 1024;

/// Runs every policy under threads, clock jumps, cancels, panics, lost permits and new settings, and checks the invariants.
///
/// A seed repeats what each thread chooses; how the threads meet is the machine's choice.
#[derive(Parser)]
#[command(name = "cargo xtask soak", bin_name = "cargo xtask soak")]
struct Arguments {
    /// How long.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Where the choices start.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Arguments { seconds, seed } = Arguments::parse();
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let judge = Judge::default();
    // Draws nothing where there is no terminal.
    let bar = ProgressBar::new(seconds);
    if let Ok(style) = ProgressStyle::with_template("soak {bar:30} {elapsed}/{len}s {msg}") {
        bar.set_style(style);
    }
    let (mut operations, mut round, mut resident) = (0, 0, None);
    while round == 0 || start.elapsed() < length {
        operations += storm::round(seed, round, &judge);
        round += 1;
        let now = resident_kib();
        if round == WARM {
            resident = now;
        }
        let place = Place {
            seed,
            round,
            thread: 99,
            operation: 0,
        };
        if let (Some(before), Some(now)) = (resident, now) {
            judge.require(now <= before + SLACK, "R3", place, || {
                format!("resident memory grew from {before} KiB to {now} KiB")
            });
        }
        bar.set_position(start.elapsed().as_secs().min(seconds));
        bar.set_message(format!(
            "{operations} operations, {} violations",
            judge.violations()
        ));
        if judge.violations() > 0 {
            break;
        }
    }
    bar.finish_and_clear();
    let violations = judge.violations();
    if violations > 0 {
        println!("what did not hold, and where:\n{judge}");
        println!("again: cargo xtask soak --seconds {seconds} --seed {seed}");
    }
    println!("soak: {operations} operations, {violations} violations");
    if violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What the process has in memory; `None` where the system does not say.
fn resident_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
