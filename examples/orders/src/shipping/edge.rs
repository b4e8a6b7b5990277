//! The policies around the carriers.
//!
//! ```text
//! a carrier: timeout of the whole -> retry (budget) -> breaker + bulkhead -> timeout of a request
//! the first carrier -> fallback: the second carrier -> fallback: later
//! ```
//!
//! The carriers keep one book, so asking the second one after the first under the same id makes no second parcel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use fuseboard::{
    Backoff, CallError, CircuitBreaker, CircuitBreakerConfig, CircuitState, Classify,
    ConcurrencyLimit, Fallback, OrService, Pipeline, RetryBudget, RetryConfig, Service, Timeout,
};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{Shipping, ShippingError};
use crate::context::RequestContext;
use crate::edge::{Answer, AskError, Asker, ByAnswer, Endpoint, flat, retry_after};

/// Settings of a [`ShippingEdge`].
#[derive(Debug, Clone)]
pub struct ShippingSettings {
    /// One carrier, or two, the second of which stands in for the first.
    pub carriers: Vec<Endpoint>,
    /// The time for each carrier, with all attempts. Default 2 s.
    pub timeout: Duration,
    /// The time for one request. Default 800 ms.
    pub attempt_timeout: Duration,
    /// Attempts at each carrier. Default 2.
    pub max_attempts: u32,
    /// Retries to a call, 0 to 1,000. Default 0.2.
    pub retry_ratio: f64,
    /// Retries a second beside that. Default 2.
    pub retries_per_second: u32,
    /// Calls at once at each carrier; more are not kept waiting. Default 32.
    pub max_in_flight: u32,
    /// Each carrier's breaker. Default: half of at least 5 calls in 10 s failed; open for 2 s, twice as long each time, up to 30 s.
    pub breaker: CircuitBreakerConfig,
}

impl ShippingSettings {
    /// The defaults, for these carriers.
    pub fn new(carriers: Vec<Endpoint>) -> Self {
        Self {
            carriers,
            timeout: Duration::from_secs(2),
            attempt_timeout: Duration::from_millis(800),
            max_attempts: 2,
            retry_ratio: 0.2,
            retries_per_second: 2,
            max_in_flight: 32,
            breaker: CircuitBreakerConfig {
                minimum_requests: 5,
                open_timeout: Duration::from_secs(2),
                open_backoff: 2.0,
                open_timeout_max: Duration::from_secs(30),
                open_jitter: 0.2,
                ..CircuitBreakerConfig::default()
            },
        }
    }
}

/// The carriers behind their policies.
pub struct ShippingEdge {
    first: Carrier,
    second: Option<OrService<Carrier>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    shipped: AtomicU64,
    shipped_elsewhere: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

/// What a [`ShippingEdge`] has done, since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingSnapshot {
    /// Parcels that a carrier took.
    pub shipped: u64,
    /// Of these, by the second carrier.
    pub shipped_elsewhere: u64,
    /// Parcels that no carrier takes.
    pub refused: u64,
    /// Parcels of which nobody knows.
    pub unavailable: u64,
    /// Of each carrier: its name, requests sent, calls in flight, and its breaker's state.
    pub carriers: Vec<(String, u64, u32, CircuitState)>,
}

/// A carrier behind its policies.
struct Carrier {
    endpoint: Endpoint,
    pipeline: Pipeline<ByAnswer>,
    breaker: CircuitBreaker,
    places: ConcurrencyLimit,
    asker: Asker,
    timeout: Duration,
    requests: AtomicU64,
}

/// What a carrier is asked for.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    shipment_id: Uuid,
    order_id: Uuid,
}

impl Carrier {
    fn new(endpoint: Endpoint, settings: &ShippingSettings) -> anyhow::Result<Self> {
        let breaker = CircuitBreaker::try_new(endpoint.name.as_str(), settings.breaker)
            .context("shipping: breaker")?;
        let places =
            ConcurrencyLimit::try_new(settings.max_in_flight).context("shipping: max_in_flight")?;
        let ttl = Duration::from_secs(10);
        let budget = RetryBudget::new(settings.retry_ratio, settings.retries_per_second, ttl)
            .context("shipping: retry_ratio")?;
        let retry = RetryConfig {
            max_attempts: settings.max_attempts,
            backoff: Backoff {
                initial: Duration::from_millis(50),
                max: Duration::from_secs(1),
                ..Backoff::default()
            },
            budget: Some(budget),
            // Longer, and the other carrier is asked.
            max_retry_after: Duration::from_millis(500),
            ..RetryConfig::default()
        };
        let pipeline = Pipeline::builder()
            .classify(ByAnswer)
            .timeout(settings.timeout)
            .retry(retry)
            .breaker(breaker.clone())
            .concurrency_limit(places.clone())
            .timeout(settings.attempt_timeout)
            .build()
            .context("shipping")?;
        Ok(Self {
            endpoint,
            pipeline,
            breaker,
            places,
            asker: Asker::new(settings.attempt_timeout)?,
            timeout: settings.timeout,
            requests: AtomicU64::new(0),
        })
    }

