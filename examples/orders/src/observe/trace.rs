//! One trace from a client's request to the read model: the gateway's span is the parent of the service's, the event carries the
//! context on (`traceparent` in its metadata), and what handles the event later links to it.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::lane::Lane;
use crate::store::StoredEvent;

/// W3C's name of it.
pub const TRACEPARENT: &str = "traceparent";

/// Middleware: a span for each request, whose context takes the place of the one that came in, for handlers to read and hand on.
pub async fn traced(State(lane): State<Arc<Lane>>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = %method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    let came = received(request.headers());
    if let Some(came) = &came {
        // Without a collector there is nothing to set it on.
        let _ = span.set_parent(Context::new().with_remote_span_context(came.clone()));
    }
    let own = context(&span).unwrap_or_else(|| child(came.as_ref()));
    if let Ok(value) = HeaderValue::from_str(&written(&own)) {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    let begun = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    lane.answered(status, begun.elapsed());
    response
}

/// A span around the handling of an event, linked to the request that it came from: not its child, as that has long ended.
pub fn handling(name: &'static str, event: &StoredEvent) -> Span {
    let span = tracing::info_span!(
        "handle",
        otel.name = name,
        otel.kind = "consumer",
        orders.order = %event.stream,
        orders.event = event.kind,
        orders.position = event.position,
    );
    if let Some(from) = event.metadata.traceparent.as_deref().and_then(parsed) {
        span.add_link_with_attributes(
            from,
            vec![KeyValue::new(
                "correlation.id",
                event.metadata.correlation_id.to_string(),
            )],
        );
    }
    span
}

/// A span around the storing of events: a call of the database's, in the request's trace.
pub fn appending(stream: uuid::Uuid, events: usize) -> Span {
    tracing::info_span!(
        "append",
        otel.name = "append orders",
        otel.kind = "client",
        orders.order = %stream,
        orders.events = events,
    )
}

/// A span around the publishing of events, linked to the requests that they come from; of a long batch to the first ones.
pub fn publishing(events: &[StoredEvent]) -> Span {
    const LINKS: usize = 32;
    let span = tracing::info_span!(
        parent: None,
        "publish",
        otel.name = "send orders.events",
        otel.kind = "producer",
        orders.events = events.len(),
    );
    for event in events.iter().take(LINKS) {
        if let Some(from) = event.metadata.traceparent.as_deref().and_then(parsed) {
            span.add_link(from);
        }
    }
    span
}

/// The `traceparent` of the current span, for a request that leaves.
pub fn current() -> Option<String> {
    context(&Span::current()).map(|own| written(&own))
}

fn context(span: &Span) -> Option<SpanContext> {
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then_some(own)
}

/// The trace goes on, also where nobody collects: events keep it, and so do the services behind.
fn child(of: Option<&SpanContext>) -> SpanContext {
    let span = SpanId::from(rand::random::<u64>().max(1));
    match of {
        Some(of) => SpanContext::new(
            of.trace_id(),
            span,
            of.trace_flags(),
            true,
            TraceState::default(),
        ),
        None => SpanContext::new(
            TraceId::from(rand::random::<u128>().max(1)),
            span,
            TraceFlags::default(),
            true,
            TraceState::default(),
        ),
    }
}

fn received(headers: &HeaderMap) -> Option<SpanContext> {
    parsed(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// Version 00: `00-<trace>-<span>-<flags>`, in lower case. Anything else begins a trace of its own.
fn parsed(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let known = version == "00" && parts.next().is_none();
    if !(known && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2)) {
        return None;
    }
    let own = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    own.is_valid().then_some(own)
}

fn written(own: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        own.trace_id(),
        own.span_id(),
        own.trace_flags().to_u8()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_and_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let own = parsed(text).expect("a context");
        assert_eq!(written(&own), text);
        let next = child(Some(&own));
        assert_eq!(next.trace_id(), own.trace_id());
        assert_ne!(next.span_id(), own.span_id());
    }

    #[test]
    fn what_is_none_begins_a_trace_of_its_own() {
        for wrong in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-\u{e9}bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
        assert!(child(None).is_valid());
    }
}
