//! How many machine instructions each of our operations takes, counted by callgrind, beside the committed counts.
//! Unlike times they are the same in every run, so that a change that makes a hot path longer shows at once.

use anyhow::{Context, Result, bail};
use clap::Parser;
use fuseboard_benches::rows::{self, Row, Who, Worker};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// Counts the instructions of each of our operations and compares them with `benches/instructions.txt`.
#[derive(Parser)]
#[command(
    name = "cargo xtask instructions",
    bin_name = "cargo xtask instructions"
)]
struct Arguments {
    /// Writes the counts to `benches/instructions.txt`.
    #[arg(long)]
    bless: bool,
    /// What runs under callgrind.
    #[arg(long, hide = true)]
    counted: bool,
}

/// An operation may take so many times its committed count.
const TOLERATED: f64 = 1.03;
/// Calls in the shorter and in the longer run of a row: their difference is free of what surrounds the calls.
const SHORTER: u64 = 1_000;
const LONGER: u64 = 11_000;
/// What the machine's rows take at most, loop included: a limit that did more would flatter us.
const LIMITS: [(&str, f64); 3] = [
    ("machine: relaxed load", 4.0),
    ("machine: fetch_add", 5.0),
    ("machine: CAS loop", 9.0),
];

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let rows = rows();
    if arguments.counted {
        for row in &rows {
            let mut workers = row.workers(1);
            for worker in &mut workers {
                worker(SHORTER);
                counted_section(worker, SHORTER);
                counted_section(worker, LONGER);
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let counts = count(&rows)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    if arguments.bless {
        fs::write(&path, page(&counts))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let wrong = compare(&counts, &committed(&text)?);
    for (name, count) in &counts {
        println!("{count:8.1}  {name}");
    }
    for line in &wrong {
        println!("{line}");
    }
    println!("{} passed, {} failed", counts.len(), wrong.len());
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The machine's rows and ours that read no clock (callgrind has none of the system's) and no memory that takes long to fill.
fn rows() -> Vec<Row> {
    let mut rows = rows::all();
    rows.retain(|row| row.who != Who::Peer && !row.reads_clock && !row.group.contains("million"));
    rows
}

fn name(row: &Row) -> String {
    format!("{}: {}", row.group, row.name)
}

/// Callgrind starts to count when it begins and writes the count down when it ends.
#[inline(never)]
fn counted_section(worker: &mut Worker, times: u64) {
    worker(times);
}

/// Instructions a call, by row.
fn count(rows: &[Row]) -> Result<Vec<(String, f64)>> {
    let folder = env::temp_dir().join(format!("fuseboard-instructions-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let counts = run(&folder, rows);
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    counts
}

fn run(folder: &Path, rows: &[Row]) -> Result<Vec<(String, f64)>> {
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("counts").display()
        ))
        .args([
            "--zero-before=instructions::counted_section",
            "--dump-after=instructions::counted_section",
        ])
        .arg(env::current_exe().context("where is this program?")?)
        .arg("--counted");
    let output = command.output().context(
        "cannot start valgrind; `cargo xtask test instructions` installs it where it can",
    )?;
    if !output.status.success() {
        bail!(
            "valgrind failed ({}):\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    rows.iter()
        .enumerate()
        .map(|(index, row)| {
            let shorter = total(&folder.join(format!("counts.{}", 2 * index + 1)))?;
            let longer = total(&folder.join(format!("counts.{}", 2 * index + 2)))?;
            let each = (longer as f64 - shorter as f64) / (LONGER - SHORTER) as f64;
            Ok((name(row), each))
        })
        .collect()
}

/// What one dump adds up to.
fn total(path: &PathBuf) -> Result<u64> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|total| total.trim().parse().ok())
        .with_context(|| format!("{} has no line `totals: N`", path.display()))
}

fn page(counts: &[(String, f64)]) -> String {
    let mut text = String::from(
        "# Instructions a call on x86_64, loop included. Written by `cargo xtask instructions --bless`.\n",
    );
    for (name, count) in counts {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{count:.1}\t{name}");
    }
    text
}

fn committed(text: &str) -> Result<BTreeMap<&str, f64>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            line.split_once('\t')
                .and_then(|(count, name)| Some((name, count.parse().ok()?)))
                .with_context(|| format!("`{line}` is not a count, a tab and a name"))
        })
        .collect()
}

/// One line for each row that is not as it should be.
fn compare(counts: &[(String, f64)], committed: &BTreeMap<&str, f64>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, count) in counts {
        match committed.get(name.as_str()) {
            None => wrong.push(format!(
                "{name}: no committed count; run `cargo xtask instructions --bless`"
            )),
            Some(before) if *count > before * TOLERATED => wrong.push(format!(
                "{name}: {count:.1} instructions, {before:.1} committed: more than 3 % up; make it shorter, or bless it with a reason"
            )),
            Some(_) => {}
        }
        let limit = LIMITS.iter().find(|(limit, _)| limit == name);
        if let Some((_, most)) = limit.filter(|(_, most)| count > most) {
            wrong.push(format!(
                "{name}: {count:.1} instructions; an honest limit has {most:.1} at most"
            ));
        }
    }
    for name in committed.keys() {
        if !counts.iter().any(|(counted, _)| counted == name) {
            wrong.push(format!(
                "{name}: committed, but there is no such row; run `cargo xtask instructions --bless`"
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_three_per_cent_up_fails() {
        let committed = BTreeMap::from([("a", 100.0)]);
        let counts = |count| [("a".to_owned(), count)];
        assert!(compare(&counts(103.0), &committed).is_empty());
        assert!(compare(&counts(50.0), &committed).is_empty());
        assert_eq!(compare(&counts(103.1), &committed).len(), 1);
    }

    #[test]
    fn a_new_row_and_a_lost_one_fail() {
        let committed = BTreeMap::from([("a", 1.0)]);
        assert_eq!(compare(&[("b".to_owned(), 1.0)], &committed).len(), 2);
    }

    #[test]
    fn a_limit_that_does_more_than_it_says_fails() {
        let counts = [("machine: fetch_add".to_owned(), 6.0)];
        let committed = BTreeMap::from([("machine: fetch_add", 6.0)]);
        assert_eq!(compare(&counts, &committed).len(), 1);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let page = page(&[("a: b".to_owned(), 12.34)]);
        assert_eq!(committed(&page).unwrap(), BTreeMap::from([("a: b", 12.3)]));
    }
}
