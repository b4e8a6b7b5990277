//! Where and with what a run was made.

use std::fmt;
use std::fs;
use std::process::Command;

/// The machine and the versions.
pub struct Setting {
    date: String,
    processor: String,
    cores: usize,
    load: String,
    compiler: String,
    peers: String,
}

/// The peers whose versions are told.
const PEERS: [&str; 10] = [
    "better-bucket",
    "failsafe",
    "governor",
    "leaky-bucket",
    "recloser",
    "seatbelt",
    "tokio",
    "tower",
    "tower-resilience-circuitbreaker",
    "tower-resilience-ratelimiter",
];

impl Setting {
    /// Reads it, as far as the system tells.
    pub fn read() -> Self {
        let unknown = || "unknown".to_owned();
        let processor = fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| {
                let line = text.lines().find(|line| line.starts_with("model name"))?;
                Some(line.split_once(": ")?.1.to_owned())
            })
            .unwrap_or_else(unknown);
        let load = fs::read_to_string("/proc/loadavg")
            .ok()
            .and_then(|text| text.split(' ').next().map(str::to_owned))
            .unwrap_or_else(unknown);
        Self {
            date: said("date", &["-u", "+%F %H:%M UTC"]).unwrap_or_else(unknown),
            processor,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load,
            compiler: said("rustc", &["--version"]).unwrap_or_else(unknown),
            peers: PEERS.map(version).join(", "),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; {}, {} cores; load {} at the end; {}.\nPeers: {}.",
            self.date, self.processor, self.cores, self.load, self.compiler, self.peers
        )
    }
}

/// The version of a package that this was built with.
fn version(package: &str) -> String {
    let lock = include_str!("../../../../Cargo.lock");
    let version = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("?", |(version, _)| version);
    format!("{package} {version}")
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_version() {
        for peer in PEERS.map(version) {
            assert!(!peer.ends_with('?'), "{peer}");
        }
    }
}
