//! [`BreakerPair`]: the shipped breaker and the sequential model.

use std::cell::RefCell;

use fuseboard_core::{
    CircuitBreaker, CircuitBreakerConfig, Nanos, Observer, Outcome, RawPermit, Settled, State,
    Transition, Window as CoreWindow,
};
use fuseboard_model::breaker::{BACKOFF_ONE, Breaker, Config, Permit, Window};

use super::tell;

/// Slots of the breaker under test; a decaying window uses ten of them.
pub const SLOTS: usize = 10;

/// A permit of both.
pub type Pair = (RawPermit, Permit);

/// Both.
pub struct BreakerPair {
    real: CircuitBreaker<SLOTS>,
    model: Breaker,
    config: Config,
    seen: Seen,
    restarts: u64,
    attempts: u64,
    admitted: u64,
}

/// The last state that was told, and how many changes were.
#[derive(Default)]
struct Seen(RefCell<(Option<State>, u64)>);

impl Observer for Seen {
    fn transition(&self, transition: &Transition) {
        let (last, count) = &mut *self.0.borrow_mut();
        // B1: each change begins where the one before ended, and only these are legal but by an operator.
        let from = last.unwrap_or(State::Closed);
        assert_eq!(transition.from, from, "B1: {transition:?}");
        let to = transition.to;
        let by_operator = transition.cause == fuseboard_core::Cause::Manual;
        let legal = matches!(
            (from, to),
            (State::Closed, State::Open)
                | (
                    State::Open | State::HalfOpen | State::ForcedOpen,
                    State::HalfOpen
                )
                | (State::HalfOpen, State::Closed | State::Open)
        );
        assert!(by_operator || legal, "B1: {transition:?}");
        *last = Some(to);
        *count += 1;
    }
}

impl BreakerPair {
    /// `None`: the core refuses the settings.
    pub fn new(config: Config) -> Option<Self> {
        tell(format_args!("breaker {config:?}"));
        Some(Self {
            real: CircuitBreaker::try_new(core_config(&config)).ok()?,
            model: Breaker::new(config),
            config,
            seen: Seen::default(),
            restarts: 0,
            attempts: 0,
            admitted: 0,
        })
    }

    pub fn acquire(&mut self, now: u64) -> Option<Pair> {
        tell(format_args!("{now} acquire"));
        let at = Nanos::new(now);
        self.attempts += 1;
        let check = self.real.check(at);
        let expected = self.model.acquire(now);
        let real = self.real.acquire(at, &self.seen);
        // A ramp's credit is spent by asking: looking tells what asking would.
        assert_eq!(check.err(), real.err(), "O2: check and acquire at {now}");
        assert_eq!(
            real.err(),
            expected.as_ref().err().copied(),
            "acquire at {now}"
        );
        let pair = real.ok().zip(expected.ok());
        self.admitted += u64::from(pair.is_some());
        self.compare(now);
        pair
    }

    pub fn settle(&mut self, (raw, permit): Pair, outcome: Outcome, weight: u32, now: u64) -> bool {
        tell(format_args!(
            "{now} settle {outcome:?} weight={weight} {permit:?}"
        ));
        let at = Nanos::new(now);
        // The plain settling has a path of its own.
        let real = if weight == 1 {
            self.real.settle(raw, outcome, at, &self.seen)
        } else {
            self.real
                .settle_weighted(raw, outcome, weight, at, &self.seen)
        };
        let expected = self
            .model
            .settle(permit, outcome, weight.clamp(1, 1_000), now);
        assert_eq!(real, expected, "settle {outcome:?} at {now}");
        self.compare(now);
        real == Settled::Recorded
    }

    pub fn cancel(&mut self, (raw, permit): Pair, now: u64) -> bool {
        tell(format_args!("{now} cancel {permit:?}"));
        let real = self.real.cancel(raw, &self.seen);
        let expected = self.model.settle(permit, Outcome::Ignored, 1, now);
        assert_eq!(real, expected, "cancel at {now}");
        self.compare(now);
        real == Settled::Recorded
    }

    /// A manual verb; `until` is for forced openings.
    pub fn operate(&mut self, state: State, until: Option<u64>, now: u64) {
        tell(format_args!("{now} {state:?} until={until:?}"));
        let at = Nanos::new(now);
        match (state, until) {
            (State::ForcedOpen, Some(until)) => {
                self.real
                    .force_open_until(Nanos::new(until), at, &self.seen);
                self.model.force_open_until(until, now);
            }
            (state, _) => {
                match state {
                    State::ForcedOpen => self.real.force_open(at, &self.seen),
                    State::Disabled => self.real.disable(at, &self.seen),
                    State::MetricsOnly => self.real.metrics_only(at, &self.seen),
                    _ => self.real.reset(at, &self.seen),
                }
                let state = match state {
                    State::Open | State::HalfOpen => State::Closed,
                    state => state,
                };
                self.model.operate(state, now);
            }
        }
        self.compare(now);
    }

