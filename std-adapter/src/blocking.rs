//! [`block_on`]: a future driven by the thread that asks, without a runtime.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The future's end, or `None` when it has not come within `max_wait`; the future is dropped then.
pub(crate) fn block_on<F: Future>(future: F, max_wait: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let started = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = max_wait.checked_sub(started.elapsed())?;
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
