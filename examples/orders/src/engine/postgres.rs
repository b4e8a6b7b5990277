//! [`PostgresEngine`].

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::account::Account;
use super::process::{PATIENCE, ended, free_port, kill, last_lines, signal_all, signal_one, spawn};

/// A PostgreSQL server with an empty database `orders`. Its user is `orders`, without a password; only loopback is listened on.
#[derive(Debug)]
pub struct PostgresEngine {
    port: u16,
    folder: TempDir,
    account: Option<Account>,
    programs: PathBuf,
    settings: Vec<String>,
    child: Option<Child>,
}

/// The one that tests share while any of them runs.
static SHARED: Mutex<Weak<PostgresEngine>> = Mutex::const_new(Weak::new());

impl PostgresEngine {
    /// Starts one that survives `kill -9`, but not a power cut.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        Self::with(&["fsync=off", "full_page_writes=off"]).await
    }

    /// Starts one with these settings, each `name=value`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn with(settings: &[&str]) -> Result<Self> {
        let folder = TempDir::with_prefix("orders-postgres-")?;
        let account = Account::unprivileged()?;
        if let Some(account) = account {
            account.own(folder.path())?;
        }
        let programs = programs()?;
        let data = folder.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb
            .args(["--username=orders", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--no-instructions", "--pgdata"])
            .arg(&data)
            .current_dir(folder.path());
        if let Some(account) = account {
            account.run(&mut initdb);
        }
        let made = initdb.output().context("cannot start initdb")?;
        if !made.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        }
        let mut engine = Self {
            port: free_port()?,
            folder,
            account,
            programs,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            child: None,
        };
        engine.restart().await?;
        engine.create_database("orders").await?;
        Ok(engine)
    }

    /// The server that all who ask at the same time share; each makes a database of its own with
    /// [`fresh_database`](Self::fresh_database). It is stopped with the last of them.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().await;
        if let Some(engine) = shared.upgrade() {
            return Ok(engine);
        }
        let engine = Arc::new(
            Self::with(&["fsync=off", "full_page_writes=off", "max_connections=300"]).await?,
        );
        *shared = Arc::downgrade(&engine);
        Ok(engine)
    }

    /// Makes an empty database of a new name, and gives its `postgres://…`.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn fresh_database(&self) -> Result<String> {
        let name = format!("test_{}", Uuid::now_v7().simple());
        self.create_database(&name).await?;
        Ok(self.url_of(&name))
    }

    /// `postgres://…` of the database `orders`.
    pub fn url(&self) -> String {
        self.url_of("orders")
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
        let begin = Instant::now();
        loop {
            let child = self
                .child
                .insert(spawn(self.command(), &log(&self.folder))?);
            while child.try_wait()?.is_none() {
                let connected = PgConnection::connect(&format!(
                    "postgres://orders@127.0.0.1:{}/postgres",
                    self.port
                ));
                if let Ok(Ok(connection)) =
                    tokio::time::timeout(Duration::from_secs(1), connected).await
                {
                    // It answers; how this one ends says nothing.
                    let _ = connection.close().await;
                    return Ok(());
                }
                if begin.elapsed() > PATIENCE {
                    bail!(
                        "postgres does not answer:\n{}",
                        last_lines(&log(&self.folder))
                    );
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            // Killed, it leaves a lock that is free when the last of its processes has ended.
            if begin.elapsed() > PATIENCE {
                bail!(
                    "postgres does not start:\n{}",
                    last_lines(&log(&self.folder))
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks it to stop and to end all connections, and waits until it has.
    ///
    /// # Errors
    /// It does not stop within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            signal_one(&child, Signal::INT)?;
            if let Err(error) = ended(&mut child).await {
                kill(&mut child)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// `kill -9` to all its processes.
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
        let child = self.child.as_ref().context("postgres does not run")?;
        signal_all(child, signal)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .current_dir(self.folder.path());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        if let Some(account) = self.account {
            account.run(&mut command);
        }
        command
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://orders@127.0.0.1:{}/{database}", self.port)
    }

    async fn create_database(&self, name: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.url_of("postgres")).await?;
        // The names are made here.
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(sqlx::raw_sql(create)).await?;
        connection.close().await?;
        Ok(())
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.kill();
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("log")
}

/// The folder of the newest `postgres`: where Debian puts them, else the one in `PATH`.
fn programs() -> Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let version = |folder: &Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u32>().ok())
    };
    let newest = debian
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("bin/initdb").exists())
        .max_by_key(|folder| version(folder));
    if let Some(folder) = newest {
        return Ok(folder.join("bin"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .context("PostgreSQL is not installed: install the Debian package postgresql")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn number(engine: &PostgresEngine) -> Result<i32> {
        let url = engine.url();
        let connecting = PgConnection::connect(&url);
        let mut connection = tokio::time::timeout(Duration::from_secs(2), connecting)
            .await
            .context("nobody answers")??;
        Ok(sqlx::query_scalar("SELECT n FROM kept")
            .fetch_one(&mut connection)
            .await?)
    }

    #[tokio::test]
    async fn postgres_has_its_data_again_after_it_was_killed_or_stopped() -> Result<()> {
        let mut engine = PostgresEngine::start().await?;
        let url = engine.url();
        let mut connection = PgConnection::connect(&url).await?;
        connection
            .execute("CREATE TABLE kept AS SELECT 7 AS n")
            .await?;
        engine.kill()?;
        assert!(number(&engine).await.is_err());
        engine.restart().await?;
        assert_eq!((number(&engine).await?, engine.url()), (7, url));
        engine.stop().await?;
        assert!(number(&engine).await.is_err());
        engine.restart().await?;
        assert_eq!(number(&engine).await?, 7);
        engine.pause()?;
        assert!(number(&engine).await.is_err());
        engine.resume()?;
        assert_eq!(number(&engine).await?, 7);
        Ok(())
    }
}
