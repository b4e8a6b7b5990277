//! [`QueueSettings`], [`AdaptiveSettings`], [`SheddingSettings`] and [`ThrottleSettings`]: what a file says about too much work.

use crate::config::Config;
use crate::config::policy::{Clash, Kind, Named};
use crate::config::sections::{ADAPTIVE, QUEUES, SHEDDING, THROTTLES};
use crate::config::setting::Section;
use fuseboard_core::{AdaptiveLimitConfig, Algorithm, ClientThrottle, ClientThrottleConfig, CoDel};
use std::time::Duration;

/// Settings of a concurrency limit with a line before it, in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Most calls in flight at once; at least 1.
    pub limit: u32,
    /// Most calls that wait for a place; at least 1.
    pub max_waiting: u32,
    /// The longest wait. Default `None`: no bound.
    pub max_wait: Option<Duration>,
    /// The wait that a line that does not stand keeps below; calls that waited longer are shed while it stands. Default `None`: nobody is shed.
    pub shed_target: Option<Duration>,
    /// How long all waits must have been longer before the line stands. Default 100 ms.
    pub shed_interval: Duration,
}

/// Settings of an adaptive limit in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveSettings {
    /// How the limit moves. Default [`Algorithm::Gradient2`].
    pub algorithm: Algorithm,
    /// The limit at the start. Default 20.
    pub initial_limit: u32,
    /// The limit never goes below this. Default 1.
    pub min_limit: u32,
    /// The limit never goes above this. Default 200.
    pub max_limit: u32,
    /// The limit moves at most once in this time. Default 100 ms.
    pub window: Duration,
    /// Samples without which it does not move. Default 10.
    pub min_samples: u32,
    /// Of AIMD: a call that took longer counts as dropped. Default 5 s.
    pub latency_limit: Duration,
    /// What remains of the limit after a window in which a call was dropped. Default 0.9.
    pub backoff: f64,
    /// Of Gradient2: so many times the usual latency is no reason to shrink. Default 1.5.
    pub tolerance: f64,
    /// Of Gradient2: the share of a change that is made in one window. Default 0.2.
    pub smoothing: f64,
    /// After so many windows the usual latency is learnt anew. Default 600.
    pub baseline_windows: u32,
}

/// Settings of load shedding in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SheddingSettings {
    /// Most calls in flight at once, of the highest priority; at least 1.
    pub limit: u32,
    /// The share of the limit, 0 to 1, that calls of priority 0 may fill. Default 0.5.
    pub sheds_from: f64,
}

/// Settings of a client throttle in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleSettings {
    /// Rejecting begins when fewer than one in so many calls is accepted; 1 to 1,000. Default 2.
    pub multiplier: f64,
    /// The time that is looked back on; at least 100 ms. Default 2 min.
    pub window: Duration,
    /// Nothing is rejected while the window holds fewer calls. Default 10.
    pub minimum_requests: u32,
    /// Where the draws start. Default 0.
    pub seed: u64,
}

impl AdaptiveSettings {
    /// The same for an `AdaptiveLimit`.
    pub fn config(&self) -> AdaptiveLimitConfig {
        AdaptiveLimitConfig::new(self.algorithm)
            .initial_limit(self.initial_limit)
            .min_limit(self.min_limit)
            .max_limit(self.max_limit)
            .window(self.window.into())
            .min_samples(self.min_samples)
            .latency_limit(self.latency_limit.into())
            .backoff(self.backoff)
            .tolerance(self.tolerance)
            .smoothing(self.smoothing)
            .baseline_windows(self.baseline_windows)
    }
}

impl ThrottleSettings {
    /// The same for a `ClientThrottle`.
    pub fn config(&self) -> ClientThrottleConfig {
        ClientThrottleConfig::new()
            .multiplier(self.multiplier)
            .window(self.window.into())
            .minimum_requests(self.minimum_requests)
            .seed(self.seed)
    }
}

impl Kind for QueueSettings {
    const SECTION: &'static Section<Self> = &QUEUES;

    fn start() -> Self {
        Self {
            limit: 1,
            max_waiting: 1,
            max_wait: None,
            shed_target: None,
            shed_interval: CoDel::INTERVAL.into(),
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        if let Some(target) = self.shed_target {
            CoDel::try_new(target.into(), self.shed_interval.into()).map_err(|error| {
                let field = match error.field() {
                    "target" => "shed_target",
                    _ => "shed_interval",
                };
                Clash::new(field, format!("allowed: {}", error.allowed()))
            })?;
        }
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.queues
    }
}

impl Kind for AdaptiveSettings {
    const SECTION: &'static Section<Self> = &ADAPTIVE;

    fn start() -> Self {
        Self {
            algorithm: Algorithm::Gradient2,
            initial_limit: 20,
            min_limit: 1,
            max_limit: 200,
            window: Duration::from_millis(100),
            min_samples: 10,
            latency_limit: Duration::from_secs(5),
            backoff: 0.9,
            tolerance: 1.5,
            smoothing: 0.2,
            baseline_windows: 600,
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        Ok(self.config().validate()?)
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.adaptive
    }
}

impl Kind for SheddingSettings {
    const SECTION: &'static Section<Self> = &SHEDDING;

    fn start() -> Self {
        Self {
            limit: 1,
            sheds_from: 0.5,
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.shedding
    }
}

impl Kind for ThrottleSettings {
    const SECTION: &'static Section<Self> = &THROTTLES;

    fn start() -> Self {
        Self {
            multiplier: 2.0,
            window: Duration::from_secs(120),
            minimum_requests: 10,
            seed: 0,
        }
    }

    fn check(&self, _: bool) -> Result<(), Clash> {
        <ClientThrottle>::try_new(self.config())?;
        Ok(())
    }

    fn of(config: &Config) -> &Named<Self> {
        &config.throttles
    }
}
