//! tower: one layer for each policy whose feature is on, in the shapes that tower's own layers have.
//!
//! ```
//! # #[cfg(feature = "full")] {
//! use fuseboard::tower::{BreakerLayer, ConcurrencyLayer, TimeoutLayer};
//! use fuseboard::{CircuitBreaker, CircuitBreakerConfig, ConcurrencyQueue, Timeout};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, service_fn};
//!
//! let breaker = CircuitBreaker::new("search", CircuitBreakerConfig::default());
//! let service = ServiceBuilder::new()
//!     .layer(BreakerLayer::new(breaker))
//!     .layer(ConcurrencyLayer::new(ConcurrencyQueue::new(8)?.max_waiting(16)))
//!     .layer(TimeoutLayer::new(Timeout::new(Duration::from_secs(1))?))
//!     .service(service_fn(async |query: String| Ok::<_, std::io::Error>(query)));
//! # let _ = service;
//! # }
//! # Ok::<(), fuseboard::ConfigError>(())
//! ```
//!
//! | layer | asks in | `Clone` of its service |
//! |---|---|---|
//! | [`BreakerLayer`], [`LimiterLayer`], `AdaptiveLayer`, `SheddingLayer`, `ThrottleLayer` | `call`: nothing is held before there is a request | shares the policy |
//! | `ConcurrencyLayer`, `RateLimitLayer` | `poll_ready`: it waits, reserves, and gives back what was not used when it is dropped | shares the policy, reserves nothing |
//! | `TimeoutLayer`, `ChaosLayer`, `IsolationLayer`, `FallbackLayer` | the response | shares the policy |
//! | `RetryLayer`, `HedgeLayer`, `FailoverLayer`, `CoalesceLayer`, `PipelineLayer` | the response; always ready, since each attempt waits for the inner service | shares the policy |
//!
//! Errors are boxed, as tower's are. What a policy said is found in them by [`refused`], also by the layers around: a rejection
//! inside is no failure outside. The order of layers is that of a [`Pipeline`](crate::Pipeline), outermost first.
//!
//! A layer makes services that share its policy. So put a layer where services are cloned or made again (axum's routes, a connection for each
//! peer) without fear: the limit is one.

#[cfg(feature = "adaptive")]
mod adaptive;
mod breaker;
#[cfg(feature = "chaos")]
mod chaos;
#[cfg(feature = "coalesce")]
mod coalesce;
#[cfg(feature = "concurrency")]
mod concurrency;
mod error;
#[cfg(feature = "failover")]
mod failover;
#[cfg(feature = "fallback")]
mod fallback;
#[cfg(feature = "hedge")]
mod hedge;
#[cfg(feature = "isolation")]
mod isolation;
mod limiter;
#[cfg(feature = "pipeline")]
mod pipeline;
#[cfg(feature = "rate-limit")]
mod rate_limit;
#[cfg(any(feature = "coalesce", feature = "failover", feature = "retry"))]
mod repeated;
#[cfg(any(feature = "concurrency", feature = "rate-limit"))]
mod reserving;
#[cfg(any(
    feature = "chaos",
    feature = "coalesce",
    feature = "failover",
    feature = "fallback",
    feature = "hedge",
    feature = "isolation",
    feature = "retry"
))]
mod response;
#[cfg(feature = "retry")]
mod retry;
mod settling;
#[cfg(feature = "shedding")]
mod shedding;
#[cfg(feature = "throttle")]
mod throttle;
#[cfg(feature = "timeout")]
mod timeout;

#[cfg(feature = "adaptive")]
pub use adaptive::{Adaptive, AdaptiveLayer};
pub use breaker::{BreakerLayer, Guarded};
#[cfg(feature = "chaos")]
pub use chaos::{ChaosLayer, Chaotic};
#[cfg(feature = "coalesce")]
pub use coalesce::{CoalesceLayer, Coalesced, SharedError};
#[cfg(feature = "concurrency")]
pub use concurrency::{Concurrency, ConcurrencyLayer};
pub use error::{BoxError, Refused, refused};
#[cfg(feature = "failover")]
pub use failover::{FailedOver, FailoverLayer};
#[cfg(feature = "fallback")]
pub use fallback::{FallbackLayer, FallingBack};
#[cfg(feature = "hedge")]
pub use hedge::{HedgeLayer, Hedged};
#[cfg(feature = "isolation")]
pub use isolation::{Isolated, IsolationLayer};
pub use limiter::{LimitedByKey, LimiterLayer};
#[cfg(feature = "pipeline")]
pub use pipeline::{Piped, PipelineLayer};
#[cfg(feature = "rate-limit")]
pub use rate_limit::{RateLimitLayer, RateLimited};
#[cfg(any(
    feature = "chaos",
    feature = "coalesce",
    feature = "failover",
    feature = "fallback",
    feature = "hedge",
    feature = "isolation",
    feature = "retry"
))]
pub use response::BoxFuture;
#[cfg(feature = "retry")]
pub use retry::{Retried, RetryLayer};
pub use settling::{End, Settle, Settling};
#[cfg(feature = "shedding")]
pub use shedding::{Shed, SheddingLayer};
#[cfg(feature = "throttle")]
pub use throttle::{ThrottleLayer, Throttled};
#[cfg(feature = "timeout")]
pub use timeout::{TimedService, TimeoutLayer};

/// The responses of layers that hold nothing but their call.
pub mod future {
    #[cfg(feature = "concurrency")]
    pub use super::concurrency::ResponseFuture as ConcurrencyFuture;
    #[cfg(feature = "rate-limit")]
    pub use super::rate_limit::ResponseFuture as RateLimitFuture;
    #[cfg(feature = "timeout")]
    pub use super::timeout::ResponseFuture as TimeoutFuture;
}
