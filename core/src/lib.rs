#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

// First, because of its macro.
mod fault;

// In the order of the flow: each imports only from those above it.
mod sync;

mod nanos;
mod ratio;

mod error;
mod event;
mod outcome;
mod rejected;
mod shadow;

mod clock;

mod snapshot;

mod breaker;
mod latency;
mod shedding;

mod concurrency;

mod adaptive;
mod throttle;

mod fixed_window;
mod retry_budget;
mod sliding_counter;
mod sliding_window;
mod token_bucket;

mod keyed;
mod leaky_bucket;

mod admission;

mod board;

pub use crate::adaptive::config::{AdaptiveLimitConfig, Algorithm};
pub use crate::adaptive::{AdaptiveLimit, AdaptivePermit};
pub use crate::admission::{Admission, AdmissionPermit};
pub use crate::board::breaker::BoardBreaker;
pub use crate::board::error::{ClaimError, LayoutError};
pub use crate::board::log::{BoardTransition, TransitionCursor};
pub use crate::board::name::SlotName;
pub use crate::board::places::Places;
pub use crate::board::policy::{Policy, TokenBucketConfig};
pub use crate::board::section::{Owner, Section, SlotId, WhenDifferent};
pub use crate::board::{Board, ClockOrigin};
pub use crate::breaker::CircuitBreaker;
pub use crate::breaker::borrowed::Permit;
pub use crate::breaker::config::{CircuitBreakerConfig, Window};
pub use crate::breaker::handle::{Handle, HandlePermit};
#[cfg(fuseboard_shuttle)]
#[doc(hidden)]
pub use crate::breaker::kernel;
pub use crate::breaker::permit::RawPermit;
pub use crate::breaker::saved::{RestoreError, SAVED_MAX, Saved};
pub use crate::breaker::settling::NotAtOnce;
pub use crate::clock::Clock;
pub use crate::clock::manual::ManualClock;
pub use crate::concurrency::{ConcurrencyLimit, ConcurrencyPermit};
pub use crate::error::ConfigError;
pub use crate::event::log::{TransitionBatch, TransitionLog};
pub use crate::event::{Cause, Counts, Observer, State, Transition};
pub use crate::fixed_window::FixedWindowRateLimiter;
pub use crate::keyed::entry::KeyedEntry;
pub use crate::keyed::hash::hash_key;
pub use crate::keyed::{KeyedRateLimiter, KeyedTable, WhenFull};
pub use crate::latency::LatencyHistogram;
pub use crate::latency::snapshot::LatencySnapshot;
pub use crate::leaky_bucket::LeakyBucket;
pub use crate::nanos::Nanos;
pub use crate::outcome::{Outcome, Settled};
pub use crate::rejected::{Reason, Rejected};
pub use crate::retry_budget::RetryBudget;
pub use crate::shadow::Shadow;
pub use crate::shedding::{CoDel, PriorityShedding};
pub use crate::sliding_counter::SlidingCounterRateLimiter;
pub use crate::sliding_window::SlidingWindowRateLimiter;
pub use crate::snapshot::{Snapshot, Totals};
pub use crate::sync::LOCK_FREE;
pub use crate::throttle::ClientThrottle;
pub use crate::throttle::config::ClientThrottleConfig;
pub use crate::token_bucket::TokenBucketRateLimiter;
pub use crate::token_bucket::lease::TokenLease;
pub use crate::token_bucket::quota::Rate;
pub use crate::token_bucket::reservation::Reservation;
pub use crate::token_bucket::warm_up::WarmUp;
