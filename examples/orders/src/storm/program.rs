//! One of our own programs, as a process that can be killed and started again on the same port.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::serve::END_WITH_PARENT;

/// A program starts, or ends in order, within this.
const PATIENCE: Duration = Duration::from_secs(40);

/// One of our own programs.
pub(super) struct Program {
    name: &'static str,
    arguments: Vec<OsString>,
    log: PathBuf,
    /// Answers 200 when it is there.
    ready: String,
    child: Option<Child>,
}

impl Program {
    /// One that is not started yet; it writes to a log in `folder`, and answers at `ready` when it is there.
    pub(super) fn new(
        name: &'static str,
        arguments: Vec<OsString>,
        folder: &Path,
        ready: String,
    ) -> Self {
        Self {
            name,
            arguments,
            log: folder.join(format!("{}.log", name.replace(' ', "-"))),
            ready,
            child: None,
        }
    }

    /// Starts it and waits until it answers.
    pub(super) async fn start(&mut self, client: &reqwest::Client) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(std::env::current_exe().context("where this program is")?);
        command
            .args(&self.arguments)
            .env(END_WITH_PARENT, "1")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        self.child = Some(child);
        let begun = Instant::now();
        loop {
            let asked = client
                .get(&self.ready)
                .timeout(Duration::from_secs(2))
                .send();
            if asked.await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?;
            if let Some(status) = ended.flatten() {
                bail!(
                    "{} ended with {status}; its log: {}",
                    self.name,
                    self.log.display()
                );
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "{} is not ready after {PATIENCE:?}; its log: {}",
                    self.name,
                    self.log.display()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, as Kubernetes does, and waits: it must end by itself, in order.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        kill_process(Pid::from_child(&child), Signal::TERM).context("cannot send SIGTERM")?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!(
                    "{} ended with {status}; its log: {}",
                    self.name,
                    self.log.display()
                );
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                bail!(
                    "{} did not end within {PATIENCE:?} of SIGTERM; its log: {}",
                    self.name,
                    self.log.display()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It is ending anyway.
        let _ = self.kill();
    }
}
