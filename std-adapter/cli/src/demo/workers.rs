//! The demo of a board: worker processes that call one failing upstream, each with a breaker of its own, then all with one.

mod process;
mod report;
pub(crate) mod worker;

use super::screen::Screen;
use super::script::OUTAGE;
use super::upstream::{Counted, Upstream};
use super::{INTERRUPTED, TERMINATED, bind};
use anyhow::{Context, ensure};
use fuseboard::{CircuitBreakerConfig, Window};
use process::{Message, Process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use worker::Calls;

/// How long processes may take to start, on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long they may take to end after the script.
const END_LIMIT: Duration = Duration::from_secs(15);
/// So many workers are told of one by one.
const TOLD: usize = 8;

/// Each breaker judges the last 20 calls that it knows of: a worker alone must make ten failing ones itself.
pub(crate) fn breaker_config() -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        window: Some(Window::Count(20)),
        minimum_requests: 20,
        failure_threshold: 0.5,
        open_timeout: Duration::from_millis(300),
        half_open_requests: 1,
        // Longer than the client's time limit.
        probe_lease: Some(Duration::from_secs(1)),
        ..Default::default()
    }
}

/// From one call of a worker to its next: 25 calls a second each, and of more than 16 workers 400 together.
fn gap(workers: u32) -> Duration {
    Duration::from_millis(40).max(Duration::from_micros(2_500) * workers)
}

/// What one run showed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) workers: Vec<Calls>,
    pub(crate) upstream: Counted,
}

/// Runs the demo with so many workers against an upstream on `port`; 0 is any free one.
///
/// # Errors
/// The port cannot be had, or the system denies processes, sockets or a board.
pub(crate) fn run(port: u16, workers: u32) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let screen = Screen::new(OUTAGE);
    let code = runtime.block_on(async {
        let listener = Arc::new(TcpListener::from_std(bind(port)?)?);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let status = tokio::select! {
            code = compare(&listener, workers, &screen) => return code,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for Ctrl-C")?;
                INTERRUPTED
            }
            _ = terminate.recv() => TERMINATED,
        };
        screen.clear();
        screen.line("demo: stopped");
        Ok(ExitCode::from(status))
    });
    runtime.shutdown_background();
    code
}

/// The comparison; dropped, it ends the workers and removes the board's file.
async fn compare(
    listener: &Arc<TcpListener>,
    workers: u32,
    screen: &Screen,
) -> anyhow::Result<ExitCode> {
    let board = BoardFile::new();
    screen.line(&report::introduction(
        listener.local_addr()?,
        workers,
        gap(workers),
        &breaker_config(),
    ));
    screen.heading("1/2  apart: a breaker in each worker");
    let apart = outage(listener, workers, None, screen).await?;
    screen.heading("2/2  together: one breaker on a board");
    screen.line(&format!("  fuseboard top {}", board.0.display()));
    let together = outage(listener, workers, Some(&board.0), screen).await?;

    screen.line(&format!("\n{}", report::table(&apart, &together)));
    screen.line(&report::summary(&apart, &together));
    match report::verdict(&apart, &together) {
        Ok(()) => {
            screen.line("demo: ok");
            Ok(ExitCode::SUCCESS)
        }
        Err(reason) => {
            screen.line(&format!("demo: failed: {reason}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// One run of the script.
async fn outage(
    listener: &Arc<TcpListener>,
    workers: u32,
    board: Option<&Path>,
    screen: &Screen,
) -> anyhow::Result<Finished> {
    let (sender, mut messages) = mpsc::unbounded_channel();
    let url = format!("http://{}/", listener.local_addr()?);
    let mut processes = Vec::new();
    for index in 0..workers {
        let arguments = worker::Arguments {
            url: url.clone(),
            index,
            gap_us: gap(workers).as_micros() as u64,
            offset_us: (gap(workers) * index / workers).as_micros() as u64,
            board: board.map(Path::to_owned),
        };
        processes.push(Process::start(&arguments, sender.clone())?);
    }
    drop(sender);
    let all_ready = async {
        for _ in 0..workers {
            let (index, message) = messages.recv().await.context("no worker is left")?;
            ensure!(
                matches!(message, Message::Ready),
                "worker {index} ended before it began"
            );
        }
        anyhow::Ok(())
    };
    let ready = tokio::time::timeout(START_LIMIT, all_ready).await;
    ready.context("the workers do not start")??;

    // All clocks of a host are one: workers begin at a moment, not at a message.
    let (start, moment) = process::start_in(Duration::from_millis(100));
    let upstream = Arc::new(Upstream::new(OUTAGE, start));
    let mut serving = JoinSet::new();
    serving.spawn(Arc::clone(&upstream).serve(Arc::clone(listener)));
    for process in &mut processes {
        process.go(moment).await?;
    }
    let workers = follow(workers as usize, &mut messages, &upstream, start, screen).await?;
    screen.clear();
    Ok(Finished {
        workers,
        upstream: upstream.counted(),
    })
}

/// Tells what happens until all workers have ended.
async fn follow(
    workers: usize,
    messages: &mut mpsc::UnboundedReceiver<(u32, Message)>,
    upstream: &Upstream,
    start: Instant,
    screen: &Screen,
) -> anyhow::Result<Vec<Calls>> {
    let (mut ended, mut open, mut phase) = (BTreeMap::new(), 0, None);
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let deadline = start + OUTAGE.length() + END_LIMIT;
    while ended.len() < workers {
        let message = tokio::select! {
            message = messages.recv() => message.context("no worker is left")?,
            _ = clock.tick() => {
                let count = ended.len();
                ensure!(Instant::now() < deadline, "only {count} of {workers} workers have ended");
                let at = start.elapsed();
                let index = OUTAGE.index_at(at);
                if phase != Some(index) {
                    phase = Some(index);
                    screen.phase(OUTAGE.begins(index), &OUTAGE.phases()[index]);
                }
                screen.progress(at, || {
                    let received = upstream.counted().received;
                    format!("{open} of {workers} workers have stopped calling once · requests {received}")
                });
                continue;
            }
        };
        match message {
            (index, Message::Open(at)) => {
                open += 1;
                if workers <= TOLD {
                    screen.line(&report::opened(index, at));
                }
            }
            (index, Message::End(calls)) => {
                ended.insert(index, calls);
            }
            // Those that have ended are gone then.
            (index, Message::Ready | Message::Gone) => {
                ensure!(
                    ended.contains_key(&index),
                    "worker {} ended too soon",
                    index + 1
                );
            }
        }
    }
    Ok(ended.into_values().collect())
}

/// The board's path, gone in the end.
struct BoardFile(PathBuf);

impl BoardFile {
    /// Another one than any that a killed demo may have left.
    fn new() -> Self {
        let process = std::process::id();
        let paths = (0..)
            .map(|number| PathBuf::from(format!("/dev/shm/fuseboard-demo-{process}-{number}")));
        Self(
            paths
                .into_iter()
                .find(|path| !path.exists())
                .unwrap_or_default(),
        )
    }
}

impl Drop for BoardFile {
    fn drop(&mut self) {
        // In the first run there is none yet.
        let _ = std::fs::remove_file(&self.0);
    }
}
