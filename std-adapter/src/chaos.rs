//! [`Chaos`]: faults made on purpose, to see whether the policies hold.

use crate::call::CallError;
use crate::random::Draws;
use crate::tally::{Tally, did};
use fuseboard_core::ConfigError;
use std::sync::Arc;
use std::time::Duration;

/// What happens how often. Shares are 0 to 1 of the calls; all are 0 unless set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChaosConfig {
    /// Calls that end with [`CallError::Injected`] instead of being made.
    pub faults: f64,
    /// Calls that never end, until they are dropped.
    pub hangs: f64,
    /// Calls that begin late.
    pub delays: f64,
    /// How late, at most; drawn evenly from 0.
    pub max_delay: Duration,
    /// Where the draws start; the same seed makes the same faults. Default `None`: each run its own.
    pub seed: Option<u64>,
}

/// Faults, hangs and delays by chance, by a seed that can be repeated. It does nothing until it is
/// [switched on](Self::switch).
///
/// Put it innermost, in the dependency's place: what it does is then what the policies see.
///
/// ```
/// use fuseboard::{Chaos, ChaosConfig};
///
/// let config = ChaosConfig { faults: 0.1, seed: Some(7), ..Default::default() };
/// let chaos = Chaos::new(config).unwrap();
/// chaos.switch(std::env::var_os("CHAOS").is_some());
/// ```
///
/// A clone shares the draws and the switch. A delay or hang that is dropped leaves nothing behind.
#[derive(Clone, Debug)]
pub struct Chaos {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ChaosConfig,
    draws: Draws,
    is_on: std::sync::atomic::AtomicBool,
    tally: Tally,
}

impl Chaos {
    /// Chaos that is switched off.
    ///
    /// # Errors
    /// The first share that is not 0 to 1.
    pub fn new(config: ChaosConfig) -> Result<Self, ConfigError> {
        let shares = [
            ("chaos.faults", config.faults),
            ("chaos.hangs", config.hangs),
            ("chaos.delays", config.delays),
        ];
        for (field, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(ConfigError::decimal(field, share, "0 to 1"));
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                draws: Draws::new(config.seed),
                config,
                is_on: false.into(),
                tally: Tally::new::<did::Chaos>(),
            }),
        })
    }

    /// Switches it on or off, for all handles.
    pub fn switch(&self, is_on: bool) {
        // Relaxed: nothing else depends on when a caller sees it.
        self.shared
            .is_on
            .store(is_on, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        // Relaxed: as in `switch`.
        self.shared.is_on.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Makes a call, if chaos lets it.
    ///
    /// # Errors
    /// [`CallError::Injected`], or the operation's own.
    pub async fn call<T, E>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        self.strike().await?;
        operation.await.map_err(CallError::OperationFailed)
    }

    /// What it did to calls while it was on.
    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Does its worst.
    pub(crate) async fn strike<E>(&self) -> Result<(), CallError<E>> {
        if !self.is_on() {
            return Ok(());
        }
        let Shared { config, draws, .. } = &*self.shared;
        // All are drawn each time, so that a seed means the same whichever shares are set.
        let (faults, hangs, delays) = (
            draws.happens(config.faults),
            draws.happens(config.hangs),
            draws.happens(config.delays),
        );
        let max_delay = u64::try_from(config.max_delay.as_nanos()).unwrap_or(u64::MAX);
        let delay = Duration::from_nanos(draws.between(0, max_delay));
        self.shared.tally.count(match (hangs, faults) {
            (true, _) => did::Chaos::Hung,
            (_, true) => did::Chaos::Injected,
            _ => did::Chaos::Passed,
        });
        if hangs {
            return std::future::pending().await;
        }
        if delays {
            tokio::time::sleep(delay).await;
        }
        if faults {
            Err(CallError::Injected)
        } else {
            Ok(())
        }
    }
}
