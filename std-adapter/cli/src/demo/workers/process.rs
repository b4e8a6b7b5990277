//! [`Process`]: a worker as its parent sees it.

use super::worker::{self, Calls};
use anyhow::Context;
use fuseboard::{Clock, MonotonicClock, Nanos};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// What a worker says.
#[derive(Debug)]
pub(super) enum Message {
    /// It waits for the start.
    Ready,
    /// Its first call was rejected, so long after the start.
    Open(Duration),
    /// It has made all its calls.
    End(Calls),
    /// It says nothing more.
    Gone,
}

/// A running worker, killed when dropped.
pub(super) struct Process {
    _child: Child,
    orders: ChildStdin,
}

impl Process {
    /// Starts this program once more, as a worker.
    pub(super) fn start(
        arguments: &worker::Arguments,
        sender: UnboundedSender<(u32, Message)>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(arguments.to_command_line())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a worker")?;
        let orders = child.stdin.take().context("a worker without input")?;
        let output = child.stdout.take().context("a worker without output")?;
        let index = arguments.index;
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(message) = read(&line) {
                    let _ = sender.send((index, message));
                }
            }
            let _ = sender.send((index, Message::Gone));
        });
        Ok(Self {
            _child: child,
            orders,
        })
    }

    /// Lets it begin at a moment of the clock that all processes share.
    pub(super) async fn go(&mut self, moment: Nanos) -> anyhow::Result<()> {
        let order = format!("{}\n", moment.get());
        let sent = self.orders.write_all(order.as_bytes()).await;
        sent.context("a worker ended before it began")
    }
}

/// One moment on both clocks.
pub(super) fn start_in(time: Duration) -> (Instant, Nanos) {
    let moment = MonotonicClock.now().saturating_add(time.into());
    (Instant::now() + time, moment)
}

fn read(line: &str) -> Option<Message> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "ready" => Some(Message::Ready),
        "open" => Some(Message::Open(Duration::from_micros(rest.parse().ok()?))),
        "end" => Some(Message::End(Calls::read(rest)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::load::Ending;

    #[test]
    fn what_a_worker_says_is_what_its_parent_reads() {
        let mut calls = Calls::default();
        calls.add(Duration::from_micros(1_500), Ending::Served);
        calls.add(Duration::from_micros(41_500), Ending::Rejected);
        let Some(Message::End(read_back)) = read(&format!("end {calls}")) else {
            panic!("it is read");
        };
        assert_eq!(read_back, calls);
        assert!(matches!(read("open 1500"), Some(Message::Open(at)) if at.as_micros() == 1_500));
        assert!(matches!(read("ready"), Some(Message::Ready)));
        assert!(read("end 5 x").is_none() && read("open").is_none() && read("").is_none());
    }
}
