//! How each kind of policy is made, and changed while it runs.

use super::Refusal;
use super::reload::{Live, Running};
use crate::board::{status_of, words_of};
use crate::breaker::fb_breaker;
use crate::breaker::words::{Elsewhere, Roomy};
use crate::concurrency::fb_concurrency;
use crate::handle;
use crate::sliding_log::fb_sliding_log;
use crate::status::fb_status;
use crate::token_bucket::fb_token_bucket;
use fuseboard::config::{ConcurrencyConfig, Config, RateLimitAlgorithm, RateLimitConfig};
use fuseboard::{Board, BoardError, CircuitBreakerConfig, WhenDifferent};
use fuseboard_core::{CircuitBreaker, ConcurrencyLimit, ConfigError, Rate, TokenBucketRateLimiter};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// Why a policy cannot be made or changed.
pub(super) enum Unmade {
    Setting(ConfigError),
    Board(BoardError),
    Conflict(&'static str, &'static str),
    Memory(fb_status),
}

impl From<ConfigError> for Unmade {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error)
    }
}

impl From<BoardError> for Unmade {
    fn from(error: BoardError) -> Self {
        Self::Board(error)
    }
}

impl From<fb_status> for Unmade {
    fn from(status: fb_status) -> Self {
        Self::Memory(status)
    }
}

impl Unmade {
    pub(super) fn of(self, section: &str, name: &str) -> Refusal {
        match self {
            Self::Setting(error) => Refusal::setting(section, name, error.field(), error),
            Self::Conflict(field, message) => Refusal::setting(section, name, field, message),
            Self::Board(error) => {
                let (status, field) = status_of(&error);
                Refusal {
                    status,
                    field: field.to_owned(),
                    message: format!("{section}.{name}: {}", words_of(&error)),
                }
            }
            Self::Memory(status) => Refusal {
                status,
                field: String::new(),
                message: format!("{section}.{name}: {}", status.words()),
            },
        }
    }
}

const LIVE: &str =
    "cannot change while it runs; keep it, give the policy another name, or restart the program";

/// A kind of policy that runs.
pub(super) trait Kind: Copy + PartialEq + 'static {
    type Policy;
    const SECTION: &'static str;

    /// What a configuration asks for.
    fn of(config: &Config) -> impl Iterator<Item = (&str, &Self)>;
    /// What runs.
    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>>;
    /// Makes it, or takes over what runs under this name on the board.
    fn make(&self, board: Option<&Board>, name: &str) -> Result<Box<Self::Policy>, Unmade>;
    /// Whether a policy that runs as `self` can take `new` over.
    fn can_become(&self, new: &Self) -> Result<(), Unmade>;
    /// Changes what runs; its state stays.
    fn change(&self, policy: &Self::Policy) -> Result<(), Unmade>;
}

/// A seed that differs between breakers and between processes.
fn fresh_seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

impl Kind for CircuitBreakerConfig {
    type Policy = fb_breaker;
    const SECTION: &'static str = "breakers";

    fn of(config: &Config) -> impl Iterator<Item = (&str, &Self)> {
        config.breakers()
    }

    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.breakers
    }

    fn make(&self, board: Option<&Board>, name: &str) -> Result<Box<fb_breaker>, Unmade> {
        let settings = self.core_settings(fresh_seed())?;
        let breaker = if let Some(board) = board {
            let slot = board.raw_breaker(name, settings, WhenDifferent::Update)?;
            fb_breaker::elsewhere(Elsewhere::Board(slot))
        } else if self.record_latency {
            let roomy = handle::boxed(Roomy::try_new(settings)?)?;
            fb_breaker::elsewhere(Elsewhere::Roomy(roomy))
        } else {
            fb_breaker::new(CircuitBreaker::try_new(settings)?)
        };
        Ok(handle::boxed(breaker)?)
    }

    fn can_become(&self, new: &Self) -> Result<(), Unmade> {
        // The breaker's own word is asked, on one of no consequence.
        let trial = CircuitBreaker::<10>::try_new(self.core_settings(0)?)?;
        trial
            .configure(new.core_settings(0)?)
            .map_err(|error| Unmade::Conflict(error.field(), LIVE))?;
        if self.record_latency == new.record_latency {
            Ok(())
        } else {
            Err(Unmade::Conflict("record_latency", LIVE))
        }
    }

    fn change(&self, breaker: &fb_breaker) -> Result<(), Unmade> {
        // Without a new seed the old one stays: another would move the deadline of an open period.
        let seed = breaker.words()?.config().jitter_seed;
        Ok(breaker.configure(self.core_settings(seed)?)??)
    }
}

