//! The policies around the payment provider.
//!
//! ```text
//! timeout of the whole -> retry (budget) -> hedge (budget) -> bulkhead -> failover -> a region's breaker -> timeout of a request
//! ```
//!
//! Every charge has an id under which the money is taken once, so it may be asked for again, and twice at a time. Each further attempt
//! begins with the region after the one before, so a region that hangs costs the hedge's delay and not the whole of a timeout.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use fuseboard::{
    Backoff, CallError, CircuitBreaker, CircuitBreakerConfig, CircuitState, ConcurrencyQueue,
    Failover, FailoverOrder, Hedge, Pipeline, RetryBudget, RetryConfig, Timeout,
};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Charged, PaymentError, Payments};
use crate::context::RequestContext;
use crate::edge::{Answer, AskError, Asker, ByAnswer, Endpoint, flat, retry_after};
use crate::money::Money;

/// Settings of a [`PaymentEdge`].
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// The provider's regions, the preferred one first.
    pub regions: Vec<Endpoint>,
    /// The time for all of it. Default 3 s.
    pub timeout: Duration,
    /// The time for one request to one region. Default 800 ms.
    pub attempt_timeout: Duration,
    /// A second attempt begins, at the next region, when the first has taken so long. Default 200 ms.
    pub hedge_delay: Duration,
    /// Attempts in all, hedges aside. Default 3.
    pub max_attempts: u32,
    /// Retries to a call, 0 to 1,000; as many hedges. Default 0.2.
    pub retry_ratio: f64,
    /// Retries a second beside that; as many hedges. Default 2.
    pub retries_per_second: u32,
    /// Calls at once. Default 64.
    pub max_in_flight: u32,
    /// Calls that wait for a place, for at most a quarter of `timeout`. Default 64.
    pub max_waiting: usize,
    /// Each region's breaker. Default: half of at least 10 calls in 10 s failed; open for 2 s, twice as long each time, up to 30 s.
    pub breaker: CircuitBreakerConfig,
}

impl PaymentSettings {
    /// The defaults, for these regions.
    pub fn new(regions: Vec<Endpoint>) -> Self {
        Self {
            regions,
            timeout: Duration::from_secs(3),
            attempt_timeout: Duration::from_millis(800),
            hedge_delay: Duration::from_millis(200),
            max_attempts: 3,
            retry_ratio: 0.2,
            retries_per_second: 2,
            max_in_flight: 64,
            max_waiting: 64,
            breaker: CircuitBreakerConfig {
                minimum_requests: 10,
                open_timeout: Duration::from_secs(2),
                open_backoff: 2.0,
                open_timeout_max: Duration::from_secs(30),
                open_jitter: 0.2,
                ..CircuitBreakerConfig::default()
            },
        }
    }
}

/// The payment provider behind its policies.
pub struct PaymentEdge {
    pipeline: Pipeline<ByAnswer>,
    /// The same regions, for each one where it is the first.
    starting_at: Vec<Failover<Endpoint>>,
    bulkhead: ConcurrencyQueue,
    asker: Asker,
    timeout: Duration,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    requests: AtomicU64,
    charged: AtomicU64,
    charged_elsewhere: AtomicU64,
    refunded: AtomicU64,
    declined: AtomicU64,
    unavailable: AtomicU64,
}

/// What a [`PaymentEdge`] has done, since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentSnapshot {
    /// Charges and refunds asked of the edge.
    pub calls: u64,
    /// Requests sent to regions: with retries, hedges and failover, and without those that breakers kept back.
    pub requests: u64,
    /// Charges that ended well.
    pub charged: u64,
    /// Of these, by another region than the preferred one.
    pub charged_elsewhere: u64,
    /// Refunds that ended well.
    pub refunded: u64,
    /// Charges and refunds to which the provider said no.
    pub declined: u64,
    /// Charges and refunds of which nobody knows.
    pub unavailable: u64,
    /// Calls that have a place now.
    pub in_flight: u32,
    /// Calls that wait for one.
    pub waiting: usize,
    /// The regions, the preferred one first, and their breakers' states.
    pub regions: Vec<(String, CircuitState)>,
}

impl PaymentEdge {
    /// With these settings. Needs a tokio runtime when it is used.
    ///
    /// # Errors
    /// A setting is out of its range, or there is no region.
    pub fn new(settings: PaymentSettings) -> anyhow::Result<Self> {
        let PaymentSettings {
            regions,
            timeout,
            attempt_timeout,
            ..
        } = settings;
        let budget = || {
            let ttl = Duration::from_secs(10);
            RetryBudget::new(settings.retry_ratio, settings.retries_per_second, ttl)
        };
        let bulkhead = ConcurrencyQueue::new(settings.max_in_flight)
            .context("payments: max_in_flight")?
            .max_waiting(settings.max_waiting)
            .max_wait(timeout / 4);
        let count = regions.len();
        let failover = Failover::new(regions, settings.breaker)
            .context("payments: regions")?
            // When all of them fail they are all left alone: a charge can wait.
            .max_ejected(1.0)
            .context("payments: regions")?;
        let retry = RetryConfig {
            max_attempts: settings.max_attempts,
            backoff: Backoff {
                initial: Duration::from_millis(50),
                max: Duration::from_secs(1),
                ..Backoff::default()
            },
            budget: Some(budget().context("payments: retry_ratio")?),
            // Longer, and the order is taken up again later instead.
            max_retry_after: Duration::from_millis(500),
            ..RetryConfig::default()
        };
        let hedge = Hedge::new(settings.hedge_delay)
            .context("payments: hedge_delay")?
            .budget(budget().context("payments: retry_ratio")?);
        let pipeline = Pipeline::builder()
            .classify(ByAnswer)
            .timeout(timeout)
            .retry(retry)
            .hedge(hedge)
            .concurrency(bulkhead.clone())
            .build()
            .context("payments")?;
        Ok(Self {
            pipeline,
            starting_at: (0..count)
                .map(|number| failover.clone().order(FailoverOrder::StartingAt(number)))
                .collect(),
            bulkhead,
            asker: Asker::new(attempt_timeout)?,
            timeout,
            counts: Counts::default(),
        })
    }

