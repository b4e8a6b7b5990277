//! The limiters of other languages on a Redis server, and ours beside them.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Row, row, said};
use crate::place::Place;

/// What everything is held against: an `INCR` of the same client.
pub(super) const INCR: &str = "INCR";

/// A server on loopback; dropped, it ends.
pub(super) struct Server {
    child: Child,
    /// Its address.
    pub(super) url: String,
}

impl Server {
    /// One that keeps nothing on disk.
    pub(super) fn start(place: &Place) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = place.command("redis-server");
        server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
        server.args(["--save", "", "--appendonly", "no"]);
        let server = server.stdin(Stdio::null()).stdout(Stdio::null());
        let child = server.spawn().context("cannot start redis-server")?;
        let url = format!("redis://127.0.0.1:{port}/");
        let server = Self { child, url };
        for _ in 0..1_000 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("redis-server does not answer at port {port}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the same requests take of ours.
pub(super) fn from_rust(place: &Place) -> Result<Vec<Row>> {
    let mut command = place.command(&place.cargo);
    command.args(["run", "--quiet", "--release", "-p", "fuseboard-redis"]);
    command.args(["--bin", "redis-speed", "--", "--tabs"]);
    eprintln!("  $ redis-speed, for ours");
    said(command)?.lines().map(row).collect()
}
