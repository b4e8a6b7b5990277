//! [`Link`]: the way to the server, and what guards it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use fuseboard::{CallError, CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, Pipeline};

use super::RedisBusOptions;
use crate::bus::BusError;

/// One connection for short requests, a breaker for all, and connections for those who wait for events.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    breaker: CircuitBreaker,
    pipeline: Pipeline,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(super) fn open(url: &str, options: &RedisBusOptions) -> anyhow::Result<Self> {
        let config = CircuitBreakerConfig {
            // A relay and a few consumers make few calls, and each that fails takes a whole time limit.
            minimum_requests: 5,
            open_timeout: options.open_timeout,
            open_backoff: 2.0,
            open_timeout_max: options.open_timeout * 8,
            open_jitter: 0.2,
            record_latency: true,
            ..CircuitBreakerConfig::default()
        };
        let breaker = CircuitBreaker::try_new("bus", config)?;
        let pipeline = Pipeline::builder()
            .breaker(breaker.clone())
            .timeout(options.timeout)
            .build()?;
        Ok(Self {
            client: Client::open(url)?,
            timeout: options.timeout,
            breaker,
            pipeline,
            connection: Mutex::default(),
        })
    }

    pub(super) fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// How long a request may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Who waits for events says how long; everybody else has the pipeline's time limit.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        connecting.await
    }

    /// A short request, on the connection for those.
    pub(super) async fn ask<T, F>(
        &self,
        request: impl Fn(MultiplexedConnection) -> F + Sync,
    ) -> Result<T, BusError>
    where
        T: Send,
        F: Future<Output = RedisResult<T>> + Send,
    {
        let request = &request;
        let call = self.pipeline.call(|| async move {
            let known = self.known().clone();
            let connection = if let Some(connection) = known {
                connection
            } else {
                let connection = self.connect().await?;
                self.known().insert(connection).clone()
            };
            request(connection).await
        });
        call.await.map_err(|error| {
            if let CallError::OperationFailed(_) | CallError::TimedOut { .. } = error {
                // It may be broken, or owe an answer that nobody waits for.
                self.known().take();
            }
            unavailable(error)
        })
    }

    /// A request that waits by itself, on a connection of its own.
    pub(super) async fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        let call = self.breaker.call(request);
        call.await.map_err(|error| match error {
            CircuitBreakerError::OperationFailed(error) => error,
            rejected => unavailable(rejected),
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whatever the reason, nothing is known about what was asked for.
pub(super) fn unavailable(error: impl std::fmt::Display) -> BusError {
    BusError::Unavailable(error.to_string())
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> Self {
        unavailable(error)
    }
}
