//! [`Policy`]: what a slot can hold, and how it is made in memory that another policy has used.

use crate::board::breaker::BoardBreaker;
use crate::board::places::Places;
use crate::board::section::Owner;
use crate::breaker::CircuitBreaker;
use crate::breaker::config::CircuitBreakerConfig;
use crate::error::ConfigError;
use crate::fault::fault;
use crate::nanos::Nanos;
use crate::token_bucket::TokenBucketRateLimiter;
use crate::token_bucket::quota::Rate;

/// A policy that a slot of a [`Board`](crate::Board) can hold. Only the core implements it.
pub trait Policy: sealed::Sealed {
    /// What it is made with.
    type Config;

    /// What it runs with, each setting clamped to its range.
    fn config(&self) -> Self::Config;

    /// Whether its settings are what [`config`](Self::config) says; `false`: a foreign hand has changed its words.
    fn is_intact(&self) -> bool {
        self.runs_with(&self.config()).unwrap_or(false)
    }

    #[doc(hidden)]
    fn vacant() -> Self;

    /// Makes it new, whatever its words are, while nobody else reads them.
    #[doc(hidden)]
    fn renew(&self, config: &Self::Config) -> Result<(), ConfigError>;

    #[doc(hidden)]
    fn runs_with(&self, config: &Self::Config) -> Result<bool, ConfigError>;

    #[doc(hidden)]
    fn configure(&self, config: &Self::Config) -> Result<(), ConfigError>;

    /// What every claimer gets who asks for it, whatever others have asked for.
    #[doc(hidden)]
    fn oblige(&self, _: &Self::Config) {}

    /// Takes from it what a dead owner held.
    #[doc(hidden)]
    fn reclaim(&self, _: Owner) {}
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::BoardBreaker {}
    impl Sealed for super::TokenBucketRateLimiter {}
    impl<const OWNERS: usize> Sealed for super::Places<OWNERS> {}
}

/// What a token bucket on a board is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBucketConfig {
    /// Units that flow in.
    pub rate: Rate,
    /// Units at once, at least 1.
    pub burst: u64,
}

impl Policy for BoardBreaker {
    type Config = CircuitBreakerConfig;

    fn config(&self) -> CircuitBreakerConfig {
        CircuitBreaker::config(self)
    }

    fn vacant() -> Self {
        Self::of(CircuitBreaker::new(CircuitBreakerConfig::new()))
    }

    fn renew(&self, config: &CircuitBreakerConfig) -> Result<(), ConfigError> {
        if !fault!("board_keeps_latency") {
            self.forget_latency();
        }
        CircuitBreaker::renew(self, *config)
    }

    /// The jitter's seed may differ: it is drawn, not chosen. So may `record_latency`: who asks for it has it.
    fn runs_with(&self, config: &CircuitBreakerConfig) -> Result<bool, ConfigError> {
        CircuitBreaker::runs_with(self, *config)
    }

    /// The jitter's seed stays: another would move the deadline of an open period. So do latencies that others have asked for.
    fn configure(&self, config: &CircuitBreakerConfig) -> Result<(), ConfigError> {
        let records = config.record_latency || self.records_latency();
        let config = config.jitter_seed(self.jitter_seed());
        CircuitBreaker::configure(self, config.record_latency(records))
    }

    fn oblige(&self, config: &CircuitBreakerConfig) {
        if config.record_latency && !fault!("board_latency_for_the_first") {
            CircuitBreaker::record_latency(self);
        }
    }
}

impl Policy for TokenBucketRateLimiter {
    type Config = TokenBucketConfig;

    fn config(&self) -> TokenBucketConfig {
        TokenBucketConfig {
            rate: self.rate(),
            burst: self.burst(),
        }
    }

    fn vacant() -> Self {
        Self::new(Rate::new(1, Nanos::from_secs(1)), 1)
    }

    fn renew(&self, config: &TokenBucketConfig) -> Result<(), ConfigError> {
        self.renew(config.rate, config.burst)
    }

    fn runs_with(&self, config: &TokenBucketConfig) -> Result<bool, ConfigError> {
        self.runs_with(config.rate, config.burst)
    }

    fn configure(&self, config: &TokenBucketConfig) -> Result<(), ConfigError> {
        self.configure(config.rate, config.burst)
    }
}

impl<const OWNERS: usize> Policy for Places<OWNERS> {
    type Config = u16;

    fn config(&self) -> u16 {
        self.limit()
    }

    fn is_intact(&self) -> bool {
        self.limit() > 0
    }

    fn vacant() -> Self {
        Self::new()
    }

    fn renew(&self, limit: &u16) -> Result<(), ConfigError> {
        self.renew(*limit)
    }

    fn runs_with(&self, limit: &u16) -> Result<bool, ConfigError> {
        Ok(self.limit() == *limit)
    }

    fn configure(&self, limit: &u16) -> Result<(), ConfigError> {
        self.set_limit(*limit)
    }

    fn reclaim(&self, owner: Owner) {
        self.reclaim(owner);
    }
}
