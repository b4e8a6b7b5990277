//! [`Policies`]: what a configuration asks for, running.

#[cfg(any(feature = "hedge", feature = "retry", feature = "timeout"))]
mod attempts;
mod home;
mod kinds;
mod overload;
#[cfg(feature = "pipeline")]
mod pipeline;
mod reload;
mod watch;

pub use kinds::RateLimiter;
pub use reload::Reloaded;
pub use watch::Watch;

use crate::breaker::{CircuitBreaker, CircuitBreakerConfig};
use crate::config::Config;
use crate::config::finding::{ConfigFileError, Finding, Id};
use crate::config::policy::{ConcurrencyConfig, RateLimitConfig};
use crate::limiter::ConcurrencyLimit;
use home::Home;
use kinds::Runs;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The running breakers and limiters of a configuration, by name; reloaded while they run.
///
/// ```
/// use fuseboard::config::{Config, Format, Policies};
///
/// let config = Config::from_text(
///     "[breakers.payments]\nopen_timeout = \"15s\"\n[rate_limits.api]\nrate = \"100/s\"",
///     Format::Toml,
/// )?;
/// let policies = Policies::from_config(&config)?;
/// let payments = policies.breaker("payments").expect("the file has it");
/// let api = policies.rate_limiter("api").expect("the file has it");
/// assert!(api.try_acquire().is_ok() && payments.try_acquire().is_ok());
/// # Ok::<(), fuseboard::config::ConfigFileError>(())
/// ```
///
/// A clone is another handle of the same policies. Threads may share it freely: a look-up takes a read lock, so keep the breaker or limiter
/// that it gives where calls are frequent; it stays the same through every reload.
#[derive(Clone, Debug)]
pub struct Policies {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    home: Home,
    /// What the file says about the board; a reload cannot change it.
    board: Option<PathBuf>,
    running: RwLock<Running>,
}

/// All that runs.
#[derive(Debug, Default)]
struct Running {
    breakers: BTreeMap<String, Live<CircuitBreakerConfig>>,
    rate_limits: BTreeMap<String, Live<RateLimitConfig>>,
    concurrency: BTreeMap<String, Live<ConcurrencyConfig>>,
    #[cfg(feature = "timeout")]
    timeouts: BTreeMap<String, Live<crate::config::TimeoutSettings>>,
    #[cfg(feature = "retry")]
    retries: BTreeMap<String, Live<crate::config::RetrySettings>>,
    #[cfg(feature = "hedge")]
    hedges: BTreeMap<String, Live<crate::config::HedgeSettings>>,
    #[cfg(all(feature = "concurrency", feature = "shedding"))]
    queues: BTreeMap<String, Live<crate::config::QueueSettings>>,
    #[cfg(feature = "adaptive")]
    adaptive: BTreeMap<String, Live<crate::config::AdaptiveSettings>>,
    #[cfg(feature = "shedding")]
    shedding: BTreeMap<String, Live<crate::config::SheddingSettings>>,
    #[cfg(feature = "throttle")]
    throttles: BTreeMap<String, Live<crate::config::ThrottleSettings>>,
}

/// One policy and the settings that it runs with.
#[derive(Debug)]
struct Live<T: Runs> {
    handle: T::Handle,
    config: T,
}

impl Policies {
    /// Makes every policy of the configuration: on its board, where it names one, else in this process alone.
    ///
    /// What runs on the board under these names already takes the settings over and keeps its state.
    ///
    /// # Errors
    /// The board that cannot be opened; a name that runs on it with another window; that the board is full.
    pub fn from_config(config: &Config) -> Result<Self, ConfigFileError> {
        let home = Home::of(config).map_err(|message| {
            let subject = config.board_subject();
            refusal(
                config,
                vec![config.source.error(Id::Board, subject, message)],
            )
        })?;
        Self::at(home, config)
    }

    /// As [`from_config`](Self::from_config), on a board that is open already, whatever the configuration's `board` says: for forked
    /// workers with a [`Board::anonymous`](crate::Board::anonymous), or where a service shall start even if there can be no shared one
    /// ([`Board::open_or_private`](crate::Board::open_or_private)).
    ///
    /// # Errors
    /// As `from_config`; and that the configuration asks for what a board does not have, such as a sliding window.
    #[cfg(all(target_os = "linux", target_has_atomic = "64"))]
    pub fn on_board(config: &Config, board: &crate::Board) -> Result<Self, ConfigFileError> {
        Self::at(Home::Board(board.clone()), config)
    }

    fn at(home: Home, config: &Config) -> Result<Self, ConfigFileError> {
        let policies = Self {
            shared: Arc::new(Shared {
                home,
                board: config.board.clone(),
                running: RwLock::default(),
            }),
        };
        policies.reload(config)?;
        Ok(policies)
    }

    /// The breaker of this name; `None` where no configuration so far had it.
    pub fn breaker(&self, name: &str) -> Option<CircuitBreaker> {
        let running = self.running();
        running.breakers.get(name).map(|live| live.handle.clone())
    }

    /// The rate limiter of this name; `None` where no configuration so far had it.
    pub fn rate_limiter(&self, name: &str) -> Option<RateLimiter> {
        let running = self.running();
        running
            .rate_limits
            .get(name)
            .map(|live| live.handle.clone())
    }

    /// The concurrency limit of this name; `None` where no configuration so far had it.
    pub fn concurrency_limit(&self, name: &str) -> Option<ConcurrencyLimit> {
        let running = self.running();
        running
            .concurrency
            .get(name)
            .map(|live| live.handle.clone())
    }

    /// Takes over another configuration: settings that differ are changed where they run, new names are added, and names that are gone are
    /// told and run on, because somebody may hold them. No state is lost: what is open stays open, what is in flight counts.
    ///
    /// It is all or nothing: where any part cannot be taken over, nothing has changed.
    ///
    /// # Errors
    /// What cannot change while it runs, with the setting's place: `board`, the kind and size of a window, `count_overdue`, a rate's
    /// `algorithm` and a sliding window's `rate`; or as [`from_config`](Self::from_config) for new names.
    pub fn reload(&self, config: &Config) -> Result<Reloaded, ConfigFileError> {
        let mut running = self
            .shared
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        reload::take_over(&self.shared, &mut running, config)
            .map_err(|findings| refusal(config, findings))
    }

    fn running(&self) -> RwLockReadGuard<'_, Running> {
        let running = self.shared.running.read();
        // Nothing in between is ever half done: a reload that panicked left what was there.
        running.unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(config: &Config, findings: Vec<Finding>) -> ConfigFileError {
    ConfigFileError::new(findings, config.source.text.clone())
}

/// A kind's policies among all that run.
trait OfKind: Runs {
    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>>;
}

impl OfKind for CircuitBreakerConfig {
    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.breakers
    }
}

impl OfKind for RateLimitConfig {
    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.rate_limits
    }
}

impl OfKind for ConcurrencyConfig {
    fn running(running: &mut Running) -> &mut BTreeMap<String, Live<Self>> {
        &mut running.concurrency
    }
}
