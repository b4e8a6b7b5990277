//! [`Carrier`]: takes requests to the collector, from whichever thread, and not for longer than there is patience.

use super::latency::Latencies;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Until when requests may take; for ever at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    end: Arc<Mutex<Option<Instant>>>,
}

impl Patience {
    pub(super) fn ends_at(&self, end: Instant) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// What is left of `timeout`; `None`: nothing.
    fn within(&self, timeout: Duration) -> Option<Duration> {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = end else {
            return Some(timeout);
        };
        let left = end.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then(|| left.min(timeout))
    }
}

/// An HTTP client that blocks its thread, which is one of the SDK's.
#[derive(Debug)]
pub(super) struct Carrier {
    client: reqwest::blocking::Client,
    timeout: Duration,
    patience: Patience,
    /// What goes with each request.
    more: Option<Latencies>,
}

impl Carrier {
    /// One that takes at most `timeout` for a request. `Err`: why it cannot be made.
    pub(super) fn new(
        timeout: Duration,
        patience: &Patience,
        more: Option<Latencies>,
    ) -> Result<Self, String> {
        // The client makes a runtime, which must not happen inside of another one.
        let client = thread::Builder::new()
            .spawn(|| reqwest::blocking::Client::builder().build())
            .map_err(|error| error.to_string())?
            .join()
            .map_err(|_| "its thread panicked".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            timeout,
            patience: patience.clone(),
            more,
        })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Some(timeout) = self.patience.within(self.timeout) else {
            // Not worth another try, which a server's 503 would be.
            let mut late = Response::new(Bytes::new());
            *late.status_mut() = reqwest::StatusCode::BAD_REQUEST;
            return Ok(late);
        };
        let request = match self.more.as_ref().map(Latencies::encoded) {
            // What is compressed cannot be added to.
            Some(more)
                if !more.is_empty() && !request.headers().contains_key("content-encoding") =>
            {
                request.map(|body| [&body[..], &more].concat().into())
            }
            _ => request,
        };
        let mut request = reqwest::blocking::Request::try_from(request)?;
        *request.timeout_mut() = Some(timeout);
        let mut answer = self.client.execute(request)?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        Ok(response.body(answer.bytes()?)?)
    }
}

impl HttpClient for Carrier {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.send(request) })
    }
}
