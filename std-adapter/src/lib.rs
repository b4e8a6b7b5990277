//! Circuit breakers and limiters for programs with an operating system.
//!
//! The decisions are made by [`fuseboard_core`], which takes time as an argument. This crate brings
//! clocks, shared handles, guarded futures and an HTTP client.
//!
//! | you want to | use | feature |
//! |---|---|---|
//! | stop calling what is failing | [`CircuitBreaker`] | |
//! | limit how often, and be told when to come back | [`TokenBucketRateLimiter`], [`SlidingWindowRateLimiter`] | |
//! | limit how often, and wait for a turn | `RateLimit` | `rate-limit` |
//! | limit how many at once | [`ConcurrencyLimit`] | |
//! | limit how many at once, and wait in line | `ConcurrencyQueue` | `concurrency` |
//! | find that limit by itself | `AdaptiveLimit` | `adaptive` ¹ |
//! | reject the less important first | `LoadShedding` | `shedding` ¹ |
//! | shed what has waited too long | `CoDel` | `shedding` ¹ |
//! | spare a backend what it would refuse | `ClientThrottle` | `throttle` ¹ |
//! | end what takes too long | `Timeout` | `timeout` |
//! | ask again, within a budget | `Retry`, `RetryBudget` | `retry` |
//! | ask twice, and take the faster answer | `Hedge` | `hedge` |
//! | answer something when there is no answer | `FallbackService`, `Fallback` | `fallback` ¹ |
//! | answer what was answered last | `LastGood` | `cache` ¹ |
//! | make equal calls once | `Coalesce` | `coalesce` |
//! | ask another endpoint | `Failover` | `failover` ¹ |
//! | keep calls that hang away from all else | `TaskIsolation`, `ThreadIsolation` | `isolation` |
//! | undo what was done when a later step fails | `Saga` | `saga` ¹ |
//! | put several of these around a call, in order | `Pipeline` | `pipeline` |
//! | put them around a tower service | `tower` | `tower` |
//! | limit an axum server's clients, and answer for policies | `axum` | `axum` |
//! | put a pipeline around `reqwest`'s requests | `PipelineMiddleware` | `reqwest-middleware` |
//! | judge HTTP and gRPC responses | `ByHttpStatus`, `ByGrpcStatus` | `http` |
//! | have one policy for each host or tenant | `Keyed` | `keyed` ¹ |
//! | share policies between processes, on Linux | `Board` | |
//! | share limits between hosts | `redis` | `redis` |
//! | get over HTTP, guarded | `ResilientHttpClient` | `reqwest`, with https `reqwest-tls` |
//! | say what counts as a failure, and what may be repeated | [`Classify`], [`Verdict`] | |
//! | see what they do | [`telemetry`] | by OTLP `otel`, over gRPC `otlp-grpc` |
//! | see whether all that holds | `Chaos` | `chaos` |
//! | test without waiting | [`ManualClock`] and `with_clock`; `TokioClock`, `testing::ScriptedService` | `tokio`; `test-util` |
//! | have breakers and limits in a file, and reload it | `config::Config`, `config::Policies` | `config` |
//!
//! ¹ on by default; `full` has them all. The default features need no async runtime, and a guarded future runs wherever the operation
//! inside it runs. Policies with a timer in them (`timeout`, `retry`, `rate-limit`, `concurrency`, `hedge`, `isolation`, `chaos`) need tokio's.
//!
//! Feature `libc-clock` reads the clocks through libc instead of from the kernel's page: slower by a third, but the program runs under valgrind.
//!
//! Every policy says why a call has no value with one [`CallError`]. Dropped at any point, a call gives back what it holds.

