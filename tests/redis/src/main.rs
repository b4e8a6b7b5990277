//! One host of many: asks at full speed and prints when each admitted request was sent and answered.
//!
//! `redis-worker ALGORITHM URL LIMIT WINDOW_MS LEASE MILLISECONDS`: waits for a line, then prints `SENT ANSWERED` in nanoseconds of the
//! monotonic clock, which all processes of a machine share.

use anyhow::{Context, Result, bail};
use fuseboard::redis::{
    Engine, EngineOptions, FailurePolicy, FixedWindow, Lease, LimiterOptions, RateLimiter,
    SlidingCounter, SlidingWindow, TokenBucket,
};
use fuseboard::{Clock, MonotonicClock, Nanos, Rate};
use std::io::{BufWriter, Write};
use std::time::Duration;

/// Requests in flight at once.
const TASKS: u64 = 16;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [algorithm, url, limit, window, lease, length] = &arguments[..] else {
        bail!("redis-worker ALGORITHM URL LIMIT WINDOW_MS LEASE MILLISECONDS");
    };
    let (limit, window) = (limit.parse()?, Duration::from_millis(window.parse()?));
    let length = Nanos::from_millis(length.parse()?);
    let mut options = LimiterOptions::new(FailurePolicy::Closed);
    if lease != "0" {
        options = options.lease(Lease::up_to(lease.parse()?));
    }
    // None of the requests is to be lost: where the answer is late, nobody knows whether it was admitted.
    let deadline = Duration::from_secs(10);
    let engine = Engine::with_options(url, EngineOptions { deadline })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match algorithm.as_str() {
            "bucket" => {
                let bucket = TokenBucket::new(Rate::new(limit, Nanos::from(window)), limit)?;
                flood(RateLimiter::on(&engine, &bucket, options)?, length).await
            }
            "window" => {
                flood(
                    RateLimiter::on(&engine, &SlidingWindow::new(limit, window)?, options)?,
                    length,
                )
                .await
            }
            "counter" => {
                flood(
                    RateLimiter::on(&engine, &SlidingCounter::new(limit, window)?, options)?,
                    length,
                )
                .await
            }
            "fixed" => {
                flood(
                    RateLimiter::on(&engine, &FixedWindow::new(limit, window)?, options)?,
                    length,
                )
                .await
            }
            other => bail!("no such algorithm: {other}"),
        }
    })
}

async fn flood<A: 'static>(limiter: RateLimiter<A>, length: Nanos) -> Result<()> {
    // Connected before it starts.
    let _ = limiter.peek("warm").await;
    println!("ready");
    std::io::stdin()
        .read_line(&mut String::new())
        .context("nobody says when")?;
    let end = MonotonicClock.now().saturating_add(length);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let mut admitted = Vec::new();
                loop {
                    let sent = MonotonicClock.now();
                    if sent >= end {
                        return admitted;
                    }
                    let decision = limiter.check("one for all").await;
                    assert!(!decision.is_fallback(), "{decision:?}");
                    if decision.is_allowed {
                        admitted.push((sent, MonotonicClock.now()));
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for task in tasks {
        for (sent, answered) in task.await? {
            writeln!(out, "{} {}", sent.get(), answered.get())?;
        }
    }
    out.flush()?;
    drop(out);
    limiter.close().await;
    Ok(())
}
