//! Limits that many hosts share, through an engine that they already run: Redis or Valkey.
//!
//! ```no_run
//! use fuseboard::redis::SlidingWindowRateLimiter;
//!
//! # async fn example(user: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // A hundred requests in any minute, for each user, whichever host they reach.
//! let limiter = SlidingWindowRateLimiter::new("redis://127.0.0.1/", 100, 60)?;
//! if limiter.allow(user).await {
//!     // …
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | limiter | admits | a key takes |
//! |---|---|---|
//! | [`TokenBucketRateLimiter`] | at most `burst + rate x t` in any time `t` | 80 bytes |
//! | [`SlidingWindowRateLimiter`] | at most the limit in *any* span of the window | 130 bytes a unit |
//! | [`SlidingCounterRateLimiter`] | about the limit; up to twice that around a burst | 80 bytes |
//! | [`FixedWindowRateLimiter`] | at most the limit in a window, twice that across its edge | 50 bytes |
//! | [`ConcurrencyLimit`] | at most so many at once | 100 bytes a place |
//!
//! # The way of a request
//!
//! 1. A key that was denied is denied again, here, until its time has come (for at most a second at a time).
//! 2. With a [`Lease`], what was fetched before is handed out, here.
//! 3. Requests for one key that wait at the same time go together: one script, exact for each.
//! 4. The script runs on the engine, by the engine's clock, within [`EngineOptions::deadline`].
//!
//! # When the engine is away
//!
//! No request waits longer than the deadline. After five failures of ten a breaker opens, and then none waits at all. What is decided
//! instead says the [`FailurePolicy`], and [`Decision::source`] tells that it was. A request whose answer was lost may have been counted;
//! it is never sent again, and [`Decision::may_have_taken`] says so. The connection comes back by itself.

mod algorithm;
mod batch;
mod concurrency;
mod deadline;
mod decision;
mod engine;
mod error;
mod hints;
mod keys;
mod limiter;
mod link;
mod options;
mod overlap;
mod script;
mod trip;

pub use crate::limiter::{Decision, DecisionSource, Unavailable};
pub use algorithm::{FixedWindow, SlidingCounter, SlidingWindow, TokenBucket};
pub use concurrency::{ConcurrencyLimit, Place};
pub use engine::{Engine, EngineOptions};
pub use error::SetUpError;
pub use hints::{BreakerHints, HintError, HintOptions};
pub use limiter::RateLimiter;
pub use options::{FailurePolicy, Lease, LimiterOptions};

/// At most `burst + rate x t` in any time `t`; GCRA.
pub type TokenBucketRateLimiter = RateLimiter<TokenBucket>;
/// At most the limit in any span of the window, exactly.
pub type SlidingWindowRateLimiter = RateLimiter<SlidingWindow>;
/// About the limit in any span of the window, in one small word.
pub type SlidingCounterRateLimiter = RateLimiter<SlidingCounter>;
/// At most the limit in each window, which begins with its first request.
pub type FixedWindowRateLimiter = RateLimiter<FixedWindow>;
