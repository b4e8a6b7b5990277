//! [`Backoff`]: how long to pause before each further attempt.

use crate::random::Draws;
use fuseboard_core::ConfigError;
use std::time::Duration;

/// How pauses are scattered, so that callers who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Anywhere between nothing and the full pause: least load on what recovers. (M. Brooker, *Exponential Backoff and
    /// Jitter*, 2015.)
    #[default]
    Full,
    /// Between `initial` and `factor` times the pause before. From the same source, where it is called decorrelated (with a
    /// factor of 3).
    Decorrelated,
}

/// Pauses that grow: `initial`, then `factor` times as long each time, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The first pause. Default 100 ms.
    pub initial: Duration,
    /// The longest; at least `initial`. Default 20 s.
    pub max: Duration,
    /// How many times as long each pause is as the one before; 1 to 100. Default 2.
    pub factor: f64,
    /// How they are scattered. Default [`Jitter::Full`].
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(20),
            factor: 2.0,
            jitter: Jitter::Full,
        }
    }
}

impl Backoff {
    /// The same pause each time, not scattered.
    pub const fn constant(pause: Duration) -> Self {
        Self {
            initial: pause,
            max: pause,
            factor: 1.0,
            jitter: Jitter::None,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1.0..=100.0).contains(&self.factor) {
            let allowed = "1 to 100; 1 keeps the pause the same";
            return Err(ConfigError::decimal("backoff.factor", self.factor, allowed));
        }
        if self.max < self.initial {
            let allowed = "at least backoff.initial";
            return Err(ConfigError::span("backoff.max", self.max.into(), allowed));
        }
        Ok(())
    }

    /// The pause after so many attempts, the one before having been `last`.
    pub(super) fn pause(&self, attempts: u32, last: Duration, draws: &Draws) -> Duration {
        let grown = |pause: Duration, times: f64| {
            // Clamped while it is a float: an infinite product is no `Duration`.
            Duration::from_secs_f64((pause.as_secs_f64() * times).min(self.max.as_secs_f64()))
        };
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        match self.jitter {
            Jitter::None => grown(self.initial, self.factor.powi(exponent)),
            Jitter::Full => drawn(
                draws,
                Duration::ZERO,
                grown(self.initial, self.factor.powi(exponent)),
            ),
            Jitter::Decorrelated => {
                let top = grown(last.max(self.initial), self.factor);
                drawn(draws, self.initial, top)
            }
        }
    }
}

fn drawn(draws: &Draws, low: Duration, high: Duration) -> Duration {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(draws.between(nanos(low), nanos(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: Backoff, seed: u64) -> Vec<Duration> {
        let draws = Draws::new(Some(seed));
        let mut last = Duration::ZERO;
        (1..=40)
            .map(|attempts| {
                last = backoff.pause(attempts, last, &draws);
                last
            })
            .collect()
    }

    #[test]
    fn without_jitter_pauses_double_up_to_the_longest() {
        let backoff = Backoff {
            jitter: Jitter::None,
            max: Duration::from_secs(1),
            ..Default::default()
        };
        let millis: Vec<_> = pauses(backoff, 0).iter().map(Duration::as_millis).collect();
        assert_eq!(millis[..6], [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(millis[39], 1_000);
    }

    #[test]
    fn jitter_stays_in_its_range_and_is_the_same_for_the_same_seed() {
        for jitter in [Jitter::Full, Jitter::Decorrelated] {
            let backoff = Backoff {
                jitter,
                factor: 3.0,
                ..Default::default()
            };
            let drawn = pauses(backoff, 7);
            assert_eq!(drawn, pauses(backoff, 7));
            assert_ne!(drawn, pauses(backoff, 8));
            let low = if jitter == Jitter::Full {
                Duration::ZERO
            } else {
                backoff.initial
            };
            assert!(
                drawn
                    .iter()
                    .all(|pause| (low..=backoff.max).contains(pause))
            );
            assert!(drawn[0] <= backoff.initial * 3);
        }
    }

    #[test]
    fn r6_a_factor_that_shrinks_and_a_max_below_the_first_pause_are_refused() {
        let bad = [
            Backoff {
                factor: 0.5,
                ..Default::default()
            },
            Backoff {
                factor: f64::NAN,
                ..Default::default()
            },
            Backoff {
                max: Duration::from_millis(1),
                ..Default::default()
            },
        ];
        let fields = bad.map(|backoff| backoff.validate().unwrap_err().field());
        assert_eq!(fields, ["backoff.factor", "backoff.factor", "backoff.max"]);
    }
}
