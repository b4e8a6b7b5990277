//! The trace of a request is that of all calls made for it, whichever policy makes them, and wherever they run.

use fuseboard::{
    Backoff, CircuitBreaker, CircuitBreakerConfig, Coalesce, ConcurrencyQueue, Failover, Hedge,
    Pipeline, Retry, RetryConfig, TaskIsolation, ThreadIsolation,
};
use opentelemetry::trace::{
    FutureExt, SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, trace};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TRACE: TraceId = TraceId::from_bytes([7; 16]);

/// As a request's `traceparent` names it.
fn request() -> Context {
    let span = SpanContext::new(
        TRACE,
        SpanId::from_bytes([3; 8]),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    Context::new().with_remote_span_context(span)
}

/// Notes in which trace each call is made.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<TraceId>>>);

impl Calls {
    fn note(&self) -> usize {
        let mut seen = self.0.lock().expect("no call panics");
        let context = Context::current();
        seen.push(
            trace::TraceContextExt::span(&context)
                .span_context()
                .trace_id(),
        );
        seen.len()
    }

    /// Fails until the `good` call.
    async fn until(&self, good: usize) -> io::Result<()> {
        let calls = self.note();
        // Where a context is only set aside while a future waits, it must come back.
        tokio::task::yield_now().await;
        self.note();
        if calls > 2 * (good - 1) {
            return Ok(());
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn assert_in_the_trace(&self, least: usize) {
        let seen = self.0.lock().expect("no call panics");
        assert!(
            seen.len() >= least,
            "{} looks, {least} expected",
            seen.len()
        );
        assert!(seen.iter().all(|&trace| trace == TRACE), "{seen:?}");
    }
}

fn retry() -> RetryConfig {
    RetryConfig {
        backoff: Backoff::constant(Duration::from_millis(1)),
        ..RetryConfig::default()
    }
}

#[tokio::test]
async fn o2_each_attempt_is_in_the_trace_of_its_request() {
    let calls = Calls::default();
    let retry = Retry::new(retry()).expect("good");
    let result = retry.call(|| calls.until(3)).with_context(request()).await;
    result.expect("the third succeeds");
    calls.assert_in_the_trace(6);
}

#[tokio::test]
async fn o2_both_sides_of_a_hedge_are_in_the_trace_of_their_request() {
    let calls = Calls::default();
    let hedge = Hedge::new(Duration::from_millis(1)).expect("good");
    let slow_once = || async {
        if calls.note() == 1 {
            std::future::pending::<()>().await;
        }
        calls.note();
        Ok::<_, io::Error>(())
    };
    let result = hedge.call(slow_once).with_context(request()).await;
    result.expect("the second answers");
    calls.assert_in_the_trace(3);
}

#[tokio::test]
async fn o2_a_pipeline_and_the_next_endpoint_keep_the_trace() {
    let calls = Calls::default();
    let breaker = CircuitBreaker::new("payments", CircuitBreakerConfig::default());
    let pipeline = Pipeline::builder()
        .timeout(Duration::from_secs(60))
        .retry(retry())
        .breaker(breaker)
        .concurrency(ConcurrencyQueue::new(1).expect("good"))
        .timeout(Duration::from_secs(10))
        .build()
        .expect("in order");
    let result = pipeline
        .call(|| calls.until(2))
        .with_context(request())
        .await;
    result.expect("the second succeeds");
    calls.assert_in_the_trace(4);

    let calls = Calls::default();
    let coalesce = Coalesce::new();
    let read = coalesce.call("key", || async { calls.until(1).await.is_ok() });
    assert!(read.with_context(request()).await, "the first succeeds");
    calls.assert_in_the_trace(2);

    let calls = Calls::default();
    let regions = Failover::new(["east", "west"], CircuitBreakerConfig::default()).expect("two");
    let result = regions
        .call(|_| calls.until(2))
        .with_context(request())
        .await;
    result.expect("the second succeeds");
    calls.assert_in_the_trace(4);
}

#[tokio::test]
async fn o2_a_call_on_another_task_or_thread_is_in_the_trace_of_its_request() {
    let calls = Calls::default();
    let places = ConcurrencyQueue::new(1).expect("good");
    let tasks = TaskIsolation::new(places, tokio::runtime::Handle::current());
    let (counted, there) = (calls.clone(), async |calls: Calls| calls.until(1).await);
    let result = tasks.call(async move { there(counted).await });
    result.with_context(request()).await.expect("succeeds");
    calls.assert_in_the_trace(2);

    let calls = Calls::default();
    let threads = ThreadIsolation::new("disk", 1, 1).expect("a thread");
    let counted = calls.clone();
    let result = threads.call(move || Ok::<_, io::Error>(counted.note()));
    result.with_context(request()).await.expect("succeeds");
    let counted = calls.clone();
    let entered = request().attach();
    let result = threads.call_blocking(Duration::from_secs(60), move || {
        Ok::<_, io::Error>(counted.note())
    });
    drop(entered);
    result.expect("succeeds");
    calls.assert_in_the_trace(2);

    // The thread itself is in none: what was lent went back.
    let calls = Calls::default();
    let counted = calls.clone();
    let result = threads
        .call(move || Ok::<_, io::Error>(counted.note()))
        .await;
    result.expect("succeeds");
    assert_eq!(*calls.0.lock().expect("no call panics"), [TraceId::INVALID]);
}
