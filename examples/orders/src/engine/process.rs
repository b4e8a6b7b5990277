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
    // Its children are listed while it is there, and it goes first, so that it starts no more of them; but a process that is killed
    // has no children any more: so it is stopped for that.
    if signal == Signal::KILL {
        signal_one(child, Signal::STOP)?;
    } else {
        signal_one(child, signal)?;
    }
    for pid in children(child) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
    if signal == Signal::KILL {
        signal_one(child, signal)?;
    }
    Ok(())
}

fn children(child: &Child) -> Vec<Pid> {
    let id = child.id();
    let list = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_ascii_whitespace()
        .filter_map(|number| Pid::from_raw(number.parse().ok()?))
        .collect()
}

/// Sends a signal to a server alone.
pub fn signal_one(child: &Child, signal: Signal) -> Result<()> {
    kill_process(Pid::from_child(child), signal).context("cannot send a signal to the server")
}

/// `kill -9` to the server and all its processes.
pub fn kill(child: &mut Child) -> Result<()> {
    if child.try_wait()?.is_none() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_server_leaves_none_of_its_processes() -> Result<()> {
        let folder = tempfile::TempDir::new()?;
        for _ in 0..20 {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 600 & sleep 600 & wait"]);
            let mut server = spawn(command, &folder.path().join("log"))?;
            let begin = Instant::now();
            while children(&server).len() < 2 {
                assert!(begin.elapsed() < PATIENCE, "it started nothing");
            }
            let started = children(&server);
            kill(&mut server)?;
            for pid in started {
                assert!(ends(pid), "{pid:?} is left");
            }
        }
        Ok(())
    }

    /// A signal takes a moment to do its work; and whoever adopts it may not have looked yet.
    fn ends(pid: Pid) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            if stat.map_or(true, |stat| stat.contains(") Z ")) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }
}
