//! Circuit breakers and limiters for programs with an operating system.
//!
//! The decisions are made by [`fuseboard_core`], which takes time as an argument. This crate brings
//! clocks, shared handles, guarded futures and an HTTP client.
//!
//! | you want to | use |
//! |---|---|
//! | stop calling what is failing | [`CircuitBreaker`] |
//! | limit how often | [`TokenBucketRateLimiter`], [`SlidingWindowRateLimiter`] |
//! | limit how many at once | [`ConcurrencyLimit`] |
//! | share all of these between processes, on Linux | `Board` |
//! | get over HTTP, guarded | `ResilientHttpClient`, with feature `reqwest` |
//! | see what they do | [`telemetry`] |
//! | test without waiting | [`ManualClock`] and `with_clock` |
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `reqwest` | no | `ResilientHttpClient`, plain HTTP |
//! | `reqwest-tls` | no | the same with https |
//! | `otel` | no | `telemetry::Telemetry`: metrics, traces and logs by OTLP over HTTP |
//! | `otlp-grpc` | no | the same also over gRPC |
//! | `libc-clock` | no | clocks through libc instead of from the kernel's page: slower by a third, but the program runs under valgrind |
//!
//! Nothing here needs a particular async runtime: a guarded future runs wherever the operation
//! inside it runs.

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
mod board;
mod breaker;
mod clock;
#[cfg(feature = "reqwest")]
mod http;
mod limiter;
pub mod telemetry;

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
pub use board::{AttachedProcess, Board, BoardError, BoardOptions};
pub use breaker::{CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, Permit};
pub use clock::{Clock, CoarseClock, ManualClock, MonotonicClock};
pub use fuseboard_core::State as CircuitState;
pub use fuseboard_core::{
    Cause, ClaimError, ConfigError, Counts, LayoutError, Nanos, Outcome, Rate, RawPermit, Reason,
    Rejected, Settled, Snapshot, Totals, Transition, WhenDifferent, Window,
};
#[cfg(feature = "reqwest")]
pub use http::ResilientHttpClient;
pub use limiter::{
    ConcurrencyLimit, ConcurrencyPermit, SlidingWindowRateLimiter, TokenBucketRateLimiter,
};

/// The blocks of the project's README are compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And those of the guide to telemetry.
#[cfg(all(doctest, feature = "otel"))]
#[doc = include_str!("../../docs/telemetry.md")]
struct TelemetryGuide;

/// And those of the guide to boards.
#[cfg(all(doctest, target_os = "linux", target_has_atomic = "64"))]
#[doc = include_str!("../../docs/board.md")]
struct BoardGuide;
