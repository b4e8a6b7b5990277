//! [`Server`]: a `redis-server` of a test's own, on loopback.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server starts, and a cluster agrees, within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; dropped, it is killed and its files are gone.
#[derive(Debug)]
pub struct Server {
    port: u16,
    options: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// An empty one that keeps nothing on disk.
    ///
    /// # Errors
    /// `redis-server` cannot be started, with what to install.
    pub fn start() -> Result<Self> {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// One with these options of `redis-server`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn with(options: &[&str]) -> Result<Self> {
        let mut server = Self {
            port: free_port()?,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            folder: TempDir::new()?,
            child: None,
        };
        server.restart()?;
        Ok(server)
    }

    /// Starts it again, at the same port, with what it has kept.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        let child = Command::new(&program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--protected-mode", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}: install redis-server", program.display()))?;
        self.child = Some(child);
        eventually("the server answers", || {
            Ok(self.query(&["PING"]).is_ok_and(|pong| pong == "PONG"))
        })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Stops it where it is; it keeps its connections and answers nobody.
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
        let child = self.child.as_ref().context("the server does not run")?;
        kill_process(Pid::from_child(child), signal)?;
        Ok(())
    }

    /// What it answers to one command, as text.
    ///
    /// # Errors
    /// It does not answer, or with an error.
    pub fn query(&self, words: &[&str]) -> Result<String> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let value: redis::Value = command.query(&mut connection)?;
        Ok(match value {
            redis::Value::SimpleString(text) => text,
            redis::Value::Okay => "OK".to_owned(),
            redis::Value::Nil => String::new(),
            redis::Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            redis::Value::Int(number) => number.to_string(),
            other => format!("{other:?}"),
        })
    }

    /// Every key, with the milliseconds that it has left.
    ///
    /// # Errors
    /// It does not answer.
    pub fn keys(&self) -> Result<Vec<(String, i64)>> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        let names: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection)?;
        let left = |name: String| {
            let left: i64 = redis::cmd("PTTL").arg(&name).query(&mut connection)?;
            Ok((name, left))
        };
        names.into_iter().map(left).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Stopped processes cannot be asked to end, so it is killed; a test that fails must not hang here.
        let _ = self.kill();
    }
}

/// Three servers that share the slots among them.
#[derive(Debug)]
pub struct Cluster {
    /// Its servers.
    pub servers: Vec<Server>,
}

impl Cluster {
    /// A new one of three.
    ///
    /// # Errors
    /// A server cannot be started, or they do not agree.
    pub fn start() -> Result<Self> {
        let options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1000",
            "--save",
            "",
        ];
        let servers = (0..3)
            .map(|_| Server::with(&options))
            .collect::<Result<Vec<_>>>()?;
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(
            servers
                .iter()
                .map(|server| format!("127.0.0.1:{}", server.port())),
        );
        let output = create
            .arg("--cluster-yes")
            .output()
            .context("cannot run redis-cli")?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let cluster = Self { servers };
        eventually("the cluster agrees", || {
            let all = cluster
                .servers
                .iter()
                .map(|server| server.query(&["CLUSTER", "INFO"]));
            Ok(all
                .collect::<Result<Vec<_>>>()?
                .iter()
                .all(|info| info.contains("cluster_state:ok")))
        })?;
        Ok(cluster)
    }

    /// The addresses.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::url).collect()
    }

    /// Moves the slot of a key, with its keys, to another server.
    ///
    /// # Errors
    /// A server refuses.
    pub fn move_slot_of(&self, key: &str) -> Result<()> {
        // Who has a slot goes round among the servers: one that was just told may hear of an earlier owner once more, and refuses until it
        // has heard of the later.
        eventually("the slot moves", || match self.try_to_move(key) {
            Ok(()) => Ok(true),
            Err(error) if error.to_string().contains("Moved") => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn try_to_move(&self, key: &str) -> Result<()> {
        let slot = self.servers[0].query(&["CLUSTER", "KEYSLOT", key])?;
        let ids = self
            .servers
            .iter()
            .map(|server| server.query(&["CLUSTER", "MYID"]));
        let ids = ids.collect::<Result<Vec<_>>>()?;
        let has = |server: &Server| server.query(&["EXISTS", key]).is_ok();
        let from = self
            .servers
            .iter()
            .position(has)
            .context("nobody has the slot")?;
        let to = (from + 1) % self.servers.len();
        let [source, target] = [&self.servers[from], &self.servers[to]];
        target.query(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[from]])?;
        source.query(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[to]])?;
        let port = target.port().to_string();
        let migrated = source.query(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        if migrated.is_err() {
            for server in [target, source] {
                server.query(&["CLUSTER", "SETSLOT", &slot, "STABLE"])?;
            }
            return migrated.map(drop);
        }
        for server in [target, source] {
            server.query(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[to]])?;
        }
        Ok(())
    }
}

/// Waits until it is so.
///
/// # Errors
/// It never is, or cannot be found out.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !is_so()? {
        if begin.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    // A cluster's bus listens 10,000 ports above.
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if port < 55_000 && TcpStream::connect(("127.0.0.1", port + 10_000)).is_err() {
            return Ok(port);
        }
    }
}
