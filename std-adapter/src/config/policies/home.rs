//! [`Home`]: where policies live.

use crate::breaker::{CircuitBreaker, CircuitBreakerConfig};
use crate::config::Config;
use crate::limiter::{ConcurrencyLimit, TokenBucketRateLimiter};
use fuseboard_core::{ConfigError, Rate};

/// Why a policy cannot be made.
pub(super) enum Unmade {
    /// A setting does not fit.
    Setting(ConfigError),
    /// The board refused the name.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(crate::BoardError),
}

impl From<ConfigError> for Unmade {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error)
    }
}

#[cfg(all(target_os = "linux", target_has_atomic = "64"))]
impl From<crate::BoardError> for Unmade {
    fn from(error: crate::BoardError) -> Self {
        use fuseboard_core::ClaimError;
        match error {
            crate::BoardError::Claim(ClaimError::Config(error)) => Self::Setting(error),
            error => Self::Board(error),
        }
    }
}

/// Where policies live.
#[derive(Debug)]
pub(super) enum Home {
    /// In this process alone.
    Own,
    /// On a board, perhaps shared with others.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    Board(crate::Board),
}

impl Home {
    /// Opens what the configuration names; or says why not.
    pub(super) fn of(config: &Config) -> Result<Self, String> {
        match config.board() {
            None => Ok(Self::Own),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Some(path) => crate::Board::open(path)
                .map(Self::Board)
                .map_err(|error| error.to_string()),
            #[cfg(not(all(target_os = "linux", target_has_atomic = "64")))]
            Some(_) => Err("boards need Linux and 64-bit atomics; leave it out".to_owned()),
        }
    }

    pub(super) const fn is_board(&self) -> bool {
        !matches!(self, Self::Own)
    }

    pub(super) fn breaker(
        &self,
        name: &str,
        config: CircuitBreakerConfig,
    ) -> Result<CircuitBreaker, Unmade> {
        match self {
            Self::Own => Ok(CircuitBreaker::try_new(name, config)?),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board(board) => {
                Ok(board.breaker_with(name, config, crate::WhenDifferent::Update)?)
            }
        }
    }

    pub(super) fn token_bucket(
        &self,
        name: &str,
        rate: Rate,
        burst: u64,
    ) -> Result<TokenBucketRateLimiter, Unmade> {
        match self {
            Self::Own => Ok(TokenBucketRateLimiter::try_new(rate, burst)?),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board(board) => {
                Ok(board.token_bucket_with(name, rate, burst, crate::WhenDifferent::Update)?)
            }
        }
    }

    pub(super) fn concurrency_limit(
        &self,
        name: &str,
        limit: u32,
    ) -> Result<ConcurrencyLimit, Unmade> {
        match self {
            Self::Own => Ok(ConcurrencyLimit::try_new(limit)?),
            #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
            Self::Board(board) => {
                Ok(board.concurrency_limit_with(name, limit, crate::WhenDifferent::Update)?)
            }
        }
    }
}