    /// Through the policies.
    async fn through<'a, F>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> F + Sync,
    ) -> Result<Answer, CallError<AskError>>
    where
        F: Future<Output = Result<Answer, AskError>> + Send,
    {
        let remaining = RequestContext::current().remaining(self.timeout);
        let Ok(limit) = Timeout::new(remaining) else {
            return Err(CallError::OperationFailed(AskError::TooLate));
        };
        let answer = limit.call(self.pipeline.call(|| ask(&self.endpoint)));
        answer.await.map_err(flat)
    }

    fn snapshot(&self) -> (String, u64, u32, CircuitState) {
        // Relaxed: a count, of nothing else that is read.
        let requests = self.requests.load(Ordering::Relaxed);
        let (name, state) = (self.endpoint.name.clone(), self.breaker.state());
        (name, requests, self.places.in_flight(), state)
    }
}

impl Service<Parcel> for Carrier {
    type Response = Answer;
    type Error = CallError<AskError>;

    async fn call(&self, parcel: Parcel) -> Result<Answer, CallError<AskError>> {
        let body = json!({ "shipment_id": parcel.shipment_id, "order_id": parcel.order_id });
        self.through(|carrier| {
            count(&self.requests);
            self.asker.ask(carrier, "/shipments", &body)
        })
        .await
    }
}

impl ShippingEdge {
    /// With these settings. Needs a tokio runtime when it is used.
    ///
    /// # Errors
    /// A setting is out of its range, or there are not one or two carriers.
    pub fn new(settings: &ShippingSettings) -> anyhow::Result<Self> {
        let given = settings.carriers.len();
        ensure!(
            (1..=2).contains(&given),
            "shipping: carriers: {given}: 1 or 2 are allowed"
        );
        let carrier = |endpoint: &Endpoint| Carrier::new(endpoint.clone(), settings);
        let second = settings.carriers.get(1).map(carrier).transpose()?;
        Ok(Self {
            first: carrier(&settings.carriers[0])?,
            second: second.map(OrService),
            counts: Counts::default(),
        })
    }

    /// The carriers' breakers, the first one's first.
    pub fn breakers(&self) -> impl Iterator<Item = &CircuitBreaker> {
        self.carriers().map(|carrier| &carrier.breaker)
    }

    /// What it has done.
    pub fn snapshot(&self) -> ShippingSnapshot {
        // Relaxed: counts, of nothing else that is read.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ShippingSnapshot {
            shipped: read(&self.counts.shipped),
            shipped_elsewhere: read(&self.counts.shipped_elsewhere),
            refused: read(&self.counts.refused),
            unavailable: read(&self.counts.unavailable),
            carriers: self.carriers().map(Carrier::snapshot).collect(),
        }
    }

    /// Through the policies of the first carrier.
    pub(crate) async fn through<'a, F>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> F + Sync,
    ) -> Result<Answer, CallError<AskError>>
    where
        F: Future<Output = Result<Answer, AskError>> + Send,
    {
        self.first.through(ask).await
    }

    fn carriers(&self) -> impl Iterator<Item = &Carrier> {
        let second = self.second.iter().map(|OrService(carrier)| carrier);
        std::iter::once(&self.first).chain(second)
    }

    async fn ask(&self, parcel: Parcel) -> Result<Answer, CallError<AskError>> {
        let first = self.first.call(parcel).await;
        let verdict = ByAnswer.classify(first.as_ref());
        let is_final = first.is_ok() && !verdict.is_repeatable;
        let first = first.map_err(CallError::OperationFailed);
        match &self.second {
            Some(second) if !is_final => {
                tracing::info!(
                    carrier = self.first.endpoint.name,
                    "another carrier is asked"
                );
                second.answer(parcel, first).await.map_err(flat)
            }
            _ => first.map_err(flat),
        }
    }
}

#[async_trait]
impl Shipping for ShippingEdge {
    async fn ship(&self, shipment_id: Uuid, order_id: Uuid) -> Result<String, ShippingError> {
        let parcel = Parcel {
            shipment_id,
            order_id,
        };
        let retry_after = match self.ask(parcel).await {
            Ok(answer) if answer.status == StatusCode::UNPROCESSABLE_ENTITY => {
                count(&self.counts.refused);
                return Err(ShippingError::Refused(answer.detail()));
            }
            Ok(answer) => {
                let number = answer.body["tracking_number"].as_str();
                if answer.status.is_success()
                    && let Some(number) = number
                {
                    count(&self.counts.shipped);
                    if answer.from != self.first.endpoint.name {
                        count(&self.counts.shipped_elsewhere);
                    }
                    return Ok(number.to_owned());
                }
                let (status, detail) = (answer.status.as_u16(), answer.detail());
                tracing::warn!(status, detail, "the carrier does not say");
                answer.retry_after()
            }
            Err(error) => {
                tracing::warn!(%error, "no carrier answers");
                retry_after(&error)
            }
        };
        count(&self.counts.unavailable);
        Err(ShippingError::Unavailable { retry_after })
    }
}

fn count(count: &AtomicU64) {
    // Relaxed: it is read by itself.
    count.fetch_add(1, Ordering::Relaxed);
}
