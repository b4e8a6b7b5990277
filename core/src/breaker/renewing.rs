//! Making a breaker new in words that another one has used, and comparing its settings.

use crate::breaker::CircuitBreaker;
use crate::breaker::config::CircuitBreakerConfig;
use crate::error::ConfigError;
use crate::event::State;

impl<const SLOTS: usize, const STRIPES: usize> CircuitBreaker<SLOTS, STRIPES> {
    /// Closed, empty and configured, while nobody else reads it. The generation goes on, so that permits of the old one stay stale.
    pub(crate) fn renew(&self, config: CircuitBreakerConfig) -> Result<(), ConfigError> {
        let settings = config.settings(SLOTS)?;
        self.settings.store_all(&settings);
        let geometry = settings.geometry;
        let next = self.words.state.load().next(State::Closed, 0);
        let window = self.words.window();
        window.zero();
        // A window names its generation.
        window.clear(geometry, next.generation(), &|| true);
        self.words
            .state
            .renew(next.watched(geometry.counts_overdue));
        Ok(())
    }

    /// Whether `config` is what it runs with, but for the seed of the jitter, which is drawn.
    pub(crate) fn runs_with(&self, config: CircuitBreakerConfig) -> Result<bool, ConfigError> {
        Ok(self.settings.are(&config.settings(SLOTS)?))
    }
}
