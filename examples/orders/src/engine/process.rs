//! A server's process, and the processes that it has started.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A server starts, or stops, within this.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A port on loopback that nobody has.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port of loopback is free")?;
    Ok(listener.local_addr()?.port())
}

/// Starts a server that writes to `log`.
pub fn spawn(mut command: Command, log: &Path) -> Result<Child> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let name = command.get_program().to_owned();
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {}", name.display()))
}

/// The last lines of a log, for an error.
pub fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// Sends a signal to a server and to the processes that it has started.
pub fn signal_all(child: &Child, signal: Signal) -> Result<()> {
    // The parent first, so that it starts no more of them.
    signal_one(child, signal)?;
    let id = child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    for number in children.split_ascii_whitespace() {
        if let Some(pid) = number.parse().ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, signal);
        }
    }
    Ok(())
}

/// Sends a signal to a server alone.
pub fn signal_one(child: &Child, signal: Signal) -> Result<()> {
    kill_process(Pid::from_child(child), signal).context("cannot send a signal to the server")
}

/// `kill -9` to the server and all its processes.
pub fn kill(child: &mut Child) -> Result<()> {
    if child.try_wait()?.is_none() {
        // Stopped first: what dies while its parent runs would be started anew.
        signal_all(child, Signal::STOP)?;
        signal_all(child, Signal::KILL)?;
    }
    child.wait().context("cannot wait for the server")?;
    Ok(())
}

/// Waits for a server to end by itself.
pub async fn ended(child: &mut Child) -> Result<()> {
    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() > PATIENCE {
            bail!("the server did not stop within {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
