//! A service behind the gateway, and the policies before it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use fuseboard::{
    Backoff, CallError, CallOptions, CircuitBreaker, CircuitState, Classify, ConcurrencyLimit,
    Outcome, Pipeline, RetryBudget, RetryConfig, Verdict,
};
use reqwest::{StatusCode, redirect};

use super::GatewaySettings;
use crate::edge::Endpoint;

/// A service.
pub(super) struct Upstream {
    endpoint: Endpoint,
    client: reqwest::Client,
    pipeline: Pipeline<ByResponse>,
    breaker: CircuitBreaker,
    requests: AtomicU64,
}

/// A service's answer, of which the body is still to come.
#[derive(Clone, Copy, Debug)]
struct ByResponse;

impl Classify<reqwest::Response, reqwest::Error> for ByResponse {
    fn classify(&self, result: Result<&reqwest::Response, &reqwest::Error>) -> Verdict {
        let Ok(response) = result else {
            return Verdict::FAILURE;
        };
        let after = fuseboard::retry_after(response.headers());
        let verdict = Verdict::from_http_status(response.status().as_u16()).with_retry_after(after);
        if response.status() == StatusCode::SERVICE_UNAVAILABLE && after.is_some() {
            // It works, and says by itself when it can be asked for this again: other requests may well be answered.
            return Verdict {
                outcome: Outcome::Ignored,
                ..verdict
            };
        }
        verdict
    }
}

impl Upstream {
    pub(super) fn new(endpoint: &Endpoint, settings: &GatewaySettings) -> anyhow::Result<Self> {
        let name = &endpoint.name;
        let breaker =
            CircuitBreaker::try_new(name.as_str(), settings.breaker).context("gateway: breaker")?;
        let places = ConcurrencyLimit::try_new(settings.max_in_flight_each)
            .context("gateway: max_in_flight_each")?;
        let retry = RetryConfig {
            max_attempts: 2,
            backoff: Backoff {
                initial: Duration::from_millis(20),
                max: Duration::from_millis(100),
                ..Backoff::default()
            },
            budget: Some(RetryBudget::default()),
            // A service that names a time is not kept from being believed.
            max_retry_after: Duration::from_millis(100),
            ..RetryConfig::default()
        };
        let pipeline = Pipeline::builder()
            .classify(ByResponse)
            // Sooner than the gateway itself gives up: a call that was dropped would say nothing to the breaker.
            .timeout(settings.timeout.mul_f64(0.9))
            .retry(retry)
            .breaker(breaker.clone())
            .concurrency_limit(places)
            .build()
            .context("gateway")?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(settings.timeout / 4)
            .build()
            .context("the HTTP client of the gateway")?;
        Ok(Self {
            endpoint: endpoint.clone(),
            client,
            pipeline,
            breaker,
            requests: AtomicU64::new(0),
        })
    }

    /// Sends what `request` makes, once for each attempt; further ones only where it is safe.
    pub(super) async fn send(
        &self,
        is_repeatable: bool,
        request: impl Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder + Sync,
    ) -> Result<reqwest::Response, CallError<reqwest::Error>> {
        let attempt = || {
            // Relaxed: a number on its own.
            self.requests.fetch_add(1, Ordering::Relaxed);
            request(&self.client, &self.endpoint.url).send()
        };
        self.through(is_repeatable, attempt).await
    }

    /// Through the policies.
    pub(super) async fn through<
        F: Future<Output = Result<reqwest::Response, reqwest::Error>> + Send,
    >(
        &self,
        is_repeatable: bool,
        attempt: impl Fn() -> F + Sync,
    ) -> Result<reqwest::Response, CallError<reqwest::Error>> {
        let options = CallOptions {
            is_repeatable,
            ..CallOptions::default()
        };
        self.pipeline.call_with(options, attempt).await
    }

    pub(super) fn name(&self) -> &str {
        &self.endpoint.name
    }

    pub(super) fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    pub(super) fn snapshot(&self) -> (String, u64, CircuitState) {
        // Relaxed: a number on its own.
        let requests = self.requests.load(Ordering::Relaxed);
        (self.endpoint.name.clone(), requests, self.breaker.state())
    }
}