#[cfg(feature = "adaptive")]
mod adaptive;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "concurrency")]
mod blocking;
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
mod board;
mod breaker;
#[cfg(feature = "cache")]
mod cache;
mod call;
#[cfg(feature = "chaos")]
mod chaos;
mod classify;
mod clock;
#[cfg(feature = "coalesce")]
mod coalesce;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "failover")]
mod failover;
#[cfg(feature = "fallback")]
mod fallback;
#[cfg(feature = "hedge")]
mod hedge;
#[cfg(feature = "reqwest")]
mod http;
#[cfg(feature = "isolation")]
mod isolation;
#[cfg(feature = "keyed")]
mod keyed;
mod limiter;
#[cfg(feature = "pipeline")]
mod pipeline;
#[cfg(feature = "concurrency")]
mod queue;
#[cfg(any(feature = "chaos", feature = "retry"))]
mod random;
#[cfg(feature = "rate-limit")]
mod rate_limit;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "retry")]
mod retry;
#[cfg(feature = "saga")]
mod saga;
#[cfg(feature = "shedding")]
mod shedding;
mod tally;
pub mod telemetry;
#[cfg(feature = "test-util")]
pub mod testing;
#[cfg(feature = "throttle")]
mod throttle;
#[cfg(feature = "timeout")]
mod timeout;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(feature = "adaptive")]
pub use adaptive::{AdaptiveLimit, AdaptivePermit};
#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
pub use board::{
    AttachedProcess, Board, BoardError, BoardOptions, BoardTransitions, RawBreaker,
    RawConcurrencyLimit, RawTokenBucket,
};
pub use breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, Permit};
#[cfg(feature = "cache")]
pub use cache::LastGood;
pub use call::{CallError, PolicyKind};
#[cfg(feature = "chaos")]
pub use chaos::{Chaos, ChaosConfig};
#[cfg(feature = "http")]
pub use classify::{ByGrpcStatus, ByHttpStatus, retry_after};
pub use classify::{ByResult, Classify, GrpcCode, NotRepeatable, Verdict, is_idempotent};
#[cfg(feature = "tokio")]
pub use clock::TokioClock;
pub use clock::{Clock, CoarseClock, ManualClock, MonotonicClock};
#[cfg(feature = "coalesce")]
pub use coalesce::Coalesce;
#[cfg(feature = "failover")]
pub use failover::{Failover, FailoverOrder};
#[cfg(feature = "fallback")]
pub use fallback::{Fallback, FallbackService, OrElse, OrService, OrValue, Service};
#[cfg(feature = "throttle")]
pub use fuseboard_core::ClientThrottleConfig;
pub use fuseboard_core::State as CircuitState;
#[cfg(feature = "adaptive")]
pub use fuseboard_core::{AdaptiveLimitConfig, Algorithm, PriorityShedding};
pub use fuseboard_core::{
    BoardTransition, Cause, ClaimError, ConfigError, Counts, LatencySnapshot, LayoutError, Nanos,
    Outcome, Rate, RawPermit, Reason, Rejected, Reservation, Settled, Snapshot, Totals, Transition,
    TransitionCursor, WhenDifferent, Window,
};
#[cfg(feature = "hedge")]
pub use hedge::Hedge;
#[cfg(feature = "reqwest")]
pub use http::ResilientHttpClient;
#[cfg(feature = "reqwest-middleware")]
pub use http::{ByReqwest, PipelineMiddleware};
#[cfg(feature = "isolation")]
pub use isolation::{TaskIsolation, ThreadIsolation};
#[cfg(feature = "keyed")]
pub use keyed::Keyed;
pub use limiter::{
    Acquire, ConcurrencyLimit, ConcurrencyPermit, Decision, DecisionSource, FixedWindowRateLimiter,
    LeakyBucketRateLimiter, Limiter, Quota, SlidingCounterRateLimiter, SlidingWindowRateLimiter,
    TokenBucketRateLimiter, Unavailable,
};
#[cfg(feature = "pipeline")]
pub use pipeline::{CallOptions, OrderWarning, Pipeline, PipelineBuilder, PipelineError};
#[cfg(feature = "concurrency")]
pub use queue::{ConcurrencyQueue, QueuePermit};
#[cfg(feature = "rate-limit")]
pub use rate_limit::RateLimit;
#[cfg(feature = "retry")]
pub use retry::{Backoff, Jitter, Retry, RetryBudget, RetryConfig};
#[cfg(feature = "saga")]
pub use saga::{Progress, ProgressError, Saga, SagaError};
#[cfg(feature = "shedding")]
pub use shedding::{CoDel, LoadShedding, SheddingPermit};
#[cfg(feature = "throttle")]
pub use throttle::{ClientThrottle, ThrottlePermit};
#[cfg(feature = "timeout")]
pub use timeout::Timeout;

/// The blocks of the project's README are compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And those of the guide to telemetry.
#[cfg(all(doctest, feature = "otel", feature = "http-endpoints"))]
#[doc = include_str!("../../docs/telemetry.md")]
struct TelemetryGuide;

/// And those of the guide to boards.
#[cfg(all(doctest, target_os = "linux", target_has_atomic = "64"))]
#[doc = include_str!("../../docs/board.md")]
struct BoardGuide;

/// And those of the guide to configuration files.
#[cfg(all(doctest, feature = "config"))]
#[doc = include_str!("../../docs/configuration.md")]
struct ConfigurationGuide;

/// And those of the guide to limits among hosts.
#[cfg(all(doctest, feature = "axum", feature = "redis"))]
#[doc = include_str!("../../docs/redis.md")]
struct RedisGuide;

/// And those of the guide to services.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../../docs/services.md")]
struct ServicesGuide;
