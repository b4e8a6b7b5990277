//! What goes along with a request, from the gateway through the services to the providers: how long anybody still waits for its answer, and
//! which trace and request it belongs to.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

/// Milliseconds that the caller will still wait; whoever gets it later than that need not begin.
pub const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// The request's name in logs, the same on its whole way.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What goes along with a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// When nobody waits for the answer any more; none where somebody waits for ever, or nobody at all.
    pub deadline: Option<Instant>,
    /// Its name in logs.
    pub request_id: Option<String>,
    /// The W3C trace context.
    pub traceparent: Option<String>,
}

tokio::task_local! {
    static CURRENT: RequestContext;
}

impl RequestContext {
    /// As the headers say. A header that cannot be read counts as absent.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let millis = text(REQUEST_TIMEOUT).and_then(|millis| millis.parse().ok());
        // A time so long that it is past the clock's end is none.
        let deadline =
            millis.and_then(|millis| Instant::now().checked_add(Duration::from_millis(millis)));
        Self {
            deadline,
            request_id: text(REQUEST_ID),
            traceparent: text(TRACEPARENT),
        }
    }

    /// That of the request which this task answers; an empty one where it answers none.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` with this as the current one.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// How long somebody still waits, but at most `limit`.
    pub fn remaining(&self, limit: Duration) -> Duration {
        self.deadline.map_or(limit, |deadline| {
            deadline
                .saturating_duration_since(Instant::now())
                .min(limit)
        })
    }

    /// Puts it into the headers of a request that this one leads to.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        let millis = self.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            left.as_millis().to_string()
        });
        for (name, value) in [
            (REQUEST_TIMEOUT, millis.as_ref()),
            (REQUEST_ID, self.request_id.as_ref()),
            (TRACEPARENT, self.traceparent.as_ref()),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// The same routes, whose handlers find the context of their request in [`RequestContext::current`].
pub fn in_context(router: Router) -> Router {
    router.layer(middleware::from_fn(async |request: Request, next: Next| {
        let context = RequestContext::from_headers(request.headers());
        let answer: Response = context.scope(next.run(request)).await;
        answer
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_with_a_request_goes_on_with_those_that_it_leads_to() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static("1500"));
        headers.insert(REQUEST_ID, HeaderValue::from_static("r1"));
        headers.insert(TRACEPARENT, HeaderValue::from_static("00-1-2-01"));
        let context = RequestContext::from_headers(&headers);
        let mut onward = HeaderMap::new();
        context
            .scope(async {
                tokio::time::advance(Duration::from_millis(400)).await;
                RequestContext::current().insert_into(&mut onward);
            })
            .await;
        assert_eq!(onward[REQUEST_TIMEOUT], "1100");
        assert_eq!(
            (&onward[REQUEST_ID], &onward[TRACEPARENT]),
            (&headers[REQUEST_ID], &headers[TRACEPARENT])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_long_enough_has_no_time_left() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static("200"));
        let context = RequestContext::from_headers(&headers);
        let limit = Duration::from_millis(150);
        assert_eq!(context.remaining(limit), limit);
        tokio::time::advance(limit).await;
        assert_eq!(context.remaining(limit), Duration::from_millis(50));
        tokio::time::advance(limit).await;
        assert_eq!(context.remaining(limit), Duration::ZERO);
        for unreadable in ["", "-1", "soon", "18446744073709551615"] {
            headers.insert(REQUEST_TIMEOUT, HeaderValue::from_static(unreadable));
            let remaining = RequestContext::from_headers(&headers).remaining(limit);
            assert_eq!(remaining, limit, "{unreadable}");
        }
        assert_eq!(RequestContext::current(), RequestContext::default());
    }
}
