//! [`ResilientHttpClient`]: `reqwest` behind a breaker.

#[cfg(feature = "reqwest-middleware")]
mod middleware;

#[cfg(feature = "reqwest-middleware")]
pub use middleware::{ByReqwest, PipelineMiddleware};

use crate::breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError};
use fuseboard_core::{ConfigError, Outcome, State};
use std::time::Duration;

/// How long one request may take, from connecting to the last byte of the body.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP client that stops asking a server which is failing.
///
/// One client guards one upstream: all its requests share one breaker.
///
/// | end of the request | for the breaker | for the caller |
/// |---|---|---|
/// | 1xx to 3xx | success | the body |
/// | 4xx: the server works, the request was wrong | success | an error with that status |
/// | 5xx | failure | an error with that status |
/// | no connection, timeout, broken body | failure | an error |
/// | a URL that cannot be asked for | ignored | an error |
/// | dropped before its end | nothing | – |
///
/// Requests need a tokio runtime, as `reqwest` does. https needs feature `reqwest-tls`.
#[derive(Clone, Debug)]
pub struct ResilientHttpClient {
    client: reqwest::Client,
    breaker: CircuitBreaker,
    timeout: Duration,
}

impl ResilientHttpClient {
    /// A client with a time limit of 5 s and the default breaker, but judging 10 calls in a minute.
    pub fn new(name: impl Into<String>) -> Self {
        let config = CircuitBreakerConfig {
            minimum_requests: 10,
            window_size: Duration::from_secs(60),
            ..Default::default()
        };
        Self::guarded_by(CircuitBreaker::new(name, config))
    }

    /// A client with a time limit of 5 s and a breaker of other settings.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn with_config(
        name: impl Into<String>,
        config: CircuitBreakerConfig,
    ) -> Result<Self, ConfigError> {
        Ok(Self::guarded_by(CircuitBreaker::try_new(name, config)?))
    }

    /// A client with a time limit of 5 s that shares a breaker with other callers.
    pub fn guarded_by(breaker: CircuitBreaker) -> Self {
        Self {
            client: reqwest::Client::new(),
            breaker,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Another time limit for each request, from connecting to the last byte of the body.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Another `reqwest` client: with headers, a proxy, certificates.
    #[must_use]
    pub fn client(mut self, client: reqwest::Client) -> Self {
        self.client = client;
        self
    }

    /// The body at `url`.
    ///
    /// # Errors
    /// The request was rejected and not sent, or it failed: see the table above.
    pub async fn get(&self, url: &str) -> Result<String, CircuitBreakerError<reqwest::Error>> {
        let request = self.client.get(url).timeout(self.timeout);
        let body = async { request.send().await?.error_for_status()?.text().await };
        self.breaker.call_with(body, judge).await
    }

    /// The breaker, for its state, its counts and its manual verbs.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// What the breaker does at the moment.
    pub fn circuit_state(&self) -> State {
        self.breaker.state()
    }
}

fn judge<T>(result: &Result<T, reqwest::Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(error)
            if error
                .status()
                .is_some_and(|status| status.is_client_error()) =>
        {
            Outcome::Success
        }
        Err(error) if error.is_builder() => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    }
}
