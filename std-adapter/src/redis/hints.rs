//! [`BreakerHints`]: hosts tell each other that they have opened.

use super::engine::Engine;
use super::error::SetUpError;
use super::script;
use crate::breaker::{CircuitBreaker, CircuitBreakerConfig, fresh_seed};
use crate::limiter::Unavailable;
use fuseboard_core::{Cause, ConfigError, State, Transition};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What a hint from another host changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintOptions {
    /// The breaker's `minimum_requests` while another host says that it has opened; 1 to 1,000,000, and no more than the breaker's own. Default 5.
    pub minimum_requests: u64,
    /// How long a host's word counts; 1 s to an hour. Default 30 s.
    pub counts_for: Duration,
    /// How often the engine is asked; 10 ms to a minute. Default 1 s.
    pub ask_every: Duration,
}

impl Default for HintOptions {
    fn default() -> Self {
        Self {
            minimum_requests: 5,
            counts_for: Duration::from_secs(30),
            ask_every: Duration::from_secs(1),
        }
    }
}

impl HintOptions {
    fn check(&self, own_minimum: u64) -> Result<(), SetUpError> {
        let second = Duration::from_secs(1);
        let range = 1..=own_minimum;
        let allowed = "1 to the breaker's own minimum";
        SetUpError::integer("minimum_requests", self.minimum_requests, range, allowed)?;
        let range = second..=3600 * second;
        SetUpError::span("counts_for", self.counts_for, range, "1 s to an hour")?;
        let range = second / 100..=60 * second;
        SetUpError::span("ask_every", self.ask_every, range, "10 ms to a minute")?;
        Ok(())
    }
}

/// Why hints cannot be shared.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum HintError {
    /// An option is out of its range.
    #[error(transparent)]
    Option(#[from] SetUpError),
    /// The breaker does not take the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Tells other hosts when a breaker opens for failures of its own, and lowers its minimum while others say the same.
///
/// Nobody opens because another did: one bad host must not stop all. But a dependency that fails elsewhere too needs fewer failures here to
/// be believed. While the engine is away there are no hints, and the minimum is the breaker's own. Dropped, it restores it.
/// Settings that are changed meanwhile are overwritten: end it, change them, and share anew.
#[derive(Debug)]
pub struct BreakerHints {
    shared: Arc<Shared>,
    telling: AbortHandle,
    asking: AbortHandle,
}

struct Shared {
    engine: Engine,
    /// Gives the breaker another minimum.
    apply: Box<dyn Fn(u64) + Send + Sync>,
    /// Held while a minimum is applied, so that none comes after the end.
    is_over: Mutex<bool>,
    own_minimum: u64,
    options: HintOptions,
    has_opened: Notify,
    key: String,
    host: String,
}

impl BreakerHints {
    /// Shares hints about `breaker`, whose configuration is `config`, with those of the same name on `engine`. In a tokio runtime.
    ///
    /// # Errors
    /// An option that is out of its range, or a configuration that the breaker does not take.
    pub fn share(
        engine: &Engine,
        breaker: &CircuitBreaker,
        config: CircuitBreakerConfig,
        options: HintOptions,
    ) -> Result<Self, HintError> {
        options.check(config.minimum_requests)?;
        breaker.configure(config)?;
        let target = breaker.clone();
        let apply = move |minimum_requests| {
            let config = CircuitBreakerConfig {
                minimum_requests,
                ..config
            };
            // It took the same but for a minimum that is no greater.
            let _ = target.configure(config);
        };
        let hints = Self::about(
            engine,
            breaker.name(),
            config.minimum_requests,
            options,
            apply,
        )?;
        let shared = Arc::downgrade(&hints.shared);
        breaker.on_transition(move |transition| {
            if let Some(shared) = shared.upgrade() {
                shared.tell_of(transition);
            }
        });
        Ok(hints)
    }

    /// The same about a breaker that is not the adapter's, for other languages: `apply` gives it another minimum, and the caller
    /// passes its transitions to [`tell_of`](Self::tell_of). `own_minimum` is what it has without hints. In a tokio runtime.
    ///
    /// # Errors
    /// An option that is out of its range.
    pub fn about(
        engine: &Engine,
        name: &str,
        own_minimum: u64,
        options: HintOptions,
        apply: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<Self, HintError> {
        options.check(own_minimum)?;
        let shared = Arc::new(Shared {
            engine: engine.clone(),
            apply: Box::new(apply),
            is_over: Mutex::new(false),
            own_minimum,
            options,
            has_opened: Notify::new(),
            key: format!("fuseboard:{{{name}}}:hints:1"),
            host: format!("{:016x}", fresh_seed()),
        });
        let telling = tokio::spawn(Arc::clone(&shared).tell()).abort_handle();
        let asking = tokio::spawn(Arc::clone(&shared).ask()).abort_handle();
        Ok(Self {
            shared,
            telling,
            asking,
        })
    }

    /// Other hosts are told, if the breaker has opened for failures of its own. Needs no runtime, and does not wait.
    pub fn tell_of(&self, transition: &Transition) {
        self.shared.tell_of(transition);
    }

    /// How many other hosts say now that they have opened.
    ///
    /// # Errors
    /// Why the engine did not say.
    pub async fn others(&self) -> Result<u64, Unavailable> {
        self.shared.exchange(Duration::ZERO).await
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("engine", &self.engine)
            .field("own_minimum", &self.own_minimum)
            .field("options", &self.options)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Drop for BreakerHints {
    fn drop(&mut self) {
        self.telling.abort();
        self.asking.abort();
        self.shared.apply(0, true);
    }
}

impl Shared {
    async fn exchange(&self, says_for: Duration) -> Result<u64, Unavailable> {
        let arguments = [self.host.clone(), says_for.as_millis().to_string()];
        self.engine.run(&script::HINTS, &self.key, &arguments).await
    }

    fn tell_of(&self, transition: &Transition) {
        let is_its_own = matches!(
            transition.cause,
            Cause::FailureRate | Cause::SlowCallRate | Cause::ProbeFailed
        );
        if transition.to == State::Open && is_its_own {
            self.has_opened.notify_one();
        }
    }

    async fn tell(self: Arc<Self>) {
        loop {
            self.has_opened.notified().await;
            // An engine that is away misses it: hints are worth no second try.
            let _ = self.exchange(self.options.counts_for).await;
        }
    }

    async fn ask(self: Arc<Self>) {
        let mut known = 0;
        loop {
            let others = self.exchange(Duration::ZERO).await.unwrap_or(0);
            if others.min(1) != known {
                known = others.min(1);
                self.apply(others, false);
            }
            tokio::time::sleep(self.options.ask_every).await;
        }
    }

    fn apply(&self, others: u64, ends: bool) {
        // What it guards is whole at any time.
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_over {
            return;
        }
        *is_over = ends;
        (self.apply)(if others > 0 {
            self.options.minimum_requests
        } else {
            self.own_minimum
        });
    }
}
