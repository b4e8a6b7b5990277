//! [`RedisEngine`].

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{PATIENCE, free_port, kill, last_lines, signal_all, signal_one, spawn};

/// A Redis server that appends what it is told to a file, so that it is there again after a restart.
#[derive(Debug)]
pub struct RedisEngine {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisEngine {
    /// Starts an empty one. `REDIS_SERVER` names another program than `redis-server`.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        let mut engine = Self {
            port: free_port()?,
            folder: TempDir::with_prefix("orders-redis-")?,
            child: None,
        };
        engine.restart().await?;
        Ok(engine)
    }

    /// `redis://…`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The port, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again on the same port and data; one that runs is killed first.
    ///
    /// # Errors
    /// It does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        command
            .args(["--bind", "127.0.0.1", "--protected-mode", "no"])
            .args(["--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(self.folder.path());
        let child = spawn(command, &self.log()).context("install redis-server")?;
        let child = self.child.insert(child);
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port))?;
        let begin = Instant::now();
        let answers = async || -> Result<()> {
            let wait = Duration::from_secs(1);
            let mut connection =
                tokio::time::timeout(wait, client.get_multiplexed_async_connection()).await??;
            // While it reads its file it answers LOADING.
            tokio::time::timeout(wait, redis::cmd("PING").exec_async(&mut connection)).await??;
            Ok(())
        };
        while let Err(error) = answers().await {
            if child.try_wait()?.is_some() || begin.elapsed() > PATIENCE {
                bail!(
                    "redis-server does not answer ({error:#}):\n{}",
                    last_lines(&self.log())
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// It does not stop within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            signal_one(&child, Signal::TERM)?;
            if let Err(error) = super::process::ended(&mut child).await {
                kill(&mut child)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .take()
            .map_or(Ok(()), |mut child| kill(&mut child))
    }

    /// Stops it where it stands: it keeps its connections and answers nobody.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("redis-server does not run")?;
        signal_all(child, signal)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(engine: &RedisEngine, command: &[&str]) -> Result<Option<String>> {
        let client = redis::Client::open(engine.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut asked = redis::cmd(command[0]);
        for argument in &command[1..] {
            asked.arg(argument);
        }
        Ok(asked.query_async(&mut connection).await?)
    }

    #[tokio::test]
    async fn redis_has_its_data_again_after_it_was_stopped() -> Result<()> {
        let mut engine = RedisEngine::start().await?;
        let url = engine.url();
        ask(&engine, &["SET", "a", "1"]).await?;
        engine.stop().await?;
        assert!(ask(&engine, &["GET", "a"]).await.is_err());
        engine.restart().await?;
        assert_eq!(engine.url(), url);
        assert_eq!(ask(&engine, &["GET", "a"]).await?.as_deref(), Some("1"));
        engine.kill()?;
        assert!(ask(&engine, &["GET", "a"]).await.is_err());
        Ok(())
    }
}
