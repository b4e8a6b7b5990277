//! Addresses to listen on, taken before anything else starts.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;

/// Takes an address.
///
/// # Errors
/// Somebody else has it, it is none of this machine, or it is not allowed; with what to do.
pub async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let taken = TcpListener::bind(address).await;
    taken.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "port {} of {} is taken; end the program that has it, or choose another with {flag} (0 takes a free one)",
            address.port(),
            address.ip()
        ),
        ErrorKind::AddrNotAvailable => anyhow!(
            "{} is no address of this machine; choose one with --host, such as 127.0.0.1 or 0.0.0.0",
            address.ip()
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "port {} may not be taken by this user; choose one from 1024 on with {flag}",
            address.port()
        ),
        _ => anyhow!(error).context(format!("cannot listen on {address}")),
    })
}

/// Where it listens, with the port that was found when any would do.
///
/// # Errors
/// The system does not say.
pub fn address_of(listener: &TcpListener) -> anyhow::Result<SocketAddr> {
    listener.local_addr().context("a listener has an address")
}
