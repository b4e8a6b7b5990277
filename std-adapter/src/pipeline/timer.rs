//! [`block_on`]: a pipeline driven by the thread that asks, with one timer thread for all of them.

use crate::blocking;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

/// Drives a future with timers in it to its end, outside of any runtime: what it calls may block, or drive another.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let timers = timers().clone();
    let inside = async {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            // Timers are made in the context of the runtime that has them.
            let _entered = timers.enter();
            future.as_mut().poll(context)
        })
        .await
    };
    match blocking::block_on(inside, Duration::MAX) {
        Some(output) => output,
        None => unreachable!("the longest of times has not passed"),
    }
}

/// The runtime of the timers, on a thread that does nothing else.
fn timers() -> &'static Handle {
    static TIMERS: OnceLock<Handle> = OnceLock::new();
    TIMERS.get_or_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime with timers alone needs nothing of the system");
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("fuseboard-timer".to_owned())
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .expect("blocking pipelines need a thread for their timers");
        handle
    })
}