/// A rate limit, whichever its algorithm.
pub(super) enum Limit {
    Bucket(Box<fb_token_bucket>),
    Log(Box<fb_sliding_log>),
}

impl Kind for RateLimitConfig {
    type Policy = Limit;
    const SECTION: &'static str = "rate_limits";

    fn of(config: &Config) -> impl Iterator<Item = (&str, &Self)> {
        config.rate_limits()
    }

    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.rate_limits
    }

    fn make(&self, board: Option<&Board>, name: &str) -> Result<Box<Limit>, Unmade> {
        let (rate, burst) = (self.rate, self.effective_burst());
        let limit = match (self.algorithm, board) {
            (RateLimitAlgorithm::TokenBucket, None) => {
                let words = TokenBucketRateLimiter::try_new(rate, burst)?;
                Limit::Bucket(handle::boxed(fb_token_bucket::new(words))?)
            }
            (RateLimitAlgorithm::TokenBucket, Some(board)) => {
                let slot = board.raw_token_bucket(name, rate, burst, WhenDifferent::Update)?;
                Limit::Bucket(handle::boxed(fb_token_bucket::on_board(slot))?)
            }
            (RateLimitAlgorithm::SlidingWindow, None) => Limit::Log(handle::boxed(log_of(rate)?)?),
            (RateLimitAlgorithm::SlidingWindow, Some(_)) => {
                return Err(Unmade::Conflict(
                    "algorithm",
                    "a board holds token buckets only; use \"token_bucket\", or no board",
                ));
            }
        };
        Ok(handle::boxed(limit)?)
    }

    fn can_become(&self, new: &Self) -> Result<(), Unmade> {
        match (self.algorithm, new.algorithm) {
            (RateLimitAlgorithm::TokenBucket, RateLimitAlgorithm::TokenBucket) => Ok(()),
            (old, new) if old != new => Err(Unmade::Conflict("algorithm", LIVE)),
            _ => Err(Unmade::Conflict("rate", LIVE)),
        }
    }

    fn change(&self, limit: &Limit) -> Result<(), Unmade> {
        match limit {
            Limit::Bucket(bucket) => {
                Ok((bucket.words()?).configure(self.rate, self.effective_burst())?)
            }
            Limit::Log(_) => Err(Unmade::Conflict("rate", LIVE)),
        }
    }
}

/// A sliding log of all units of a rate in its period.
fn log_of(rate: Rate) -> Result<fb_sliding_log, Unmade> {
    let units = u32::try_from(rate.units()).unwrap_or(u32::MAX);
    fb_sliding_log::try_new(units, rate.per()).ok_or(Unmade::Conflict(
        "rate",
        "is no sliding window's; use \"token_bucket\"",
    ))
}

impl Kind for ConcurrencyConfig {
    type Policy = fb_concurrency;
    const SECTION: &'static str = "concurrency";

    fn of(config: &Config) -> impl Iterator<Item = (&str, &Self)> {
        config.concurrency_limits()
    }

    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.concurrency
    }

    fn make(&self, board: Option<&Board>, name: &str) -> Result<Box<fb_concurrency>, Unmade> {
        let limit = match board {
            None => fb_concurrency::new(ConcurrencyLimit::try_new(self.limit)?),
            Some(board) => {
                let different = WhenDifferent::Update;
                let slot = board.raw_concurrency_limit(name, self.limit, different)?;
                fb_concurrency::on_board(slot)
            }
        };
        Ok(handle::boxed(limit)?)
    }

    fn can_become(&self, _: &Self) -> Result<(), Unmade> {
        Ok(())
    }

    fn change(&self, limit: &fb_concurrency) -> Result<(), Unmade> {
        Ok(limit.change(self.limit)?)
    }
}