    /// New settings; the window stays, so one of another shape must be refused.
    pub fn configure(&mut self, config: Config, now: u64) -> bool {
        tell(format_args!("{now} configure {config:?}"));
        let real = self.real.configure(core_config(&config));
        let same = config.window == self.config.window
            && config.count_overdue == self.config.count_overdue;
        assert!(
            same || real.is_err(),
            "R6: a window of another shape was taken"
        );
        if real.is_ok() {
            self.config = config;
            self.model.configure(config);
        }
        self.compare(now);
        real.is_ok()
    }

    /// Saves, and restores into a new breaker as if `away` had passed.
    pub fn restart(&mut self, away: u64, now: u64) {
        tell(format_args!("{now} restart away={away}"));
        let at = Nanos::new(now);
        let saved = self.real.save(at);
        let mut fresh =
            CircuitBreaker::try_new(core_config(&self.config)).expect("accepted before");
        assert_eq!(fresh.restore(&saved, at, Nanos::new(away)), Ok(()));
        self.real = fresh;
        self.model.restart(away, now);
        self.restarts += 1;
        self.compare(now);
    }

    /// Everything that can be read is the model's.
    fn compare(&self, now: u64) {
        let snapshot = self.real.snapshot(Nanos::new(now));
        let model = &self.model;
        assert_eq!(snapshot.state, model.state(), "state at {now}");
        assert_eq!(self.real.state(), model.state(), "B14: state at {now}");
        assert_eq!(
            u64::from(snapshot.generation),
            model.generation(),
            "B2: generation at {now}"
        );
        assert_eq!(snapshot.in_flight, model.in_flight(), "B6 at {now}");
        assert_eq!(snapshot.window, model.window(now), "W1: window at {now}");
        let one = match self.config.window {
            Window::Decay { .. } => 65_536,
            _ => 1,
        };
        let overdue = (model.overdue(now) + one / 2) / one;
        assert_eq!(snapshot.overdue, overdue, "overdue at {now}");
        let totals = snapshot.totals;
        let expected = model.total;
        assert_eq!(
            (totals.calls, totals.failures, totals.slow),
            (expected.calls, expected.failures, expected.slow),
            "O1 at {now}"
        );
        assert_eq!(
            (totals.rejected, totals.ignored),
            (model.rejected, model.ignored),
            "O1 at {now}"
        );
        assert_eq!(self.admitted + totals.rejected, self.attempts, "O1");
        // B2, B15: one event for each generation but a restart's.
        let told = self.seen.0.borrow().1;
        assert_eq!(told + self.restarts, model.generation(), "B15");
    }
}

/// The same settings, as a user writes them.
pub fn core_config(config: &Config) -> CircuitBreakerConfig {
    let share = |ppm: u64| ppm as f64 / 1e6;
    CircuitBreakerConfig::new()
        .failure_threshold(share(config.failure_ppm))
        .minimum_requests(config.minimum)
        .open_timeout(Nanos::new(config.open_timeout))
        .open_timeout_max(Nanos::new(config.open_timeout_max))
        .open_backoff(config.backoff as f64 / BACKOFF_ONE as f64)
        .open_jitter(share(config.jitter_ppm))
        .jitter_seed(config.jitter_seed)
        .ramp_up(Nanos::new(config.ramp_up))
        .half_open_requests(config.half_open_requests)
        .half_open_successes(Some(config.half_open_successes))
        .half_open_failures(config.half_open_failures)
        .probe_lease(Some(Nanos::new(config.probe_lease)))
        .slow_call_duration(config.slow_call.map(Nanos::new))
        .slow_call_threshold(share(config.slow_ppm))
        .count_overdue(config.count_overdue)
        .window(match config.window {
            Window::Time { slot, slots } => CoreWindow::Time {
                length: Nanos::new(slot.saturating_mul(slots)),
                slots: slots as u32,
            },
            Window::Count(size) => CoreWindow::Count(size as u32),
            Window::Consecutive(limit) => CoreWindow::Consecutive(limit as u32),
            Window::Decay { slot, steps, .. } => CoreWindow::Decay {
                half_life: Nanos::new(slot.saturating_mul(steps)),
            },
        })
}
