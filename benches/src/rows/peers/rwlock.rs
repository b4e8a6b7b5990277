//! A breaker as it is often written down first, and seldom changed: state, failures and the time of
//! the last one, each behind a lock of its own.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;
use tokio::sync::RwLock;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

pub(super) struct ThreeLocks {
    state: RwLock<State>,
    failures: RwLock<u32>,
    last_failure: RwLock<Option<Instant>>,
    threshold: u32,
}

impl ThreeLocks {
    pub(super) fn new(threshold: u32) -> Self {
        Self {
            state: RwLock::new(State::Closed),
            failures: RwLock::new(0),
            last_failure: RwLock::new(None),
            threshold,
        }
    }

    /// Succeeds so many times, as far as it is let.
    pub(super) fn calls(&self, times: u64) {
        block_on(async {
            for _ in 0..times {
                black_box(self.call(true).await);
            }
        });
    }

    pub(super) fn call_once(&self, succeeds: bool) {
        block_on(self.call(succeeds));
    }

    async fn call(&self, succeeds: bool) -> bool {
        if !self.may_pass().await {
            return false;
        }
        if black_box(succeeds) {
            *self.failures.write().await = 0;
            *self.state.write().await = State::Closed;
        } else {
            let mut failures = self.failures.write().await;
            *failures += 1;
            *self.last_failure.write().await = Some(Instant::now());
            if *failures >= self.threshold {
                *self.state.write().await = State::Open;
            }
        }
        true
    }

    async fn may_pass(&self) -> bool {
        let state = *self.state.read().await;
        if state != State::Open {
            return true;
        }
        let last = *self.last_failure.read().await;
        if last.is_some_and(|at| at.elapsed() < crate::rows::NEVER) {
            return false;
        }
        *self.state.write().await = State::HalfOpen;
        true
    }
}

/// Drives a future on this thread, which sleeps while there is nothing to do.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
