//! Making a breaker new in words that another one has used, comparing its settings, and reading them back.

use crate::breaker::CircuitBreaker;
use crate::breaker::config::{CircuitBreakerConfig, Window};
use crate::breaker::rules::{FACTOR_ONE, Geometry, Kind, PPM, decay_steps};
use crate::error::ConfigError;
use crate::event::State;
use crate::fault::fault;
use crate::nanos::Nanos;

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

    /// From now on latencies are recorded.
    pub(crate) fn record_latency(&self) {
        self.settings.record_latency();
    }

    /// Whether `config` is what it runs with, but for the seed of the jitter, which is drawn, and `record_latency`, which decides nothing.
    pub(crate) fn runs_with(&self, config: CircuitBreakerConfig) -> Result<bool, ConfigError> {
        Ok(self.settings.are(&config.settings(SLOTS)?))
    }
}

impl<const SLOTS: usize, const STRIPES: usize, const HANDLES: usize>
    CircuitBreaker<SLOTS, STRIPES, HANDLES>
{
    /// What it runs with: a breaker made or configured with this decides alike. What was left to a default is written out, and
    /// a `minimum_requests` that a count window capped is the capped one. Words that a foreign hand has changed are clamped.
    pub fn config(&self) -> CircuitBreakerConfig {
        let settings = &self.settings;
        let geometry = settings.geometry();
        let (failure_ppm, slow_ppm) = settings.thresholds();
        let (open, round) = (settings.open_rules(), settings.round_rules());
        let slow = Some(settings.slow_call_duration()).filter(|limit| *limit != Nanos::MAX);
        CircuitBreakerConfig::new()
            .failure_threshold(share(failure_ppm))
            .minimum_requests(settings.minimum())
            .open_timeout(open.timeout)
            .half_open_requests(round.requests)
            .window(window::<SLOTS>(geometry))
            .slow_call_duration(slow)
            .slow_call_threshold(share(slow_ppm))
            .count_overdue(geometry.counts_overdue)
            .half_open_successes(Some(round.successes))
            .half_open_failures(round.failures)
            .probe_lease(Some(fault!(
                "config_without_lease",
                open.timeout,
                round.lease
            )))
            .open_backoff(open.factor as f64 / FACTOR_ONE as f64)
            .open_timeout_max(open.timeout_max)
            .open_jitter(share(open.jitter_ppm))
            .jitter_seed(open.seed)
            .ramp_up(settings.ramp_up())
            .record_latency(settings.records_latency())
    }
}

fn share(ppm: u32) -> f64 {
    f64::from(ppm) / f64::from(PPM)
}

fn window<const SLOTS: usize>(geometry: Geometry) -> Window {
    let times = |count: u32| Nanos::new(geometry.slot.get().saturating_mul(u64::from(count)));
    match geometry.kind() {
        Kind::Time => Window::Time {
            length: times(geometry.size),
            slots: geometry.size,
        },
        Kind::Count => Window::Count(geometry.size),
        Kind::Consecutive => Window::Consecutive(geometry.size),
        Kind::Decay => Window::Decay {
            half_life: times(decay_steps(SLOTS)),
        },
    }
}
