//! Calls that hang, with futures and without, hold neither their callers nor anything but their own places.

use fuseboard::{ConcurrencyQueue, TaskIsolation, ThreadIsolation};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Threads: for code without futures, and the only way to give it a time limit.
    let legacy = ThreadIsolation::new("legacy", 1, 0)?;
    let hangs = || {
        std::thread::sleep(Duration::from_secs(9));
        Ok::<_, std::io::Error>("late")
    };
    // Its thread may not be up yet: then there is no place for a moment.
    let limit = Duration::from_millis(300);
    let late = loop {
        match legacy.call_blocking(limit, hangs) {
            Err(error) if error.is_rejected() => std::thread::yield_now(),
            end => break end,
        }
    };
    println!("threads: {}", late.expect_err("it hangs"));
    let next = legacy.call_blocking(limit, || Ok::<_, std::io::Error>("never made"));
    println!("threads: {}", next.expect_err("the only thread is busy"));

    // Tasks: on a runtime of their own.
    let reports = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()?;
    let isolation = TaskIsolation::new(ConcurrencyQueue::new(1)?, reports.handle().clone());
    let caller = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    caller.block_on(async {
        let hangs = std::future::pending::<Result<(), std::io::Error>>();
        let call = tokio::time::timeout(limit, isolation.call(hangs));
        println!("tasks: gave up: {}", call.await.is_err());
    });
    Ok(())
}
