//! Futures driven by hand.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// How far the paused clock moves between two polls.
pub const STEP: Duration = Duration::from_millis(10);

/// Polls once, within the runtime.
pub async fn poll<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Makes the future anew for each number of polls, until it ends by itself, and drops it after so many of them;
/// gives the number of polls that it took.
pub async fn at_every_point<S, F: Future>(
    make: impl Fn() -> (S, F),
    check: impl Fn(&S, &str),
) -> u32 {
    for polls in 0..1_000 {
        let (state, future) = make();
        let mut future = Box::pin(future);
        let mut has_ended = false;
        for _ in 0..polls {
            has_ended = poll(future.as_mut()).await.is_ready();
            if has_ended {
                break;
            }
            tokio::time::advance(STEP).await;
        }
        drop(future);
        check(&state, &format!("dropped after {polls} polls"));
        if has_ended {
            return polls;
        }
    }
    panic!("it never ends");
}

/// Polls until it panics; gives whether it did.
pub async fn panics<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    for _ in 0..1_000 {
        let polled = poll_fn(|context| {
            let poll = || future.as_mut().poll(context).is_ready();
            Poll::Ready(catch_unwind(AssertUnwindSafe(poll)))
        });
        match polled.await {
            Err(_) => return true,
            Ok(true) => return false,
            Ok(false) => tokio::time::advance(STEP).await,
        }
    }
    panic!("it never ends");
}
