//! [`Traced`]: a breaker whose calls tell the current span what became of them, or get a span of their own.

use crate::breaker::{CircuitBreaker, CircuitBreakerError};
use crate::clock::Clock;
use crate::telemetry::metrics::span::{
    CALLS, DURATION, ERROR_TYPE, FAILURE_RATE, FAILURES, REJECTED, REJECTED_BY, RESULT, STATE,
    TRANSITION, call_span,
};
use crate::telemetry::metrics::{NAME, SCOPE, count};
use fuseboard_core::{Outcome, State};
use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use std::time::Instant;

/// A breaker whose calls can be seen in traces.
///
/// By default a call that is admitted costs nothing more, and one that is rejected says so in the span that is current, if that is
/// recorded. With [`with_spans`](Self::with_spans) each call has a span of its own, which costs as much as spans do.
#[derive(Debug)]
pub struct Traced<C> {
    breaker: CircuitBreaker<C>,
    tracer: Option<BoxedTracer>,
}

impl<C: Clock> Traced<C> {
    /// Rejections show in the span that is current.
    pub fn new(breaker: &CircuitBreaker<C>) -> Self {
        Self {
            breaker: breaker.clone(),
            tracer: None,
        }
    }

    /// Each call has a span, `circuit_breaker.call.NAME`, of the global tracer provider.
    #[must_use]
    pub fn with_spans(mut self) -> Self {
        self.tracer = Some(global::tracer(SCOPE));
        self
    }

    /// The breaker.
    pub fn breaker(&self) -> &CircuitBreaker<C> {
        &self.breaker
    }

    /// Makes a call under the breaker: `Ok` counts as success, `Err` as failure.
    ///
    /// # Errors
    /// As [`CircuitBreaker::call`].
    pub async fn call<F, T, E>(&self, operation: F) -> Result<T, CircuitBreakerError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let by_result = |result: &Result<T, E>| match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        };
        self.call_with(operation, by_result).await
    }

    /// Makes a call whose end `classify` judges.
    ///
    /// # Errors
    /// As [`CircuitBreaker::call_with`].
    pub async fn call_with<F, T, E, K>(
        &self,
        operation: F,
        classify: K,
    ) -> Result<T, CircuitBreakerError<E>>
    where
        F: Future<Output = Result<T, E>>,
        K: FnOnce(&Result<T, E>) -> Outcome,
    {
        let Some(tracer) = &self.tracer else {
            let result = self.breaker.call_with(operation, classify).await;
            if let Err(error) = &result
                && error.is_rejected()
            {
                self.say_rejected();
            }
            return result;
        };
        let (before, begun) = (self.breaker.state(), Instant::now());
        let builder = tracer
            .span_builder(call_span(self.breaker.name()))
            .with_kind(SpanKind::Internal)
            .with_attributes([KeyValue::new(NAME, self.breaker.name().to_owned())]);
        let context = Context::current_with_span(tracer.build(builder));
        let mut judged = None;
        let classify = |result: &Result<T, E>| {
            let outcome = classify(result);
            judged = Some(outcome);
            outcome
        };
        // Dropped with the future: what is left of a cancelled call is a span without a result.
        let call = self.breaker.call_with(operation, classify);
        let result = call.with_context(context.clone()).await;
        self.say_all(&context, before, judged, begun);
        result
    }

    fn say_rejected(&self) {
        Context::map_current(|context| {
            let span = context.span();
            if span.is_recording() {
                span.set_attributes([
                    KeyValue::new(NAME, self.breaker.name().to_owned()),
                    KeyValue::new(REJECTED_BY, "circuit_breaker"),
                    KeyValue::new(STATE, self.breaker.state().as_str()),
                ]);
            }
        });
    }

    fn say_all(&self, context: &Context, before: State, judged: Option<Outcome>, begun: Instant) {
        let span = context.span();
        if span.is_recording() {
            let snapshot = self.breaker.snapshot();
            let (result, error) = match judged {
                Some(Outcome::Success) => ("success", None),
                Some(Outcome::Failure) => ("failure", Some("_OTHER")),
                Some(_) => ("ignored", None),
                None => ("rejected", Some("circuit_open")),
            };
            span.set_attributes([
                KeyValue::new(STATE, snapshot.state.as_str()),
                KeyValue::new(RESULT, result),
                KeyValue::new(CALLS, count(snapshot.totals.calls)),
                KeyValue::new(FAILURES, count(snapshot.totals.failures)),
                KeyValue::new(REJECTED, count(snapshot.totals.rejected)),
                KeyValue::new(FAILURE_RATE, snapshot.window.failure_rate()),
                KeyValue::new(DURATION, begun.elapsed().as_secs_f64()),
            ]);
            if snapshot.state != before {
                let change = format!("{before} -> {}", snapshot.state);
                span.set_attribute(KeyValue::new(TRANSITION, change));
            }
            if let Some(error) = error {
                span.set_attribute(KeyValue::new(ERROR_TYPE, error));
                span.set_status(Status::error(result));
            }
        }
        span.end();
    }
}
