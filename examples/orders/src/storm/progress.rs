//! What happens, as it happens: a bar in a terminal, plain lines in a pipe.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::client::Answers;

/// In a pipe a line tells how far it is, so often.
const SELDOM: Duration = Duration::from_secs(5);

/// Tells how far the storm is.
pub(super) struct Progress {
    begun: Instant,
    bar: Option<ProgressBar>,
    orders: u64,
    done: AtomicU64,
}

impl Progress {
    pub(super) fn new(orders: u64) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(
                Some(orders),
                indicatif::ProgressDrawTarget::stdout(),
            );
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} orders ended  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            begun: Instant::now(),
            bar,
            orders,
            done: AtomicU64::new(0),
        }
    }

    /// Something was done to the service.
    pub(super) fn say(&self, text: &str) {
        let line = format!("{:>5.1} s  {text}", self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => println!("{line}"),
        }
    }

    /// An order has come to its end.
    pub(super) fn ended(&self) {
        // Relaxed: only shown.
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Tells about the answers again and again, for ever.
    pub(super) async fn follow(&self, answers: &Answers) {
        // Relaxed: only shown.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let every = if self.bar.is_some() {
            Duration::from_millis(200)
        } else {
            SELDOM
        };
        loop {
            tokio::time::sleep(every).await;
            let text = format!(
                "{} answered, {} asked to wait, {} unavailable, {} broken off",
                read(&answers.good),
                read(&answers.limited),
                read(&answers.unavailable),
                read(&answers.broken)
            );
            if let Some(bar) = &self.bar {
                bar.set_message(text);
            } else {
                let (done, all) = (read(&self.done), self.orders);
                self.say(&format!("{done} of {all} orders ended: {text}"));
            }
        }
    }

    /// No more.
    pub(super) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
