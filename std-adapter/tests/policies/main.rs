//! Every policy on paused time: what it promises, dropped at every await point, and when the call inside panics.

mod adaptive;
mod blocking;
mod cache;
mod chaos;
mod coalesce;
mod codel;
mod drops;
mod failover;
mod fallback;
mod hedge;
mod isolation;
mod keyed;
mod pipeline;
mod queue;
mod random_pipelines;
mod rate_limit;
mod retry;
mod saga;
mod tally;
mod throttle;
mod timeout;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Ends at once, without a runtime.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
