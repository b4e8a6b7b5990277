//! [`TimeoutSettings`], [`RetrySettings`] and [`HedgeSettings`]: what a file says about a call's time and attempts.

use crate::config::Config;
use crate::config::policy::{Clash, Kind, Named};
use crate::config::sections::{HEDGES, RETRIES, TIMEOUTS};
use crate::config::setting::Section;
use fuseboard_core::RetryBudget;
use std::time::Duration;

/// Settings of a timeout in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// How long a call may take, all its attempts together; at least 1 ns.
    pub limit: Duration,
    /// How long each attempt may take; below `limit`. Default `None`: only `limit` counts.
    pub attempt_limit: Option<Duration>,
}

/// How pauses between attempts are scattered, in a configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryJitter {
    /// Not at all.
    None,
    /// Anywhere between nothing and the full pause.
    #[default]
    Full,
    /// Between the first pause and a multiple of the last one.
    Decorrelated,
}

/// Settings of retries in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    /// Attempts in all, the first included; 1 to 1,000. Default 3.
    pub max_attempts: u32,
    /// The first pause. Default 100 ms.
    pub initial: Duration,
    /// How many times as long each pause is as the one before; 1 to 100. Default 2.
    pub factor: f64,
    /// The longest pause; at least `initial`. Default 20 s.
    pub max: Duration,
    /// How pauses are scattered. Default [`RetryJitter::Full`].
    pub jitter: RetryJitter,
    /// No attempt is begun this long after the first one. Default `None`: only `max_attempts` counts.
    pub deadline: Option<Duration>,
    /// The longest time that a dependency may ask to be left alone. Default 60 s.
    pub max_retry_after: Duration,
    /// Retries for each call, 0 to 1,000. Default `None`: each call may use all its attempts.
    pub budget_ratio: Option<f64>,
    /// Retries a second beside that. Default 10.
    pub budget_minimum_per_second: u32,
    /// After which both are forgotten. Default 10 s.
    pub budget_ttl: Duration,
}

/// Settings of a hedge in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeSettings {
    /// When the next attempt begins; at least 1 ns.
    pub delay: Duration,
    /// Attempts in all, the first included; 2 to 100. Default 2.
    pub max_attempts: u32,
}

impl Kind for TimeoutSettings {
    const SECTION: &'static Section<Self> = &TIMEOUTS;

    fn start() -> Self {
        Self {
            limit: Duration::MAX,
            attempt_limit: None,
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        if self.attempt_limit.is_some_and(|limit| limit >= self.limit) {
            let message = "must be below `limit`, which is for all attempts together";
            return Err(Clash::new("attempt_limit", message));
        }
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.timeouts
    }
}

impl Kind for RetrySettings {
    const SECTION: &'static Section<Self> = &RETRIES;

    fn start() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(20),
            jitter: RetryJitter::default(),
            deadline: None,
            max_retry_after: Duration::from_secs(60),
            budget_ratio: None,
            budget_minimum_per_second: <RetryBudget>::MINIMUM_PER_SECOND,
            budget_ttl: Duration::from_nanos(<RetryBudget>::TTL.get()),
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        if self.max < self.initial {
            let max = humantime::format_duration(self.max);
            let message = format!("must be at most `max`, which is {max}");
            return Err(Clash::new("initial", message));
        }
        if let Some(ratio) = self.budget_ratio {
            let (minimum, ttl) = (self.budget_minimum_per_second, self.budget_ttl.into());
            <RetryBudget>::try_new(ratio, minimum, ttl).map_err(|error| {
                let field = match error.field() {
                    "ttl" => "budget_ttl",
                    "minimum_per_second" => "budget_minimum_per_second",
                    _ => "budget_ratio",
                };
                Clash::new(field, format!("allowed: {}", error.allowed()))
            })?;
        }
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.retries
    }
}

impl Kind for HedgeSettings {
    const SECTION: &'static Section<Self> = &HEDGES;

    fn start() -> Self {
        Self {
            delay: Duration::MAX,
            max_attempts: 2,
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.hedges
    }
}
