//! [`Cut`]: a wire to a server that can be cut in the middle of an answer.

use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on until it is told to cut.
#[derive(Debug)]
pub struct Cut {
    port: u16,
    /// Where it leads.
    to: Arc<AtomicU16>,
    /// Bytes of answers that still pass; negative: all.
    left: Arc<AtomicI64>,
}

impl Cut {
    /// A wire to the server at `port`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let wire = Self {
            port: listener.local_addr()?.port(),
            to: Arc::new(AtomicU16::new(port)),
            left: Arc::new(AtomicI64::new(-1)),
        };
        let (to, left) = (Arc::clone(&wire.to), Arc::clone(&wire.left));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let port = to.load(Ordering::Relaxed);
                tokio::spawn(pass(client, port, Arc::clone(&left)));
            }
        });
        Ok(wire)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// The wire is cut when so many bytes of answers more have passed.
    pub fn cut_after(&self, bytes: i64) {
        // Relaxed, here and below: a number on its own.
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// New connections lead to the server at `port`, as a name does after a failover.
    pub fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }

    /// New connections pass everything.
    pub fn mend(&self) {
        self.left.store(-1, Ordering::Relaxed);
    }
}

async fn pass(client: TcpStream, port: u16, left: Arc<AtomicI64>) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asking =
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut bytes = [0; 4096];
    loop {
        let count = from_server.read(&mut bytes).await?;
        let allowed = left.load(Ordering::Relaxed);
        let passing = if allowed < 0 {
            count
        } else {
            count.min(allowed as usize)
        };
        to_client.write_all(&bytes[..passing]).await?;
        if count == 0 || passing < count {
            asking.abort();
            return Ok(());
        }
    }
}
