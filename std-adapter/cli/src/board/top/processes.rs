//! [`Process`]: who is attached to a board, with what the system says of each.

use fuseboard::Board;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Clock ticks a second in what Linux tells programs, on every architecture.
const TICKS: u64 = 100;

/// An attached process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) owner: u16,
    pub(crate) id: u32,
    pub(crate) is_alive: bool,
    /// Its command's name; `None`: the system does not tell, as of one in another container.
    pub(crate) command: Option<String>,
    pub(crate) age: Option<Duration>,
}

impl Process {
    pub(crate) fn json(&self) -> Value {
        json!({
            "owner": self.owner,
            "process": self.id,
            "is_alive": self.is_alive,
            "command": self.command,
            "age_seconds": self.age.map(|age| age.as_secs_f64()),
        })
    }
}

/// Who is attached, by number on the board. The dead have no command: their process id may be another's by now.
pub(crate) fn attached(board: &Board) -> Vec<Process> {
    let up = uptime();
    let attached = board.attached().into_iter();
    attached
        .map(|process| {
            let path = format!("/proc/{}", process.process);
            let told = |name| {
                let text = fs::read_to_string(format!("{path}/{name}")).ok();
                text.filter(|_| process.is_alive)
            };
            Process {
                owner: process.owner.index(),
                id: process.process,
                is_alive: process.is_alive,
                command: told("comm").map(|name| name.trim_end().to_owned()),
                age: told("stat").and_then(|stat| up?.checked_sub(started(&stat)?)),
            }
        })
        .collect()
}

/// Since the machine started.
fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// When a process started, from the machine's start: the 22nd field, of which the second may have spaces in it.
fn started(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Some(Duration::from_millis(ticks.checked_mul(1_000 / TICKS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_have_any_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4250 20";
        assert_eq!(started(stat), Some(Duration::from_millis(42_500)));
        assert_eq!(started("7 (short) S 1"), None);
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(started(&own) <= uptime());
    }
}
