//! A worker: calls at fixed moments, through a breaker of its own or one on a board.

use super::breaker_config;
use crate::demo::load::Ending;
use anyhow::{Context, ensure};
use clap::Parser;
use fuseboard::{Board, CircuitBreaker, CircuitBreakerError, Clock, MonotonicClock, Nanos};
use std::fmt;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// When a caller gives up.
const TIMEOUT: Duration = Duration::from_millis(400);

/// The first word of a worker's command line.
pub(crate) const COMMAND: &str = "demo-worker";

/// What a worker is told when it is started.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[arg(long)]
    pub(super) url: String,
    #[arg(long)]
    pub(super) index: u32,
    #[arg(long)]
    pub(super) gap_us: u64,
    #[arg(long)]
    pub(super) offset_us: u64,
    #[arg(long)]
    pub(super) board: Option<PathBuf>,
}

impl Arguments {
    /// As the program takes them.
    pub(super) fn to_command_line(&self) -> Vec<std::ffi::OsString> {
        let mut line: Vec<std::ffi::OsString> = [
            COMMAND,
            &format!("--url={}", self.url),
            &format!("--index={}", self.index),
            &format!("--gap-us={}", self.gap_us),
            &format!("--offset-us={}", self.offset_us),
        ]
        .map(Into::into)
        .into();
        if let Some(board) = &self.board {
            line.extend(["--board".into(), board.into()]);
        }
        line
    }
}

/// A worker's calls in the order in which they ended: begun after the start, and how each ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls(Vec<(Duration, Ending)>);

impl Calls {
    pub(super) fn add(&mut self, begun: Duration, ending: Ending) {
        self.0.push((begun, ending));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Duration, Ending)> {
        self.0.iter().copied()
    }

    /// Microseconds and a letter for each call.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut calls = Self::default();
        for word in text.split_whitespace() {
            let (letter, micros) = (word.chars().last()?, word.get(..word.len() - 1)?);
            let ending = match letter {
                's' => Ending::Served,
                'f' => Ending::Failed,
                'r' => Ending::Rejected,
                _ => return None,
            };
            calls.add(Duration::from_micros(micros.parse().ok()?), ending);
        }
        Some(calls)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (begun, ending) in self.iter() {
            let letter = match ending {
                Ending::Served => 's',
                Ending::Rejected => 'r',
                Ending::Failed | Ending::Limited => 'f',
            };
            write!(f, "{}{letter} ", begun.as_micros())?;
        }
        Ok(())
    }
}

/// Waits for the start, makes the calls, says how they ended.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse_from(std::env::args_os().skip(1));
    let breaker = match &arguments.board {
        None => CircuitBreaker::new("upstream", breaker_config()),
        Some(path) => Board::open(path)?.breaker("upstream", breaker_config())?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    say("ready")?;
    let mut order = String::new();
    let read = std::io::stdin().lock().read_line(&mut order)?;
    ensure!(read > 0, "the demo ended before it began");
    let moment = Nanos::new(order.trim().parse().context("no moment to start at")?);
    thread::spawn(end_with_parent);
    let calls = runtime.block_on(drive(&arguments, Arc::new(breaker), client, moment))?;
    say(&format!("end {calls}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The parent keeps the other end of standard input open as long as it lives.
fn end_with_parent() {
    let mut rest = String::new();
    while std::io::stdin()
        .lock()
        .read_line(&mut rest)
        .is_ok_and(|read| read > 0)
    {}
    std::process::exit(0);
}

async fn drive(
    arguments: &Arguments,
    breaker: Arc<CircuitBreaker>,
    client: reqwest::Client,
    moment: Nanos,
) -> anyhow::Result<Calls> {
    let start = Instant::now() + Duration::from(moment.saturating_sub(MonotonicClock.now()));
    let gap = Duration::from_micros(arguments.gap_us);
    let offset = Duration::from_micros(arguments.offset_us);
    let mut calling = JoinSet::new();
    let (mut calls, mut is_told) = (Calls::default(), false);
    for index in 0.. {
        let at = offset + gap * index;
        if at >= super::OUTAGE.length() {
            break;
        }
        tokio::time::sleep_until(start + at).await;
        let (breaker, client, url) = (Arc::clone(&breaker), client.clone(), arguments.url.clone());
        calling.spawn(async move {
            let begun = start.elapsed();
            let request = async {
                client
                    .get(url)
                    .send()
                    .await?
                    .error_for_status()?
                    .text()
                    .await
            };
            let ending = match breaker.call(request).await {
                Ok(_) => Ending::Served,
                Err(CircuitBreakerError::OperationFailed(_)) => Ending::Failed,
                Err(_) => Ending::Rejected,
            };
            (begun, ending)
        });
        while let Some(ended) = calling.try_join_next() {
            take(ended?, &mut calls, &mut is_told)?;
        }
    }
    while let Some(ended) = calling.join_next().await {
        take(ended?, &mut calls, &mut is_told)?;
    }
    Ok(calls)
}

fn take(
    (begun, ending): (Duration, Ending),
    calls: &mut Calls,
    is_told: &mut bool,
) -> anyhow::Result<()> {
    calls.add(begun, ending);
    if ending == Ending::Rejected && !*is_told {
        *is_told = true;
        say(&format!("open {}", begun.as_micros()))?;
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}
