//! The operator's verbs, the same in every language.

use crate::breaker::config::CircuitBreakerConfig;
use crate::breaker::{CircuitBreaker, tell};
use crate::error::ConfigError;
use crate::event::{Counts, Observer, State};
use crate::fault::fault;
use crate::nanos::Nanos;

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// Rejects every request until another manual verb.
    pub fn force_open(&self, now: Nanos, observer: &impl Observer) {
        self.operate(State::ForcedOpen, now, None, observer);
    }

    /// Rejects every request before `until`; then the breaker probes as after any opening.
    pub fn force_open_until(&self, until: Nanos, now: Nanos, observer: &impl Observer) {
        self.operate(State::ForcedOpen, now, Some(until.max(now)), observer);
    }

    /// Admits every request and counts nothing until another manual verb.
    pub fn disable(&self, now: Nanos, observer: &impl Observer) {
        let to = fault!("disabled_counts", State::MetricsOnly, State::Disabled);
        self.operate(to, now, None, observer);
    }

    /// Admits and counts every request and never trips until another manual verb.
    pub fn metrics_only(&self, now: Nanos, observer: &impl Observer) {
        let to = fault!(
            "metrics_only_is_disabled",
            State::Disabled,
            State::MetricsOnly
        );
        self.operate(to, now, None, observer);
    }

    /// Closes the breaker with an empty window; permits given before change nothing any more.
    pub fn reset(&self, now: Nanos, observer: &impl Observer) {
        if !fault!("reset_ignored") {
            self.operate(State::Closed, now, None, observer);
        }
    }

    fn operate(&self, to: State, now: Nanos, until: Option<Nanos>, observer: &impl Observer) {
        let change = self
            .words
            .state
            .operate(to, now, until, &self.settings, |from, to| {
                self.clear_window(from, to);
            });
        tell(observer, change, now, Counts::default());
    }

    /// Takes new settings over and keeps state and window. The window's kind and size stay, and so does `count_overdue`.
    ///
    /// A decision that runs meanwhile may still see an old setting beside a new one.
    ///
    /// # Errors
    /// The first field that is out of its range; `window` or `count_overdue` when it would change.
    /// Nothing is changed then.
    pub fn configure(&self, config: CircuitBreakerConfig) -> Result<(), ConfigError> {
        let settings = config.settings(SLOTS)?;
        let running = self.settings.geometry();
        if settings.geometry.counts_overdue != running.counts_overdue {
            return Err(ConfigError::conflict(
                "count_overdue",
                "differs from the running breaker's",
                "what it was made with; make a new breaker to change it",
            ));
        }
        if settings.geometry != running && !fault!("window_may_change") {
            return Err(ConfigError::conflict(
                "window",
                "its kind or size differs from the running breaker's",
                "what it was made with; make a new breaker for another window",
            ));
        }
        if !fault!("configure_ignored") {
            self.settings.store(&settings);
        }
        self.words.window().forget_maturity(settings.geometry);
        Ok(())
    }
}