    /// The breakers of the regions, the preferred one first.
    pub fn breakers(&self) -> impl Iterator<Item = &CircuitBreaker> {
        self.starting_at
            .first()
            .into_iter()
            .flat_map(Failover::breakers)
    }

    /// What it has done.
    pub fn snapshot(&self) -> PaymentSnapshot {
        // Relaxed: counts, of nothing else that is read.
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let state = |breaker: &CircuitBreaker| (breaker.name().to_owned(), breaker.state());
        PaymentSnapshot {
            calls: read(&self.counts.calls),
            requests: read(&self.counts.requests),
            charged: read(&self.counts.charged),
            charged_elsewhere: read(&self.counts.charged_elsewhere),
            refunded: read(&self.counts.refunded),
            declined: read(&self.counts.declined),
            unavailable: read(&self.counts.unavailable),
            in_flight: self.bulkhead.in_flight(),
            waiting: self.bulkhead.waiting(),
            regions: self.breakers().map(state).collect(),
        }
    }

    /// Asks the regions, within what is left of the caller's time.
    async fn ask(&self, path: &str, body: &Value) -> Result<Answer, PaymentError> {
        count(&self.counts.calls);
        let remaining = RequestContext::current().remaining(self.timeout);
        let Ok(limit) = Timeout::new(remaining) else {
            return Err(self.unavailable(Duration::from_millis(1)));
        };
        let answer = self.through(limit, |region| {
            count(&self.counts.requests);
            self.asker.ask(region, path, body)
        });
        answer.await.map_err(|error| {
            tracing::warn!(path, %error, "the payment provider does not answer");
            self.unavailable(retry_after(&error))
        })
    }

    /// Through the policies: each attempt asks one region.
    pub(crate) async fn through<'a, F>(
        &'a self,
        limit: Timeout,
        ask: impl Fn(&'a Endpoint) -> F + Sync,
    ) -> Result<Answer, CallError<AskError>>
    where
        F: Future<Output = Result<Answer, AskError>> + Send,
    {
        let attempts = AtomicUsize::new(0);
        let operation = || {
            // Relaxed: it only says which attempt this is.
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            let regions = &self.starting_at[attempt % self.starting_at.len()];
            regions.call_with(&ByAnswer, &ask)
        };
        let answer = limit.call(self.pipeline.call(operation)).await;
        answer.map_err(|error| flat(flat(error)))
    }

    /// What comes of an answer that is neither a yes nor a no.
    fn unclear(&self, path: &str, answer: &Answer) -> PaymentError {
        let (status, detail) = (answer.status.as_u16(), answer.detail());
        tracing::warn!(path, status, detail, "the payment provider does not say");
        self.unavailable(answer.retry_after())
    }

    fn unavailable(&self, retry_after: Duration) -> PaymentError {
        count(&self.counts.unavailable);
        PaymentError::Unavailable { retry_after }
    }
}

#[async_trait]
impl Payments for PaymentEdge {
    async fn charge(
        &self,
        payment_id: Uuid,
        order_id: Uuid,
        amount: Money,
    ) -> Result<Charged, PaymentError> {
        let body = json!({ "payment_id": payment_id, "order_id": order_id, "amount": amount });
        let answer = self.ask("/charges", &body).await?;
        match answer.status {
            status if status.is_success() => {
                count(&self.counts.charged);
                let preferred = self.breakers().next().map(CircuitBreaker::name);
                if preferred != Some(answer.from.as_str()) {
                    count(&self.counts.charged_elsewhere);
                }
                // Who took it first, should it have been asked for before.
                let region = answer.body["region"].as_str().unwrap_or(&answer.from);
                let region = region.to_owned();
                Ok(Charged { region })
            }
            StatusCode::PAYMENT_REQUIRED => {
                count(&self.counts.declined);
                Err(PaymentError::Declined(answer.detail()))
            }
            _ => Err(self.unclear("/charges", &answer)),
        }
    }

    async fn refund(
        &self,
        refund_id: Uuid,
        payment_id: Uuid,
        amount: Money,
    ) -> Result<(), PaymentError> {
        let body = json!({ "refund_id": refund_id, "payment_id": payment_id, "amount": amount });
        let answer = self.ask("/refunds", &body).await?;
        match answer.status {
            status if status.is_success() => {
                count(&self.counts.refunded);
                Ok(())
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                count(&self.counts.declined);
                Err(PaymentError::Declined(answer.detail()))
            }
            _ => Err(self.unclear("/refunds", &answer)),
        }
    }
}

fn count(count: &AtomicU64) {
    // Relaxed: it is read by itself.
    count.fetch_add(1, Ordering::Relaxed);
}
